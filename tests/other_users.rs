//! Root, and the catalog and staging area of another user: coldcut works as that user, or not at all.
//! These tests need root, who alone can give files away.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use support::{Run, Sandbox};

/// The user `nobody`, whom every system knows, and one whom none does.
const NOBODY: u32 = 65534;
const UNKNOWN: u32 = 54_321;

/// Catalog and staging area are in `home`, which is that user's, as are source and shelf.
fn theirs(user: u32) -> Sandbox {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    sandbox.set("COLDCUT_CATALOG", sandbox.path("home/catalog.sqlite"));
    sandbox.set("COLDCUT_STAGING", sandbox.path("home/staging"));
    let program = env!("CARGO_BIN_EXE_coldcut");
    sandbox
        .bash(&format!(
            "cp {program} coldcut; chmod 755 . coldcut; chown -R {user}:{user} home shelf source"
        ))
        .ok();
    sandbox
}

fn run_as(user: u32, sandbox: &Sandbox, words: &str) -> Run {
    let rights = format!("setpriv --reuid={user} --regid={user} --clear-groups");
    sandbox.bash(&format!("{rights} ./coldcut {words}"))
}

/// Owner, mode, size and time of change of all that is in a directory, by name.
fn listing(sandbox: &Sandbox, dir: &str) -> BTreeMap<String, String> {
    let found = sandbox.bash(&format!("find {dir} -printf '%p\\t%U:%G %m %s %C@\\n'"));
    let pair = |line: &str| line.split_once('\t').map(|(a, b)| (a.to_owned(), b.to_owned()));
    found.ok().stdout().lines().filter_map(pair).collect()
}

fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().uid()
}

fn all_belong_to(user: u32, sandbox: &Sandbox, dir: &str) {
    let strangers = sandbox.bash(&format!("find {dir} ! -uid {user}"));
    assert_eq!(strangers.ok().stdout(), "", "{}", strangers.story());
}

#[test]
fn what_is_asked_about_another_users_catalog_changes_nothing_there() {
    let sandbox = theirs(NOBODY);
    run_as(NOBODY, &sandbox, "backup source shelf --disc-size 4M").ok();
    // What is root's in there stays root's, and a link is a link.
    let roots = sandbox.path("home/staging/scratch/roots");
    fs::write(&roots, "root's").unwrap();
    fs::write(sandbox.path("victim"), "root's").unwrap();
    symlink(sandbox.path("victim"), sandbox.path("home/staging/link")).unwrap();
    let before = listing(&sandbox, "home victim");
    let queries =
        ["status", "status file", "discs", "snapshots", "ls", "find file", "set list", "keysheet"];
    for query in queries.into_iter().chain(["check --dry-run"]) {
        let run = sandbox.run(query.split(' '));
        assert!(matches!(run.output.status.code(), Some(0 | 3)), "{}", run.story());
        assert!(!run.stderr().contains("working as"), "{}", run.story());
        let mut after = listing(&sandbox, "home victim");
        // SQLite keeps these beside a database in WAL mode for as long as nobody has written since.
        for name in ["home/catalog.sqlite-wal", "home/catalog.sqlite-shm"] {
            if after.remove(name).is_some() {
                assert_eq!(owner(&sandbox.path(name)), NOBODY, "{query}");
                after.insert("home".to_owned(), before["home"].clone());
            }
        }
        assert_eq!(after, before, "{query}");
    }
}

#[test]
fn a_query_without_anything_there_makes_nothing() {
    let sandbox = theirs(NOBODY);
    let before = listing(&sandbox, ".");
    for query in ["status", "discs", "snapshots", "ls", "find file", "set list", "keysheet"] {
        sandbox.run(query.split(' '));
        assert_eq!(listing(&sandbox, "."), before, "{query}");
    }
}

#[test]
fn what_root_does_with_another_users_catalog_is_done_as_that_user() {
    for user in [NOBODY, UNKNOWN] {
        let sandbox = theirs(user);
        run_as(user, &sandbox, "backup source shelf --disc-size 4M").ok();
        fs::write(sandbox.source().join("more"), "more").unwrap();
        run_as(user, &sandbox, "backup source --stage --min-fill 90").ok();
        let name = if user == NOBODY { "nobody".to_owned() } else { format!("user {user}") };
        let place = sandbox.path("home/catalog.sqlite");
        let works = ["flush", "burn shelf", "verify shelf", "check shelf", "drill 1 shelf"];
        let records = ["locate 1 drawer", "lost 1 --yes", "catalog rebuild shelf --replace"];
        for work in works.into_iter().chain(records) {
            let run = sandbox.run(work.split(' '));
            run.ok().says(&format!(
                "coldcut: {} belongs to {name}; working as that user",
                place.display()
            ));
            all_belong_to(user, &sandbox, "home shelf");
        }
        let images = sandbox.images();
        assert_eq!(images.len(), 2);
        let quiet = sandbox.run(["verify", "shelf", "--quiet"]);
        assert_eq!(quiet.ok().stderr(), "", "{}", quiet.story());
    }
}

/// SQLite alone would need to make files beside the catalog.
#[test]
fn who_may_only_read_the_catalog_asks_and_leaves_no_trace() {
    let sandbox = theirs(NOBODY);
    run_as(NOBODY, &sandbox, "backup source shelf --disc-size 4M").ok();
    sandbox.bash("chmod 644 home/*.sqlite").ok();
    let before = listing(&sandbox, "home");
    for query in ["discs", "snapshots", "ls", "find file", "set list", "keysheet"] {
        run_as(UNKNOWN, &sandbox, query).ok();
        assert_eq!(listing(&sandbox, "home"), before, "{query}");
    }
    // On a medium that nobody can write to.
    let line = "mount --bind home home; mount -o remount,bind,ro home; ./coldcut ls";
    let listed = sandbox.bash(&format!("unshare --mount bash -euc '{line}'"));
    assert!(listed.ok().stdout().ends_with(" file\n"), "{}", listed.story());
    // What writes says who keeps it from that.
    let locate = run_as(UNKNOWN, &sandbox, "locate 1 drawer");
    locate.code(1).says("home/catalog.sqlite belongs to nobody");
}

/// Root's directories in a user's home would lock that user out of it.
#[test]
fn a_catalog_that_root_makes_in_a_users_home_is_that_users() {
    let mut sandbox = theirs(NOBODY);
    run_as(NOBODY, &sandbox, "backup source shelf --disc-size 4M").ok();
    for variable in ["COLDCUT_CATALOG", "COLDCUT_STAGING"] {
        sandbox.set(variable, "");
    }
    let home = sandbox.path("home");
    let run = sandbox.run(["catalog", "rebuild", "shelf"]);
    run.ok().says(&format!("coldcut: {} belongs to nobody; working as", home.display()));
    all_belong_to(NOBODY, &sandbox, "home");
    for made in [".local", ".local/share", ".local/share/coldcut"] {
        assert_eq!(fs::metadata(home.join(made)).unwrap().mode() & 0o777, 0o700, "{made}");
    }
}

/// The lines of `/proc/PID/status` of each thread that is there.
fn statuses(pid: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let status = |path: std::path::PathBuf| fs::read_to_string(path.join("status")).ok();
    threads.filter_map(|thread| status(thread.unwrap().path())).collect()
}

fn is_settled(status: &str, user: u32, groups: &str) -> bool {
    let none = "0000000000000000".to_owned();
    let ids = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
    let expected = [
        ("Uid:", ids(user)),
        ("Gid:", ids(NOBODY)),
        ("Groups:", groups.to_owned()),
        ("CapEff:", none.clone()),
        ("CapPrm:", none.clone()),
        ("CapAmb:", none),
    ];
    expected.iter().all(|(key, value)| {
        let found = status.lines().find_map(|line| line.strip_prefix(key));
        found.map(str::trim) == Some(value)
    })
}

#[test]
fn the_process_that_works_as_another_user_has_no_way_back() {
    for (user, groups) in [(NOBODY, "65534"), (UNKNOWN, "")] {
        let sandbox = theirs(user);
        run_as(user, &sandbox, "backup source --stage --disc-size 4M").ok();
        // It waits for its turn.
        let held = File::open(sandbox.path("home/catalog.sqlite.lock")).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let mut burn = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
        let mut burn = burn.args(["burn", "shelf", "--wait", "5m"]).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let mut found = statuses(burn.id());
        while !found.iter().all(|one| is_settled(one, user, groups)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            found = statuses(burn.id());
        }
        let environment = owner(Path::new(&format!("/proc/{}/environ", burn.id())));
        flock(&held, FlockOperation::Unlock).unwrap();
        assert!(burn.wait().unwrap().success());
        assert!(found.len() > 1, "it listens for signals in a thread of its own: {found:?}");
        assert!(found.iter().all(|one| is_settled(one, user, groups)), "{}", found.join("\n"));
        assert_eq!(environment, 0, "a process that can be looked into belongs to its user");
        all_belong_to(user, &sandbox, "home shelf");
    }
}

/// The command between the backquotes, with what this machine has instead of sudo.
fn proposed(run: &Run) -> String {
    let said = run.stderr();
    let command = said.split('`').find(|words| words.starts_with("sudo ")).unwrap().to_owned();
    let rights = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups env");
    let program = env!("CARGO_BIN_EXE_coldcut");
    command.replace("sudo -u nobody", &rights).replace(program, "./coldcut")
}

#[test]
fn a_backup_as_root_with_another_users_catalog_is_refused_with_the_command_that_works() {
    let sandbox = theirs(NOBODY);
    let before = listing(&sandbox, ".");
    let name = "it's \"mine\" $HOME";
    let run = sandbox.run(["backup", "source", "shelf", "--disc-size", "4M", "--exclude", name]);
    run.code(1).says(&format!("{} belongs to nobody", sandbox.path("home").display()));
    assert_eq!(listing(&sandbox, "."), before, "{}", run.story());
    let command = proposed(&run);
    assert!(command.contains("--exclude 'it'\\''s \"mine\" $HOME'"), "{command}");
    sandbox.bash(&command).ok();
    assert_eq!(sandbox.images().len(), 1);
    all_belong_to(NOBODY, &sandbox, "home shelf");
    // Root's own places are root's.
    let own = ["--catalog", "own.sqlite", "--staging", "own", "--new-set"];
    sandbox.run(["backup", "source", "other", "--disc-size", "4M"].iter().chain(&own)).ok();
    all_belong_to(0, &sandbox, "own own.sqlite other");
}

#[test]
fn a_restore_as_root_with_another_users_catalog_is_refused_and_works_without_it() {
    let sandbox = theirs(NOBODY);
    run_as(NOBODY, &sandbox, "backup source shelf --disc-size 4M").ok();
    let before = listing(&sandbox, ".");
    let run = sandbox.run(["restore", "shelf", "target"]);
    run.code(1).says("/home/catalog.sqlite belongs to nobody").says("--staging");
    assert_eq!(listing(&sandbox, "."), before, "{}", run.story());
    fs::create_dir(sandbox.path("open")).unwrap();
    chown(sandbox.path("open"), Some(NOBODY), None).unwrap();
    sandbox.bash(&proposed(&run).replace(" target", " open/target")).ok();
    assert_eq!(fs::read_to_string(sandbox.path("open/target/file")).unwrap(), "content");
    // With root's rights: without a catalog, and with one made from the discs.
    let own = ["--catalog", "own.sqlite", "--staging", "own"];
    sandbox.run(["restore", "shelf", "target"].iter().chain(&own)).ok();
    assert_eq!(owner(&sandbox.target().join("file")), NOBODY);
    sandbox.run(["catalog", "rebuild", "shelf"].iter().chain(&own)).ok();
    sandbox.run(["restore", "shelf", "again"].iter().chain(&own)).ok();
    assert_eq!(owner(&sandbox.path("again/file")), NOBODY);
}

#[test]
fn places_of_two_users_are_refused() {
    let sandbox = theirs(NOBODY);
    run_as(NOBODY, &sandbox, "backup source shelf --disc-size 4M").ok();
    fs::create_dir(sandbox.path("other")).unwrap();
    chown(sandbox.path("other"), Some(UNKNOWN), None).unwrap();
    let before = listing(&sandbox, ".");
    for verb in ["status", "verify shelf", "backup source shelf", "flush"] {
        let words = verb.split(' ').chain(["--staging", "other/staging"]);
        let run = sandbox.run(words);
        run.code(1).says("belongs to nobody").says(&format!("other belongs to user {UNKNOWN}"));
        assert_eq!(listing(&sandbox, "."), before, "{}", run.story());
    }
    // What uses no staging area does not look at it.
    sandbox.run(["discs", "--staging", "other/staging"]).ok();
}

#[test]
fn a_staging_area_that_others_can_write_to_is_refused() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    let backup = || sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]);
    fs::create_dir(sandbox.staging()).unwrap();
    fs::set_permissions(sandbox.staging(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = backup();
    let command = format!("chmod go-w {}", sandbox.staging().display());
    refused.code(1).says(&format!("`{command}`"));
    assert!(!sandbox.catalog().exists(), "{}", refused.story());
    sandbox.run(["status"]).code(1).says("catalog");
    // What is everybody's, as /tmp is, stays so.
    sandbox.bash("chmod +t staging").ok();
    backup().code(1).says("others can write to").says("name a directory of your own in it");
    // Others may look into it.
    sandbox.bash("chmod 755 staging").ok();
    backup().ok();
}

#[test]
fn a_staging_area_of_somebody_else_is_refused_for_every_user() {
    let mut sandbox = theirs(NOBODY);
    run_as(NOBODY, &sandbox, "backup source shelf --disc-size 4M").ok();
    sandbox.bash(&format!("mkdir me; chown {UNKNOWN} me; chmod 755 home/staging")).ok();
    sandbox.set("COLDCUT_CATALOG", sandbox.path("me/catalog.sqlite"));
    let run = run_as(UNKNOWN, &sandbox, "backup source me/shelf --disc-size 4M");
    run.code(1).says("home/staging belongs to nobody; name one of your own with --staging");
    assert!(!sandbox.path("me/catalog.sqlite").exists());
}

/// A link that somebody planted where coldcut writes.
#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    let backup = || sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]);
    let (lock, victim) = (sandbox.path("catalog.sqlite.lock"), sandbox.path("victim"));
    fs::write(&victim, "another's").unwrap();
    symlink(&victim, &lock).unwrap();
    backup().code(1).says(&format!("{} is a symbolic link", lock.display()));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "another's");
    fs::remove_file(&lock).unwrap();
    symlink(&victim, sandbox.path("catalog.sqlite.last.new")).unwrap();
    backup().ok();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "another's");
}
