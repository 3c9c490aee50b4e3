//! The whole way through the real program: a directory goes onto discs and comes back, with coldcut
//! and by hand, and nobody reads what is closed to them.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use support::trees::Random;
use support::{Sandbox, assert_same_tree, differences, hostile_tree, text};

/// Its last blank is part of it, which takes `--odd-passphrase`.
const PASSPHRASE: &[u8] = b"tr\xc3\xa4nen und 7 zwerge ";

/// Backs the source up with these options; the shelf is the default one.
fn backup(sandbox: &Sandbox, options: &[&str]) {
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let mut words = vec!["backup"];
    words.extend(options);
    words.extend([source.as_str(), shelf.as_str()]);
    sandbox.run(words).ok();
}

fn restore(sandbox: &Sandbox, options: &[&str], from: &Path, target: &str) -> PathBuf {
    let target = sandbox.path(target);
    let (from, to) = (text(from), text(&target));
    let mut words = vec!["restore", "--trust-metadata"];
    words.extend(options);
    words.extend([from.as_str(), to.as_str()]);
    sandbox.run(words).ok();
    target
}

/// The discs' contents in folders, as if they were mounted.
fn extract(sandbox: &Sandbox) -> Vec<PathBuf> {
    let discs = sandbox.path("discs");
    fs::create_dir_all(&discs).unwrap();
    let mut found = Vec::new();
    for image in sandbox.images() {
        let disc = discs.join(image.file_stem().unwrap());
        let words = format!(
            "xorriso -osirrox on -indev '{}' -extract / '{}' 2>&1",
            image.display(),
            disc.display()
        );
        sandbox.bash(&words).ok();
        found.push(disc);
    }
    found
}

/// A folder that holds nothing but the promised programs.
fn promised_tools(sandbox: &Sandbox) -> PathBuf {
    let tools = sandbox.path("tools");
    fs::create_dir_all(&tools).unwrap();
    let coreutils = [
        "cat",
        "chmod",
        "cp",
        "cut",
        "dd",
        "env",
        "head",
        "ln",
        "mkdir",
        "mkfifo",
        "mktemp",
        "mv",
        "od",
        "paste",
        "rm",
        "rmdir",
        "sha256sum",
        "sort",
        "stat",
        "tail",
        "tee",
        "touch",
        "tr",
        "true",
        "truncate",
        "wc",
    ];
    for tool in ["bash", "tar", "bzip2", "gpg", "awk", "zstd"].iter().chain(&coreutils) {
        let place = ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(tool));
        let place = place.into_iter().find(|path| path.exists());
        let place = place.unwrap_or_else(|| panic!("{tool} is not installed"));
        symlink(place, tools.join(tool)).unwrap();
    }
    tools
}

/// restore.sh of the last disc, with the promised programs only and nobody's rights if asked.
fn by_hand(sandbox: &Sandbox, nobody: bool, discs: &[PathBuf], words: &str) -> PathBuf {
    let tools = promised_tools(sandbox);
    let target = sandbox.path(if nobody { "open/nobody" } else { "open/root" });
    let open = sandbox.path("open");
    fs::create_dir_all(&open).unwrap();
    for (path, mode) in [(sandbox.path("."), 0o755), (open, 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let rights = if nobody { "--reuid=65534 --regid=65534 --clear-groups" } else { "--nnp" };
    let dirs: Vec<String> = discs.iter().map(|disc| format!("'{}'", disc.display())).collect();
    sandbox
        .bash(&format!(
            "setpriv {rights} env -i PATH='{}' '{}/bash' '{}/restore.sh' {words} '{}' {} </dev/null",
            tools.display(),
            tools.display(),
            discs.last().unwrap().display(),
            target.display(),
            dirs.join(" ")
        ))
        .ok();
    fs::remove_dir_all(tools).unwrap();
    target
}

/// A hostile tree comes back in every way there is.
fn goes_all_ways(options: &[&str], is_closed: bool) {
    let sandbox = Sandbox::new();
    let passphrase = text(&sandbox.passphrase_file(PASSPHRASE));
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o644)).unwrap();
    hostile_tree(&sandbox.source());
    fs::write(sandbox.source().join("film"), Random::new(9).bytes(4_000_000)).unwrap();
    let mut all = vec!["--disc-size", "3M"];
    if is_closed {
        all.extend(["--passphrase-file", &passphrase, "--odd-passphrase"]);
    }
    all.extend(options);
    backup(&sandbox, &all);
    assert!(sandbox.images().len() > 1, "the tree was to need several discs");
    let key = ["--passphrase-file", passphrase.as_str()];
    let back = restore(&sandbox, &key, &sandbox.shelf(), "with-catalog");
    assert_same_tree(&sandbox.source(), &back);
    fs::remove_file(sandbox.catalog()).unwrap();
    let back = restore(&sandbox, &key, &sandbox.shelf(), "from-images");
    assert_same_tree(&sandbox.source(), &back);
    let discs = extract(&sandbox);
    let back = restore(&sandbox, &key, &sandbox.path("discs"), "from-folders");
    assert_same_tree(&sandbox.source(), &back);
    let words = if is_closed { format!("-p '{passphrase}'") } else { String::new() };
    let back = by_hand(&sandbox, false, &discs, &words);
    assert_by_hand(&sandbox.source(), &back, |_| false);
}

/// Compares a restore by hand. Joined files are dense: bytes count, not holes.
fn assert_by_hand(source: &Path, back: &Path, excused: fn(&str) -> bool) {
    let wrong: Vec<String> =
        differences(source, back).into_iter().filter(|line| !excused(line)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hostile_tree_goes_all_ways_and_comes_back() {
    goes_all_ways(&[], false);
}

#[test]
fn a_hostile_tree_comes_back_from_encrypted_discs() {
    goes_all_ways(&["--encrypt"], true);
}

#[test]
fn a_hostile_tree_comes_back_from_zstd_and_from_plain_tar() {
    goes_all_ways(&["--compress", "zstd"], false);
    goes_all_ways(&["--compress", "none", "--archive-size", "300K"], false);
}

/// What nobody cannot have: other owners, set-id bits of files that are not his, attributes that only
/// root may set. Everything else must be as it was.
fn only_root_could(line: &str) -> bool {
    if let Some((_, modes)) = line.split_once(": mode is ") {
        let octal = |text: &str| u32::from_str_radix(text.trim(), 8).unwrap();
        let (is, was) = modes.split_once(", was ").unwrap();
        return octal(is) & 0o1777 == octal(was) & 0o1777;
    }
    line.contains(": owner is ")
}

fn nobody_restores(options: &[&str], words: &str) {
    let sandbox = Sandbox::new();
    let passphrase = text(&sandbox.passphrase_file(PASSPHRASE));
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o644)).unwrap();
    hostile_tree(&sandbox.source());
    // Devices only root can make: without them the script ends with 3, so they stay at home.
    for device in ["special/null", "special/loop"] {
        let _ = fs::remove_file(sandbox.source().join(device));
    }
    let mut all = vec!["--disc-size", "3M"];
    if !words.is_empty() {
        all.extend(["--passphrase-file", passphrase.as_str(), "--odd-passphrase"]);
    }
    all.extend(options);
    backup(&sandbox, &all);
    let discs = extract(&sandbox);
    let back = by_hand(&sandbox, true, &discs, &words.replace("FILE", &passphrase));
    assert_by_hand(&sandbox.source(), &back, only_root_could);
}

#[test]
fn nobody_in_particular_restores_by_hand_with_the_promised_tools() {
    nobody_restores(&["--encrypt"], "-p 'FILE'");
    nobody_restores(&[], "");
}

#[test]
fn recipients_open_their_set_with_coldcut_and_with_their_own_key_ring() {
    for hidden in [false, true] {
        let sandbox = Sandbox::with_recipient();
        let cert = text(&sandbox.path("cert.asc"));
        let mut options = vec!["--disc-size", "3M", "--recipient", &cert];
        if hidden {
            options.push("--hidden-recipients");
        }
        backup(&sandbox, &options);
        fs::write(sandbox.source().join("second"), "no secret is needed for this\n").unwrap();
        // No secret is within reach of this run.
        for (from, to) in [("ring", "ring.away"), ("secret.asc", "secret.away")] {
            fs::rename(sandbox.path(from), sandbox.path(to)).unwrap();
        }
        backup(&sandbox, &["--disc-size", "3M"]);
        for (from, to) in [("ring", "ring.away"), ("secret.asc", "secret.away")] {
            fs::rename(sandbox.path(to), sandbox.path(from)).unwrap();
        }
        let secret = text(&sandbox.path("secret.asc"));
        let back = restore(&sandbox, &["--secret-key", &secret], &sandbox.shelf(), "back");
        assert_same_tree(&sandbox.source(), &back);
        let discs = extract(&sandbox);
        let shown = sandbox.bash(&format!(
            "gpg --batch --list-packets '{}' 2>&1 | grep ':pubkey enc packet'",
            discs[0].join("INDEX.tsv.bz2.gpg").display()
        ));
        let is_hidden = shown.ok().stdout().contains("keyid 0000000000000000");
        assert_eq!(is_hidden, hidden, "{}", shown.stdout());
        sandbox
            .bash(&format!(
                "bash '{}/restore.sh' by-hand '{}' '{}'; gpgconf --kill all",
                discs[1].display(),
                discs[0].display(),
                discs[1].display()
            ))
            .ok();
        assert_same_tree(&sandbox.source(), &sandbox.path("by-hand"));
    }
}

/// Every byte that is on the discs in clear: images, and what the listings and catalogs expand to.
fn clear_bytes(sandbox: &Sandbox) -> Vec<u8> {
    let mut bytes = Vec::new();
    for disc in extract(sandbox) {
        for name in ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "catalog.sqlite.bz2"] {
            let listing = disc.join(name);
            if listing.exists() {
                let run = sandbox.bash(&format!("bzip2 -dc '{}'", listing.display()));
                bytes.extend_from_slice(&run.ok().output.stdout);
            }
        }
    }
    for image in sandbox.images() {
        bytes.extend(fs::read(image).unwrap());
    }
    bytes
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn a_plain_sets_discs_know_nothing_of_an_encrypted_set_in_the_same_catalog() {
    let sandbox = Sandbox::new();
    let passphrase = text(&sandbox.passphrase_file(PASSPHRASE));
    let hidden = sandbox.path("verborgen");
    fs::create_dir(&hidden).unwrap();
    fs::write(hidden.join("liebesbrief-quittenmus"), "zwiebel".repeat(1000)).unwrap();
    let closed = sandbox.path("closed-shelf");
    let words =
        ["backup", "--odd-passphrase", "--name", "tresor", "--passphrase-file", &passphrase];
    let (from, to) = (text(&hidden), text(&closed));
    sandbox.run(words.iter().copied().chain([from.as_str(), to.as_str()])).ok();
    fs::write(sandbox.source().join("offener-brief"), "open").unwrap();
    backup(&sandbox, &["--disc-size", "3M"]);
    let bytes = clear_bytes(&sandbox);
    assert!(holds(&bytes, "offener-brief"), "the search is broken");
    for word in ["quittenmus", "verborgen", "tresor", "zwiebel"] {
        assert!(!holds(&bytes, word), "{word} is on the plain set's discs");
    }
    let image = fs::read(closed.join("tresor-0001.iso")).unwrap();
    assert!(holds(&image, "tresor"), "the search is broken");
    for word in ["quittenmus", "verborgen", "zwiebel", "root\t"] {
        assert!(!holds(&image, word), "{word} is in clear on the encrypted disc");
    }
}

#[test]
fn a_name_of_255_bytes_is_longer_than_no_archive_can_hold() {
    let sandbox = Sandbox::new();
    let name = "n".repeat(255);
    fs::write(sandbox.source().join(&name), Random::new(1).bytes(9_000)).unwrap();
    backup(&sandbox, &["--disc-size", "3M", "--archive-size", "1K"]);
    let back = restore(&sandbox, &[], &sandbox.shelf(), "back");
    assert_same_tree(&sandbox.source(), &back);
    let discs = extract(&sandbox);
    let back = by_hand(&sandbox, true, &discs, "");
    assert_eq!(
        fs::read(back.join(&name)).unwrap(),
        fs::read(sandbox.source().join(&name)).unwrap()
    );
}

#[test]
fn large_and_sparse_files_cross_discs_and_keep_their_holes() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(2).bytes(8_000_000)).unwrap();
    let disk = fs::File::create(sandbox.source().join("disk")).unwrap();
    disk.set_len(1 << 30).unwrap();
    let mut random = Random::new(3);
    for at in [0, 100 << 20, 500 << 20, (1 << 30) - 600_000] {
        disk.write_all_at(&random.bytes(600_000), at).unwrap();
    }
    backup(&sandbox, &["--disc-size", "3M", "--archive-size", "1M"]);
    assert!(sandbox.images().len() >= 4);
    let back = restore(&sandbox, &[], &sandbox.shelf(), "back");
    assert_same_tree(&sandbox.source(), &back);
    let occupied = fs::metadata(back.join("disk")).unwrap().blocks() * 512;
    assert!(occupied < 4 << 20, "{occupied} bytes are occupied");
}

#[test]
fn a_path_that_stock_tar_cannot_take_is_restored_by_coldcut() {
    let sandbox = Sandbox::new();
    let deep = vec!["directory-with-a-long-name"; 170].join("/");
    assert!(deep.len() > 4_096);
    let (source, back) = (sandbox.source(), sandbox.path("back"));
    let make = format!(
        "cd '{}'; for i in $(seq 170); do mkdir directory-with-a-long-name; cd -P directory-with-a-long-name; done; echo bottom > file",
        source.display()
    );
    sandbox.bash(&make).ok();
    backup(&sandbox, &["--disc-size", "3M"]);
    restore(&sandbox, &[], &sandbox.shelf(), "back");
    let look = format!(
        "cd '{}'; for i in $(seq 170); do cd -P directory-with-a-long-name; done; cat file",
        back.display()
    );
    assert_eq!(sandbox.bash(&look).ok().stdout(), "bottom\n");
    let discs = extract(&sandbox);
    assert!(fs::read_to_string(discs[0].join("README.txt")).unwrap().contains("4,096 bytes"));
    for root in [source, back] {
        sandbox.bash(&format!("rm -rf '{}'", root.display())).ok();
    }
}

#[test]
fn a_disc_checks_itself_and_anybody_may_read_it() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("a"), "x").unwrap();
    backup(&sandbox, &["--disc-size", "3M", "--name", "holidays"]);
    let disc = &extract(&sandbox)[0];
    sandbox.bash(&format!("cd '{}' && sha256sum -c --strict SHA256SUMS", disc.display())).ok();
    let files = sandbox.bash(&format!(
        "cd '{}' && find . -type f ! -name SHA256SUMS | wc -l; wc -l < '{}/SHA256SUMS'",
        disc.display(),
        disc.display()
    ));
    let counts: Vec<String> = files.ok().stdout().lines().map(str::to_owned).collect();
    assert_eq!(counts[0], counts[1], "SHA256SUMS lists all other files");
    let image = &sandbox.images()[0];
    let look = |what: &str| {
        let line = format!("xorriso -indev '{}' {what} 2>/dev/null", image.display());
        sandbox.bash(&line).ok().stdout()
    };
    for line in look("-find / -exec lsdl --").lines() {
        let is_open = line.starts_with("dr-xr-xr-x") || line.starts_with("-r--r--r--");
        let is_script = line.starts_with("-r-xr-xr-x") && line.contains("restore.sh");
        assert!(is_open || is_script, "{line}");
        let owner: Vec<&str> = line.split_whitespace().skip(2).take(2).collect();
        assert_eq!(owner, ["0", "0"], "{line}");
    }
    assert!(look("-pvd_info").contains("0001_HOLIDAYS"));
}

/// How full each disc is, in thousandths of its size; no image may be larger.
fn fill(sandbox: &Sandbox, size: u64) -> Vec<u64> {
    let discs = sandbox.run(["discs", "--json"]).results();
    let images = sandbox.images();
    assert_eq!(discs.len(), images.len());
    let one = |(disc, image): (&serde_json::Value, &PathBuf)| {
        let len = fs::metadata(image).unwrap().len();
        assert_eq!(disc["used"].as_u64(), Some(len), "the size was known before");
        assert!(len <= size, "{len} bytes on a disc of {size}");
        len * 1000 / size
    };
    discs.iter().zip(&images).map(one).collect()
}

#[test]
fn discs_of_48_megabytes_are_full_to_97_5_percent() {
    let kinds: [fn(&Path); 2] = [
        |dir| {
            let mut random = Random::new(4);
            for n in 0..9 {
                fs::write(dir.join(format!("film{n}")), random.bytes(13_000_001)).unwrap();
            }
        },
        |dir| {
            // Many small files that shrink by a third: listings and headers weigh most here.
            let mut random = Random::new(5);
            for n in 0..22_000_u64 {
                let sub = dir.join(format!("d{}", n % 97));
                fs::create_dir_all(&sub).unwrap();
                let len = 1_000 + random.below(7_000) as usize;
                let hex: String =
                    random.bytes(len / 2).iter().map(|b| format!("{b:02x}")).collect();
                fs::write(
                    sub.join(format!("note-{n}.txt")),
                    [hex.as_bytes(), &random.bytes(len / 2)].concat(),
                )
                .unwrap();
            }
        },
    ];
    for make in kinds {
        let sandbox = Sandbox::new();
        make(&sandbox.source());
        backup(&sandbox, &["--disc-size", "48M"]);
        let fill = fill(&sandbox, 48 << 20);
        assert!(fill.len() > 1, "{fill:?}");
        assert!(fill[..fill.len() - 1].iter().all(|&permille| permille >= 975), "{fill:?}");
    }
}

#[test]
fn the_passphrase_is_seen_by_nobody() {
    let mut sandbox = Sandbox::new();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    let dump = sandbox.path("environment");
    fs::write(
        bin.join("xorriso"),
        format!(
            "#!/bin/bash\ncat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/cmdline >> '{}'\nexec /usr/bin/xorriso \"$@\"\n",
            dump.display()
        ),
    )
    .unwrap();
    fs::set_permissions(bin.join("xorriso"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.set("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    sandbox.set("COLDCUT_PASSPHRASE", "quittenmus");
    fs::write(sandbox.source().join("a"), "x").unwrap();
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let run = sandbox.run(["backup", "--encrypt", "--stage", &source]);
    run.ok();
    for (path, mode) in [(sandbox.staging(), 0o700), (sandbox.catalog(), 0o600)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
    let burned = sandbox.run(["burn", &shelf]);
    burned.ok();
    let seen = fs::read(&dump).unwrap();
    assert!(holds(&seen, "LC_ALL"), "the wrapper was not used");
    assert!(!holds(&seen, "COLDCUT_PASSPHRASE"), "not even its name reaches a child");
    let back = text(&sandbox.path("back"));
    let others = [
        vec!["restore", shelf.as_str(), back.as_str()],
        vec!["verify", shelf.as_str()],
        vec!["status"],
    ]
    .map(|words| sandbox.run(words));
    let mut said = vec![seen];
    for run in [run, burned].into_iter().chain(others) {
        run.ok();
        said.extend([run.output.stdout, run.output.stderr]);
    }
    assert!(said.iter().all(|text| !holds(text, "quittenmus")));
}

/// The commands below a heading of README.txt.
fn commands(readme: &str, heading: &str) -> String {
    let (_, below) = readme.split_once(&format!("{heading}\n---")).unwrap();
    let lines = below.lines().skip(1).take_while(|line| !line.starts_with("---"));
    lines.filter(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n")
}

/// The commands of a real disc's README.txt, as they stand there, but for the mount point.
fn readme_commands(options: &[&str], is_closed: bool) {
    let sandbox = Sandbox::new();
    let passphrase = text(&sandbox.passphrase_file(b"geheim"));
    let source = sandbox.source();
    fs::create_dir(source.join("d")).unwrap();
    fs::write(source.join("d/text"), "words\n".repeat(10_000)).unwrap();
    fs::write(source.join("noise"), Random::new(8).bytes(200_000)).unwrap();
    fs::write(source.join("old name"), "renamed later\n").unwrap();
    fs::hard_link(source.join("noise"), source.join("d/linked")).unwrap();
    let key: &[&str] = if is_closed { &["--passphrase-file", &passphrase] } else { &[] };
    let all = [&["--disc-size", "3M"], key, options].concat();
    backup(&sandbox, &all);
    // Names are used again, and exchanged.
    fs::rename(source.join("old name"), source.join("new name")).unwrap();
    fs::rename(source.join("d/text"), source.join("old name")).unwrap();
    fs::write(source.join("d/text"), "other words\n").unwrap();
    backup(&sandbox, &[&all[..], &["--flush"]].concat());
    let discs = extract(&sandbox);
    fs::create_dir(sandbox.path("hand")).unwrap();
    // A person types the passphrase once for each disc.
    let run = |heading: &str, disc: &Path| {
        let readme = fs::read_to_string(disc.join("README.txt")).unwrap();
        let commands = commands(&readme, heading).replace("/media/cdrom", &text(disc));
        fs::write(sandbox.path("commands"), commands).unwrap();
        sandbox.bash(&format!("cd hand; bash ../commands <'{passphrase}'")).ok();
    };
    for disc in discs.iter().filter(|disc| disc.join("archives").exists()) {
        run("By hand, 1: unpack the archives", disc);
    }
    run("By hand, 2: give the files their names", discs.last().unwrap());
    for name in ["d/text", "noise", "new name", "old name", "d/linked"] {
        let found = fs::read(sandbox.path("hand/out").join(name)).unwrap();
        assert_eq!(found, fs::read(source.join(name)).unwrap(), "{name}");
    }
    sandbox.bash("cd hand/out && test $(find . -type f | wc -l) = 5").ok();
}

#[test]
fn the_commands_of_readme_txt_work_as_they_stand_there() {
    readme_commands(&[], false);
    readme_commands(&["--encrypt"], true);
}
