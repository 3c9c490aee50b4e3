//! What files say, and who wins.

use super::files::ConfigFile;
use super::*;
use crate::cli::args::BackupArgs;
use crate::cli::parse::{Refusal, parse};
use crate::model::disc::Compression;
use crate::model::{DiscNo, Sectors};

const PHOTOS: &str = r#"
catalog = "/c"
drive = "/dev/sr0"
wait = "2h"
[set.photos]
source = "/srv/photos"
dest = "/shelf"
disc-size = "bd50"
encrypt = true
passphrase-file = "/p"
min-fill = 80
exclude = ["*.tmp", "cache/"]
[set.mail]
source = "/srv/mail"
compress = "none"
"#;

fn with(files: &[(&str, &str)], line: &str) -> Result<Cli, Refusal> {
    let files = files.iter().map(|(path, text)| ConfigFile::new(*path, text)).collect();
    let words = std::iter::once("coldcut").chain(line.split_whitespace());
    parse(words, &ConfigFiles::of(files))
}

fn typed(line: &str) -> Cli {
    with(&[("/etc/coldcut.toml", PHOTOS)], line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn backup_of(cli: Cli) -> BackupArgs {
    match cli.verb {
        Verb::Backup(backup) => backup,
        other => panic!("{other:?}"),
    }
}

/// What is said of a file.
fn refused(text: &str, line: &str) -> String {
    let error = with(&[("/etc/coldcut.toml", text)], line).expect_err(text);
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn a_set_of_the_files_needs_its_name_and_nothing_more() {
    let cli = typed("backup photos");
    assert_eq!(cli.common.set, SetName::new("photos"));
    assert_eq!(cli.common.catalog, Some("/c".into()));
    assert_eq!(cli.common.keys.passphrase_file, Some("/p".into()));
    assert!(cli.common.keys.encrypt && cli.common.wait.is_some());
    let backup = backup_of(cli);
    assert_eq!(backup.source, Path::new("/srv/photos"));
    assert_eq!(backup.dest, [PathBuf::from("/shelf")]);
    assert_eq!((backup.min_fill, backup.exclude.len()), (Some(80), 2));
    assert!(backup.disc_size.is_some());
}

#[test]
fn a_set_is_known_by_its_directory_too_and_a_directory_by_its_slash() {
    let cli = typed("backup /srv/photos /other");
    assert_eq!(cli.common.set, SetName::new("photos"));
    assert!(
        cli.common.keys.encrypt,
        "a set that is closed must not be stored in clear by its path"
    );
    assert_eq!(backup_of(cli).dest, [PathBuf::from("/other")]);
    let cli = typed("backup ./photos /other");
    assert_eq!((cli.common.set, cli.common.keys.encrypt), (None, false));
}

#[test]
fn what_is_typed_wins_wherever_it_stands() {
    let backup = backup_of(typed("backup photos /d --disc-size 2M --min-fill 5 --exclude x"));
    assert_eq!((backup.dest, backup.min_fill), (vec!["/d".into()], Some(5)));
    assert_eq!(backup.disc_size, Some(Sectors(1024)));
    assert_eq!(backup.exclude, ["*.tmp", "cache/", "x"]);
    for line in
        ["--catalog /t backup photos", "backup photos --catalog=/t", "backup --catalog /t photos"]
    {
        assert_eq!(typed(line).common.catalog, Some("/t".into()), "{line}");
    }
    for line in ["--passphrase-command c backup photos", "backup photos --passphrase-command c"] {
        let keys = typed(line).common.keys;
        assert_eq!((keys.passphrase_file, keys.passphrase_command), (None, Some("c".into())));
    }
}

#[test]
fn the_users_file_wins_over_the_machines_and_a_set_over_the_top_level() {
    let user = "catalog = \"/u\"\ncompress = \"zstd\"\n[set.photos]\nencrypt = false\n\
                passphrase-command = \"x\"\nexclude = \"more\"";
    let both = [("/etc/coldcut.toml", PHOTOS), ("/u/coldcut.toml", user)];
    let cli = with(&both, "backup photos").unwrap();
    assert_eq!(cli.common.catalog, Some("/u".into()));
    assert!(!cli.common.keys.encrypt && cli.common.keys.passphrase_file.is_none());
    let backup = backup_of(cli);
    assert_eq!(backup.compress, Some(Compression::Zstd));
    assert_eq!(backup.exclude, ["*.tmp", "cache/", "more"]);
    let mail = backup_of(with(&both, "backup mail").unwrap());
    assert_eq!(mail.compress, Some(Compression::None));
}

#[test]
fn places_come_from_the_set_or_the_drive() {
    assert_eq!(backup_of(typed("backup mail")).dest, [PathBuf::from("/dev/sr0")]);
    assert_eq!(backup_of(typed("backup photos --stage")).dest, [""; 0].map(PathBuf::from));
    let place = |line: &str| match typed(line).verb {
        Verb::Restore(mut restore) => (restore.from.remove(0), restore.target),
        Verb::Verify(verify) => (verify.from, PathBuf::new()),
        Verb::Watch(mut watch) => (watch.drives.remove(0), PathBuf::new()),
        other => panic!("{other:?}"),
    };
    assert_eq!(place("restore /t"), ("/dev/sr0".into(), "/t".into()));
    assert_eq!(place("restore /t --set photos"), ("/shelf".into(), "/t".into()));
    assert_eq!(place("restore /f /t"), ("/f".into(), "/t".into()));
    assert_eq!(place("verify --set photos").0, Path::new("/shelf"));
    assert_eq!(place("verify /f").0, Path::new("/f"));
    assert_eq!(place("watch --until-done").0, Path::new("/dev/sr0"));
}

#[test]
fn a_pool_of_drives_is_meant_where_no_dest_is_typed() {
    let pool = r#"
[pool]
burn = ["/dev/sr0", "usb-HL-DT-ST_BD-RE-0:0"]
read = ["/dev/sr0", "/dev/sr9"]
[set.photos]
source = "/srv/photos"
dest = "/shelf"
[set.mail]
source = "/srv/mail"
"#;
    let line = |line: &str| with(&[("/etc/coldcut.toml", pool)], line).unwrap();
    let burners = ["/dev/sr0", "/dev/disk/by-id/usb-HL-DT-ST_BD-RE-0:0"].map(PathBuf::from);
    let readers = ["/dev/sr0", "/dev/sr9"].map(PathBuf::from);
    let backup = backup_of(line("backup mail"));
    assert_eq!((&backup.dest[..], &backup.burning.readers[..]), (&burners[..], &readers[..]));
    let backup = backup_of(line("backup mail /f"));
    assert_eq!((&backup.dest[..], backup.burning.readers.len()), (&["/f".into()][..], 0));
    let backup = backup_of(line("backup photos"));
    assert_eq!((&backup.dest[..], backup.burning.readers.len()), (&["/shelf".into()][..], 0));
    match line("burn --set mail 3").verb {
        Verb::Burn(burn) => {
            assert_eq!((burn.discs, &burn.dest[..]), (vec![DiscNo(3)], &burners[..]))
        }
        other => panic!("{other:?}"),
    }
    match line("watch").verb {
        Verb::Watch(watch) => assert_eq!(watch.drives, burners),
        other => panic!("{other:?}"),
    }
    match line("verify --set mail").verb {
        Verb::Verify(verify) => assert_eq!(verify.from, readers[0]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pool_that_cannot_be_meant_so_is_refused_with_its_file() {
    for (text, what) in [
        ("drive = \"/dev/sr0\"\n[pool]\nburn = [\"/dev/sr1\"]", "[pool] names the drives"),
        ("[pool]\nread = [\"/dev/sr1\"]", "drives that burn"),
        ("[pool]\nburn = \"/dev/sr1\"", "a list of drives"),
        ("[pool]\nburn = [\"dev/sr1\"]", "from /"),
        ("[pool]\ndrives = []", "burn, read"),
        ("pool = 3", "write a table"),
    ] {
        let said = refused(text, "drives");
        assert!(said.contains(what) && said.contains("/etc/coldcut.toml"), "{text}: {said}");
    }
}

#[test]
fn burn_takes_a_number_at_its_end_for_a_disc_where_a_drive_is_configured() {
    let burn = |line: &str| match typed(line).verb {
        Verb::Burn(mut burn) => (burn.discs, burn.dest.remove(0)),
        other => panic!("{other:?}"),
    };
    assert_eq!(burn("burn"), (vec![], "/dev/sr0".into()));
    assert_eq!(burn("burn 3 7"), (vec![DiscNo(3), DiscNo(7)], "/dev/sr0".into()));
    assert_eq!(burn("burn 3 ./7"), (vec![DiscNo(3)], "./7".into()));
}

#[test]
fn options_that_the_verb_does_not_have_are_left_out() {
    for line in ["status --set photos", "snapshots", "drives", "flush", "ls --set photos x"] {
        assert_eq!(typed(line).common.catalog, Some("/c".into()), "{line}");
    }
    let choice = "drive = \"/d\"\noverwrite = \"always\"\n";
    assert!(with(&[("/c", choice)], "restore /t").is_ok());
    assert!(with(&[("/c", choice)], "burn").is_ok());
}

#[test]
fn every_slip_is_told_by_file_table_and_key() {
    for (text, says) in [
        ("disk-size = \"bd25\"", "top level, disk-size: no command has an option --disk-size"),
        ("[set.a]\ndisc-size = \"cd\"", "[set.a], disc-size: invalid value 'cd'"),
        ("[set.a]\ndisc-size = true", "[set.a], disc-size: write text"),
        ("[set.a]\nencrypt = \"yes\"", "[set.a], encrypt: write true or false"),
        ("[set.a]\ncompress = [\"none\"]", "compress: write one value"),
        ("[set.a]\nsource = \"a\"", "source: write the whole path"),
        ("[set.a]\nname = \"b\"", "the table's name is the set's name"),
        ("[set.a]\ndrive = \"/d\"", "belongs to the top level"),
        ("dest = \"/d\"", "belongs to a set"),
        ("catalog = \"c\"", "catalog: write the whole path"),
        ("help = true", "no command has an option --help"),
        ("set = 1", "write tables"),
        ("[set.\"a b\"]\n", "A-Z a-z 0-9 - _"),
        ("[other]\nx = 1", "no command has an option --other"),
        ("[set.a]\npassphrase = \"s\"", "a secret does not belong here"),
        ("passphrase = \"s\"", "a secret does not belong here"),
        ("[set.a]\nallow-shrink = true", "allow-shrink: it confirms one run only"),
        ("new-set = true", "new-set: it confirms one run only"),
        ("new-shelf = true", "new-shelf: it confirms one run only"),
        ("even-with-discs = true", "even-with-discs: it confirms one run only"),
        ("= 1", "is not valid TOML"),
    ] {
        let told = refused(text, "status");
        assert!(told.contains(says) && told.contains("/etc/coldcut.toml"), "{text}: {told}");
    }
    assert!(refused("[set.a]\ndest = \"/d\"", "backup a").contains("[set.a]"));
}

#[test]
fn help_tells_the_files_even_if_they_are_damaged() {
    let error = with(&[("/a.toml", ""), ("/b.toml", "= 1")], "--help").unwrap_err();
    assert_eq!(error.exit_code(), 0);
    let text = error.to_string();
    assert!(text.contains("/a.toml (read)") && text.contains("/b.toml (DAMAGED)"), "{text}");
}

#[test]
fn variables_go_before_files_and_files_are_where_xdg_says() {
    let vars = |pairs: &'static [(&str, &str)]| {
        ConfigFiles::from_vars(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    };
    let paths = |files: ConfigFiles| {
        files.iter().map(|file| file.path().display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(paths(vars(&[])), ["/etc/coldcut.toml"]);
    let home = vars(&[("HOME", "/nowhere"), ("XDG_CONFIG_HOME", "rel")]);
    assert_eq!(paths(home), ["/etc/coldcut.toml", "/nowhere/.config/coldcut.toml"]);
    let named = vars(&[("HOME", "/nowhere"), ("COLDCUT_CONFIG", "/nowhere/c")]);
    assert!(named.line().contains("/nowhere/c (CANNOT BE READ)"), "{}", named.line());
    assert_eq!(paths(named), ["/nowhere/c"]);
    let set = vars(&[("COLDCUT_CATALOG", "/v"), ("COLDCUT_PASSPHRASE", "s")]);
    assert_eq!(set.answered(), ["catalog", "passphrase-file", "passphrase-command"]);
}

/// A stack of discs is moved only by commands that need one.
#[test]
fn what_serves_the_drives_is_of_the_pool() {
    const POOL: &str = "[pool]\nloader = \"/l\"\nloader-timeout = \"90s\"\n\
                        [set.a]\nsource = \"/a\"\n";
    let loader = |line: &str| {
        let cli = with(&[("/etc/coldcut.toml", POOL)], line).unwrap_or_else(|e| panic!("{e}"));
        let args = match cli.verb {
            Verb::Watch(watch) => watch.burning.loader,
            Verb::Burn(burn) => burn.burning.loader,
            Verb::Verify(verify) => verify.loader,
            other => panic!("{other:?}"),
        };
        let seconds = args.loader_timeout.map(|timeout| timeout.as_secs());
        (args.loader.map(|path| path.display().to_string()), seconds)
    };
    assert_eq!(loader("watch /dev/sr0"), (Some("/l".to_owned()), Some(90)));
    assert_eq!(loader("burn --loader /m /dev/sr0"), (Some("/m".to_owned()), Some(90)));
    assert_eq!(loader("verify /dev/sr0"), (None, None));
    assert_eq!(loader("verify --loader /m /dev/sr0"), (Some("/m".to_owned()), None));
    // A drive that discs are read back in is typed instead, and wins.
    assert_eq!(loader("burn --verify-drive /dev/sr1 /dev/sr0").0, None);
    for (text, why) in [
        ("loader = \"/l\"\n", "top level, loader: belongs to the drives: write it below [pool]"),
        ("[set.a]\nloader = \"/l\"\n", "[set.a], loader: belongs to the drives"),
        ("[pool]\nloader = \"l\"\n", "[pool], loader: write the whole path"),
        ("[pool]\nspeed = 4\n", "[pool], speed: is not a key of this table"),
        ("pool = 3\n", "pool: write a table: [pool]"),
    ] {
        let words = refused(text, "drives");
        assert!(words.contains(why), "{words}");
    }
}
