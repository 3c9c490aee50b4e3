//! What coldcut is to the system around it: configuration files, rules, units, installation.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::{Sandbox, assert_same_tree};

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A configuration of a set on the sandbox's shelf, and a file to back up.
fn configured(more: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    fs::write(sandbox.source().join("file.tmp"), "left out").unwrap();
    let dir = sandbox.path("");
    let dir = dir.display().to_string();
    let text = format!(
        "[set.photos]\nsource = \"{dir}source\"\ndest = \"{dir}shelf\"\ndisc-size = \"4M\"\n\
         exclude = [\"*.tmp\"]\n{more}"
    );
    let path = sandbox.path("coldcut.toml");
    fs::write(&path, text).unwrap();
    sandbox.set("COLDCUT_CONFIG", path);
    sandbox
}

#[test]
fn a_set_of_the_file_is_backed_up_verified_and_restored_by_its_name() {
    let sandbox = configured("");
    sandbox.run(["backup", "photos"]).ok();
    assert_eq!(sandbox.images().len(), 1);
    sandbox.run(["verify"]).ok();
    sandbox.run(["restore", "target"]).ok();
    fs::remove_file(sandbox.source().join("file.tmp")).unwrap();
    sandbox.bash("touch -r target source").ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn a_slip_in_the_file_ends_every_command_but_help() {
    let sandbox = configured("disc-sise = \"bd25\"\n");
    let told = sandbox.run(["status"]);
    told.code(2).says("coldcut.toml, [set.photos], disc-sise");
    let help = sandbox.run(["--help"]);
    assert!(help.ok().stdout().contains("coldcut.toml (read)"), "{}", help.story());
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLDCUT_CONFIG", sandbox.path("absent.toml"));
    sandbox.run(["status"]).code(2).says("absent.toml");
    sandbox.run(["--version"]).ok();
}

#[test]
fn the_commented_example_is_a_whole_configuration() {
    let mut sandbox = Sandbox::new();
    let example = fs::read_to_string(repository("udev-rules/coldcut.toml")).unwrap();
    let spoken = |line: &str| match line.strip_prefix('#') {
        Some(text) if !text.starts_with(' ') => format!("{text}\n"),
        _ => String::new(),
    };
    let text: String = example.lines().map(spoken).collect();
    assert!(text.contains("[set.photos]"), "{text}");
    fs::write(sandbox.path("c.toml"), text).unwrap();
    sandbox.set("COLDCUT_CONFIG", sandbox.path("c.toml"));
    // Nothing but the catalog is missing: a slip in the file would be 2.
    sandbox.run(["status"]).code(1).says("catalog");
}

fn install(sandbox: &Sandbox, words: &str) -> String {
    let script = repository("scripts/install.sh");
    let run = sandbox.bash(&format!("{} --root \"$PWD/root\" {words}", script.display()));
    run.ok();
    run.stdout()
}

fn files(sandbox: &Sandbox) -> String {
    sandbox.bash("find root ! -type d | sort").stdout()
}

#[test]
fn installing_twice_changes_nothing_and_uninstalling_leaves_nothing() {
    let sandbox = Sandbox::new();
    let binary = env!("CARGO_BIN_EXE_coldcut");
    install(&sandbox, &format!("--watch {binary}"));
    let first = files(&sandbox);
    assert_eq!(first.lines().count(), 11, "{first}");
    let again = install(&sandbox, &format!("--watch {binary}"));
    assert!(!again.contains("installed"), "{again}");
    assert_eq!(files(&sandbox), first);
    install(&sandbox, "--uninstall");
    assert_eq!(files(&sandbox), "");
}

#[test]
fn uninstalling_keeps_an_edited_configuration_and_the_catalog() {
    let sandbox = Sandbox::new();
    install(&sandbox, &format!("--prefix /usr {}", env!("CARGO_BIN_EXE_coldcut")));
    let line = "echo 'quiet = true' >> root/etc/coldcut.toml
        mkdir -p root/var/lib/coldcut; touch root/var/lib/coldcut/catalog.sqlite";
    sandbox.bash(line).ok();
    install(&sandbox, "--prefix /usr --uninstall");
    assert_eq!(files(&sandbox), "root/etc/coldcut.toml\nroot/var/lib/coldcut/catalog.sqlite\n");
}

#[test]
fn uninstalling_keeps_drop_ins_that_it_did_not_write_and_says_so() {
    let sandbox = Sandbox::new();
    install(&sandbox, env!("CARGO_BIN_EXE_coldcut"));
    let dir = "/etc/systemd/system/coldcut-serve.service.d";
    sandbox.bash(&format!("mkdir root{dir}; touch root{dir}/override.conf")).ok();
    let said = install(&sandbox, "--uninstall");
    assert!(said.contains(&format!("{dir} holds drop-ins of your own and stays")), "{said}");
    assert_eq!(files(&sandbox), format!("root{dir}/override.conf\n"));
}

/// In a mount namespace of its own, with a systemd that does nothing: without the user, its
/// `systemd-tmpfiles` fails.
#[test]
fn uninstalling_ends_also_when_the_user_of_the_services_is_gone() {
    let sandbox = Sandbox::new();
    let line = format!(
        "mkdir fake; printf '#!/bin/sh\\n' | tee fake/systemctl >fake/udevadm
         printf '#!/bin/sh\\nexit 65\\n' >fake/systemd-tmpfiles; chmod +x fake/*
         unshare --mount bash -euc 'mount -t tmpfs none /etc; mount -t tmpfs none /run
         mkdir -p /etc/tmpfiles.d /run/systemd/system /run/coldcut; touch /etc/tmpfiles.d/coldcut.conf
         PATH=\"$PWD/fake:$PATH\" \"$1\" --prefix \"$PWD/usr\" --uninstall
         ! [ -e /etc/tmpfiles.d/coldcut.conf ] && ! [ -e /run/coldcut ]' bash '{}'",
        repository("scripts/install.sh").display(),
    );
    sandbox.bash(&line).ok();
}

/// What `install.sh --set NAME` makes of a configuration, in the sandbox.
fn set_unit(sandbox: &Sandbox, config: &str, set: &str) -> String {
    fs::create_dir_all(sandbox.path("root/etc")).unwrap();
    fs::write(sandbox.path("root/etc/coldcut.toml"), config).unwrap();
    install(sandbox, &format!("--set {set}"));
    let dir = format!("root/etc/systemd/system/coldcut-backup@{set}.service.d");
    fs::read_to_string(sandbox.path(&dir).join("50-set.conf")).unwrap()
}

#[test]
fn the_unit_of_a_set_on_a_shelf_burns_and_may_write_there() {
    let sandbox = Sandbox::new();
    let config = "staging = \"/big/staging\"   # more room\n\
        [set.other]\nsource = \"/elsewhere\"\n[set.photos]\n\
        source = \"/srv/my photos\" \ndest = '/srv/100% shelf'\n";
    let text = set_unit(&sandbox, config, "photos");
    for line in [
        "RequiresMountsFor=\"/srv/my photos\"",
        "RequiresMountsFor=\"/srv/100%% shelf\"",
        "ReadWritePaths=\"/big/staging\"",
        "ReadWritePaths=\"/srv/100%% shelf\"",
        "ExecStart=\nExecStart=/usr/local/bin/coldcut backup %i --wait 6h",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
    let again = install(&sandbox, "--set photos");
    assert!(again.contains("is in place"), "{again}");
    install(&sandbox, "--uninstall");
    assert_eq!(files(&sandbox), "root/etc/coldcut.toml\n");
}

/// It keeps its journal beside the catalog.
#[test]
fn the_service_may_write_where_the_catalog_is() {
    let sandbox = Sandbox::new();
    let set = "[set.photos]\nsource = \"/srv/photos\"\n";
    let text = set_unit(&sandbox, &format!("catalog = \"/big/50%/c.sqlite\"\n{set}"), "photos");
    assert!(text.contains("ReadWritePaths=\"/big/50%%\"\n"), "{text}");
    let path = sandbox.path("root/etc/systemd/system/coldcut-serve.service.d/50-catalog.conf");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("\n[Service]\nReadWritePaths=\"/big/50%%\"\n"), "{text}");
    set_unit(&sandbox, &format!("catalog = \"/var/lib/coldcut/catalog.sqlite\"\n{set}"), "photos");
    assert!(!path.exists(), "it is not needed any more");
}

/// Where discs are burned in a drive, `watch` does it: the unit only stages.
#[test]
fn the_unit_of_a_set_in_a_drive_stages() {
    let sandbox = Sandbox::new();
    for dest in ["", "dest = \"/dev/sr0\"\n"] {
        let config = format!("[set.photos]\nsource = \"/srv/photos\"\n{dest}");
        let text = set_unit(&sandbox, &config, "photos");
        assert!(text.contains("RequiresMountsFor=\"/srv/photos\"\n"), "{text}");
        assert!(!text.contains("ExecStart") && !text.contains("ReadWritePaths"), "{text}");
    }
}

#[test]
fn a_table_that_the_script_cannot_read_is_told_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("root/etc")).unwrap();
    let script = repository("scripts/install.sh").display().to_string();
    for (config, set, words) in [
        ("[set.a]\nsource = \"/a\\\\b\"\n", "a", "cannot be read by this script"),
        ("[set.a]\nsource = [\"/a\"]\n", "a", "cannot be read by this script"),
        ("[set.a]\ndest = \"/a\"\n", "a", "no source"),
        ("[set.a]\nsource = \"/a\"\n", "b", "no table [set.b]"),
        ("[set.a]\nsource = \"/a\"\n", "../a", "no name of a set"),
    ] {
        fs::write(sandbox.path("root/etc/coldcut.toml"), config).unwrap();
        sandbox.bash(&format!("{script} --root \"$PWD/root\" --set {set}")).code(1).says(words);
        assert_eq!(files(&sandbox), "root/etc/coldcut.toml\n", "{config}");
    }
}

/// The directory above may be the service's, who then puts a link where root makes the shelf. Needs
/// root, as the script does; `nobody` stands in for the service's user.
#[test]
fn a_link_in_the_way_of_a_shelf_gives_nothing_away() {
    let sandbox = Sandbox::new();
    let functions = format!(
        "say() {{ echo \"$*\"; }}; fail() {{ say \"$*\" >&2; exit 1; }}
        runuser() {{ shift 3; setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; }}
        chown() {{ command chown -h 65534:65534 -- \"${{!#}}\"; }}
        eval \"$(sed -n '/^is_roots_alone()/,/^}}/p; /^make_shelf()/,/^}}/p' '{}')\"",
        repository("scripts/install.sh").display()
    );
    let bash = |line: &str| sandbox.bash(&format!("set -euo pipefail; {functions}; {line}"));
    bash("mkdir roots theirs open victim; chmod 755 . roots theirs; chmod 777 open").ok();
    bash("command chown 65534 theirs").ok();
    bash("is_roots_alone roots/shelf").ok();
    bash("is_roots_alone theirs/shelf").code(1);
    bash("is_roots_alone open/shelf").code(1);
    let owner = |path: &str| fs::metadata(sandbox.path(path)).unwrap().uid();
    for above in ["roots", "theirs"] {
        let shelf = sandbox.path(above).join("shelf");
        bash(&format!("ln -s $PWD/victim {above}/link; make_shelf {above}/link")).code(1);
        assert_eq!(owner("victim"), 0, "{above}");
        bash(&format!("make_shelf {}", shelf.display())).ok();
        assert_eq!(fs::symlink_metadata(&shelf).unwrap().uid(), 65534, "{above}");
    }
}

#[test]
fn the_script_is_clean_for_shellcheck() {
    let sandbox = Sandbox::new();
    sandbox.bash(&format!("shellcheck {}", repository("scripts/install.sh").display())).ok();
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let sandbox = Sandbox::new();
    let binary = env!("CARGO_BIN_EXE_coldcut");
    install(&sandbox, &format!("--prefix {} {binary}", sandbox.path("usr").display()));
    // A set on a shelf, whose drop-in is read with its unit.
    let config = format!(
        "[set.sr0]\nsource = \"{0}\"\ndest = \"{1}\"\n",
        sandbox.source().display(),
        sandbox.shelf().display()
    );
    fs::write(sandbox.path("root/etc/coldcut.toml"), config).unwrap();
    install(&sandbox, &format!("--prefix {} --set sr0", sandbox.path("usr").display()));
    // The program is below root; systemd looks for it where the unit says.
    sandbox
        .bash(
            "cp -r \"root$PWD/usr\" usr; cd root/etc/systemd/system; for u in *@.service; do
        cp \"$u\" \"${u%@*}@sr0.service\"; done; cp coldcut-backup@.timer coldcut-backup@sr0.timer",
        )
        .ok();
    let run = sandbox.bash(
        "cd root/etc/systemd/system
         systemd-analyze verify --man=no --recursive-errors=no ./*@sr0.service ./*@sr0.timer ./coldcut-serve.* 2>&1 | grep coldcut || true",
    );
    assert_eq!(run.ok().stdout(), "", "{}", run.story());
    let line = "cd root/etc/systemd/system
        systemd-analyze security --offline=yes --threshold=16 --no-pager ./coldcut-*@sr0.service";
    sandbox.bash(line).ok();
    // Of the service with a page nothing is asked that it could not do without.
    let line = "cd root/etc/systemd/system
        systemd-analyze security --offline=true --threshold=15 --no-pager ./coldcut-serve.service";
    sandbox.bash(line).ok();
}

#[test]
fn the_user_of_the_services_is_made_as_the_file_says() {
    let sandbox = Sandbox::new();
    install(&sandbox, env!("CARGO_BIN_EXE_coldcut"));
    let run =
        sandbox.bash("systemd-sysusers --root=\"$PWD/root\"; cat root/etc/passwd root/etc/group");
    let is_told = |line: &str| run.stdout().lines().any(|own| own.starts_with(line));
    assert!(is_told("coldcut:x:") && is_told("cdrom:x:"), "{}", run.story());
    assert!(run.stdout().contains(":/var/lib/coldcut:/usr/sbin/nologin\n"), "{}", run.story());
    assert!(
        run.stdout().lines().any(|line| line.starts_with("cdrom:") && line.ends_with(":coldcut"))
    );
    let run = sandbox.bash("systemd-tmpfiles --root=\"$PWD/root\" --create --prefix=/run/coldcut; stat -c '%a %U' root/run/coldcut");
    assert!(run.ok().stdout().starts_with("750 "), "{}", run.story());
}

/// In a mount namespace of its own: the machine's /var/lib stays as it is.
#[test]
fn a_state_directory_of_somebody_else_is_refused_before_anything_is_installed() {
    let sandbox = Sandbox::new();
    let script = repository("scripts/install.sh");
    for prepared in
        ["mkdir /var/lib/coldcut; chown nobody /var/lib/coldcut", "ln -s /etc /var/lib/coldcut"]
    {
        let line = format!(
            "unshare --mount bash -euc 'mount -t tmpfs none /var/lib; {prepared}
             \"$1\" --prefix \"$PWD/usr\" \"$2\"' bash '{}' '{}'",
            script.display(),
            env!("CARGO_BIN_EXE_coldcut"),
        );
        let run = sandbox.bash(&line);
        run.code(1).says("move it away, and run this again");
        assert!(!sandbox.path("usr").exists(), "{}", run.story());
    }
}

/// A service that was taken over must not choose what the other one runs.
#[test]
fn the_units_obey_no_configuration_that_a_service_can_write() {
    let sandbox = Sandbox::new();
    install(&sandbox, &format!("--watch {}", env!("CARGO_BIN_EXE_coldcut")));
    for unit in ["coldcut-watch@", "coldcut-backup@", "coldcut-serve"] {
        let path = sandbox.path(&format!("root/etc/systemd/system/{unit}.service"));
        let text = fs::read_to_string(path).unwrap();
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(lines("Environment=COLDCUT_CONFIG=/etc/coldcut.toml"), 1, "{unit}");
        assert_eq!(lines("ProtectSystem=strict"), 1, "{unit}");
        assert_eq!(lines("ReadWritePaths="), 0, "{unit}");
    }
}

fn rule(name: &str) -> String {
    fs::read_to_string(repository("udev-rules").join(name)).unwrap()
}

/// The rules as udev reads them, on a block device that every machine has instead of a drive.
#[test]
fn udev_understands_the_rules() {
    let sandbox = Sandbox::new();
    let device = sandbox.bash("basename \"$(ls -d /sys/class/block/* | head -n 1)\"").stdout();
    let device = device.trim();
    fs::create_dir(sandbox.path("rules")).unwrap();
    for name in ["61-coldcut.rules", "62-coldcut-watch.rules"] {
        let text = rule(name)
            .replace("sr[0-9]*", device)
            .replace("ENV{ID_CDROM_MEDIA}==\"1\"", "ENV{DEVNAME}==\"?*\"")
            .replace("ENV{DISK_EJECT_REQUEST}==", "ENV{DEVNAME}==");
        fs::write(sandbox.path("rules").join(name), text).unwrap();
    }
    // In a namespace of its own, with a copy of the node, so that this machine's stays as it is.
    let line = format!(
        "as_root=$([ $(id -u) = 0 ] || echo -r)
         unshare $as_root -m bash -euc 'mount --bind rules /etc/udev/rules.d
         mount -t tmpfs none /run; mkdir /run/dev; cp -a /dev/{device} /dev/null /run/dev
         mount --bind /run/dev /dev
         udevadm test --action=change /sys/class/block/{device} 2>&1'"
    );
    let run = sandbox.bash(&line);
    let said = run.stdout();
    assert!(said.contains("UDISKS_IGNORE=1"), "{}", run.story());
    assert!(said.contains(&format!("coldcut-watch@{device}.service")), "{}", run.story());
    assert!(said.contains("cdrom_id --eject-media /dev/"), "{}", run.story());
    let complaint = |line: &&str| line.contains("coldcut") && line.contains("rules:");
    let wrong = ["Invalid", "Unknown", "unknown", "error", "ignoring"];
    let bad =
        said.lines().filter(complaint).find(|line| wrong.iter().any(|word| line.contains(word)));
    assert_eq!(bad, None, "{}", run.story());
}

#[test]
fn the_button_opens_a_drive_that_nobody_uses_and_no_other() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("node"), "").unwrap();
    let text = rule("61-coldcut.rules");
    let line = text.lines().find(|line| line.contains("RUN=")).unwrap();
    let command = line.split("RUN=\"").nth(1).unwrap().trim_end_matches('"');
    let command = command
        .replace("$devnode", &sandbox.path("node").display().to_string())
        .replace("$$", "$")
        .replace("/usr/lib/udev/cdrom_id", "echo");
    assert!(sandbox.bash(&command).ok().stdout().contains("--eject-media"));
    // A shell that holds the node stands for a burning program, another between for udev.
    let mut sandbox = sandbox;
    sandbox.set("LINE", &command);
    let held = sandbox.bash("exec 9<node; bash -c 'exec 9<&-; eval \"$LINE\"; true'; true");
    assert_eq!(held.ok().stdout(), "", "{}", held.story());
    // udev's worker locks the node while its programs run: the parent does not count.
    let worker =
        sandbox.bash("exec 9<node; sh=${LINE#*\\\'}; /bin/sh -c \"${sh%\\\'}\" 9<&-; true");
    assert!(worker.ok().stdout().contains("--eject-media"), "{}", worker.story());
}
