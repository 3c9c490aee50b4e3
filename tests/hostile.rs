//! Discs that were made to do harm: sizes without an end, listings that unfold without an end, rows
//! without number. Nothing panics, nothing fills the memory, nothing is written outside.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::endless::endless;
use support::{Run, Sandbox, make_directory_loop};

/// The content of one plain disc in a folder, and no catalog that knows it.
fn disc() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    for n in 0..20 {
        fs::write(sandbox.source().join(format!("file{n:02}")), format!("content {n}\n")).unwrap();
    }
    sandbox.run(["backup", "--disc-size", "3M", "source", "shelf"]).ok();
    sandbox
        .bash("xorriso -osirrox on -indev shelf/*.iso -extract / disc 2>&1; chmod -R u+w disc")
        .ok();
    fs::remove_file(sandbox.catalog()).unwrap();
    let disc = sandbox.path("disc");
    (sandbox, disc)
}

fn pipe(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut to, bytes) = (child.stdin.take().unwrap(), input.to_vec());
    let giver = std::thread::spawn(move || to.write_all(&bytes));
    let output = child.wait_with_output().unwrap().stdout;
    giver.join().unwrap().unwrap();
    output
}

/// Rewrites a listing of the disc, line by line: `None` leaves a line as it is.
fn rewrite(disc: &Path, name: &str, change: impl Fn(&[&str]) -> Option<Vec<String>>) {
    let path = disc.join(format!("{name}.tsv.bz2"));
    let text = pipe("bzip2", &["-dc"], &fs::read(&path).unwrap());
    let text = String::from_utf8(text).unwrap();
    let mut out = String::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match change(&fields) {
            Some(fields) => out += &(fields.join("\t") + "\n"),
            None => out += &format!("{line}\n"),
        }
    }
    fs::write(path, pipe("bzip2", &["-c"], out.as_bytes())).unwrap();
}

/// Memory is limited to what a small machine has: whoever believes a length is ended.
fn coldcut(sandbox: &Sandbox, words: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_coldcut");
    // Kilobytes of memory, and blocks of 1 KiB in a file.
    sandbox.bash(&format!("ulimit -v 1500000; ulimit -f 100000; timeout 300 '{program}' {words}"))
}

#[track_caller]
fn assert_orderly(run: &Run) {
    let code = run.output.status.code();
    assert!(matches!(code, Some(0..=5)), "{}", run.story());
    assert!(!run.stderr().contains("panicked"), "{}", run.story());
}

#[test]
fn sizes_up_to_2_to_the_64_are_lies_that_cost_their_own_file() {
    // Size, frame offset, frame length, tar offset, part's offset in the file, file's size.
    let (sandbox, disc) = disc();
    fs::rename(&disc, sandbox.path("disc.whole")).unwrap();
    let index = [5, 8, 9, 10, 13, 14].map(|field| ("INDEX", field));
    for (name, field) in index.into_iter().chain([("SNAPSHOT", 3)]) {
        for lie in [1_u64 << 62, 1 << 63, u64::MAX] {
            sandbox.bash("rm -rf disc back; cp -r disc.whole disc").ok();
            // Two of them: sums must not overflow either.
            rewrite(&disc, name, |fields| {
                let hit = fields.iter().any(|field| ["file03", "file04"].contains(field));
                let mut fields: Vec<String> = fields.iter().map(|&f| f.to_owned()).collect();
                hit.then(|| {
                    fields[field - 1] = lie.to_string();
                    fields
                })
            });
            let run = coldcut(&sandbox, "restore disc back --yes");
            assert_orderly(&run);
            for (n, harmless) in
                (0..20).filter(|n| ![3, 4].contains(n)).map(|n| (n, format!("content {n}\n")))
            {
                let path = sandbox.path(&format!("back/file{n:02}"));
                let found = fs::read_to_string(path).unwrap_or_default();
                assert_eq!(found, harmless, "{name} {field} {lie}\n{}", run.story());
            }
            for n in [3, 4] {
                if let Ok(found) = fs::read_to_string(sandbox.path(&format!("back/file{n:02}"))) {
                    assert_eq!(found, format!("content {n}\n"));
                }
            }
            assert_orderly(&coldcut(&sandbox, "verify disc"));
        }
    }
}

/// A stream of 900,000 zeros, so many times: 2.2 GB in 110 kB.
fn bomb(times: usize) -> Vec<u8> {
    pipe("bzip2", &["-9c"], &vec![0; 900_000]).repeat(times)
}

#[test]
fn what_unfolds_without_an_end_fills_neither_memory_nor_disk() {
    for name in
        ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "catalog.sqlite.bz2", "archives/00000001.tar.bz2"]
    {
        let (sandbox, disc) = disc();
        let whole = fs::read(disc.join(name)).unwrap();
        // Behind what belongs there, and instead of it.
        for content in [[whole, bomb(2_500)].concat(), bomb(2_500)] {
            fs::write(disc.join(name), content).unwrap();
            for words in ["restore disc back --yes", "verify disc"] {
                let _ = fs::remove_dir_all(sandbox.path("back"));
                assert_orderly(&coldcut(&sandbox, words));
            }
        }
    }
}

/// 10 million rows take minutes in a debug build: COLDCUT_ROWS asks for them.
#[test]
fn rows_without_number_take_no_memory_where_few_are_wanted() {
    let rows: u64 = std::env::var("COLDCUT_ROWS").map_or(300_000, |rows| rows.parse().unwrap());
    let (sandbox, disc) = disc();
    for name in ["INDEX", "SNAPSHOT"] {
        let path = disc.join(format!("{name}.tsv.bz2"));
        let script = format!(
            "bzip2 -dc '{0}' >text
             awk -F'\\t' -v OFS='\\t' -v rows={rows} -v path={1} '
                 {{ print }}
                 END {{ for (n = 1; n <= rows; n++) {{ $path = sprintf(\"many/%08d\", n); print }} }}
             ' text | bzip2 -1c >'{0}.new'
             mv '{0}.new' '{0}'",
            path.display(),
            if name == "INDEX" { 3 } else { 2 },
        );
        sandbox.bash(&script).ok();
    }
    let run = coldcut(&sandbox, "restore disc back --path 'file0*' --yes");
    assert_orderly(&run);
    assert_eq!(fs::read_dir(sandbox.path("back")).unwrap().count(), 10, "{}", run.story());
}

/// Every verb that reads what somebody else may have put there.
const READING: [&str; 6] = [
    "verify FROM",
    "restore FROM back --yes",
    "drill --all FROM",
    "check FROM",
    "catalog rebuild FROM --replace --yes",
    "rescue FROM --to saved.iso",
];

/// A set on a shelf, and its catalog.
fn shelf() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    sandbox
}

/// Nobody waits for it, and it does not end by a signal.
fn within_a_minute(sandbox: &Sandbox, words: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_coldcut");
    let run = sandbox.bash(&format!("rm -rf back saved.iso*; timeout -k 5 60 '{program}' {words}"));
    assert_orderly(&run);
    run
}

#[test]
fn what_is_called_like_an_image_and_is_no_file_holds_nobody_up() {
    let sandbox = shelf();
    sandbox.bash("cd shelf; mkfifo x.iso; mkdir y.iso; ln -s /dev/zero z.iso").ok();
    for words in READING {
        let whole = within_a_minute(&sandbox, &words.replace("FROM", "shelf"));
        // A directory is no image to be rescued.
        if !words.starts_with("rescue") {
            whole.ok();
        }
        for one in ["x.iso", "y.iso", "z.iso"] {
            let run = within_a_minute(&sandbox, &words.replace("FROM", &format!("shelf/{one}")));
            assert_ne!(run.output.status.code(), Some(0), "{words}: {one}\n{}", run.story());
        }
    }
    // Nor where the shelf's own files should be.
    sandbox.bash("mkfifo shelf/.shelf.toml").ok();
    for words in READING {
        within_a_minute(&sandbox, &words.replace("FROM", "shelf"));
    }
}

#[test]
fn a_directory_that_is_in_itself_is_damage_and_has_an_end() {
    let sandbox = shelf();
    let image = sandbox.images().remove(0);
    let sound = fs::read(&image).unwrap();
    make_directory_loop(&image);
    let image = image.display().to_string();
    for words in READING {
        let run = within_a_minute(&sandbox, &words.replace("FROM", &image));
        assert_ne!(run.output.status.code(), Some(0), "{words}\n{}", run.story());
        let told = ["its directory cannot be read (sector", "archives/00000001.tar"];
        assert!(told.iter().any(|words| run.stderr().contains(words)), "{}", run.story());
        // The rebuilt catalog knows less.
        if words.starts_with("catalog") {
            fs::write(&image, &sound).unwrap();
            sandbox.run(["catalog", "rebuild", &image, "--replace", "--yes"]).ok();
            make_directory_loop(Path::new(&image));
        }
    }
}

/// `path` is there a hundred thousand times more.
#[test]
fn rows_that_are_there_again_are_damage_and_take_no_memory() {
    let (sandbox, disc) = disc();
    let path = disc.join("SNAPSHOT.tsv.bz2");
    let again = "bzip2 -dc SNAPSHOT.tsv.bz2 | tail -n 1 |
        awk '{ for (n = 0; n < 1000; n++) print }' | bzip2 -c >stream
        for n in {1..100}; do cat stream >>SNAPSHOT.tsv.bz2; done";
    sandbox.bash(&format!("cd disc; {again}; rm stream catalog.sqlite.bz2")).ok();
    assert!(fs::metadata(path).unwrap().len() < 100_000);
    let run = coldcut(&sandbox, "restore disc back --yes");
    assert_orderly(&run);
    run.says("of SNAPSHOT is damaged: it does not come after the row before it");
    assert_eq!(fs::read_dir(sandbox.path("back")).unwrap().count(), 20, "{}", run.story());
}

/// Which set par2 would take is its own choice; what was checked may be another one.
#[test]
fn recovery_data_of_two_sets_repairs_nothing() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), support::trees::Random::new(1).bytes(300_000))
        .unwrap();
    sandbox.run(["backup", "--disc-size", "6M", "--parity", "20", "source", "shelf"]).ok();
    let make = "xorriso -osirrox on -indev shelf/*.iso -extract / disc 2>&1; chmod -R u+w disc
        mkdir other; echo x >other/file; par2 create -q -q -c1 other/file.par2 other/file
        archive=$(find disc/archives -size +100k)
        dd if=/dev/zero of=\"$archive\" bs=1000 count=5 seek=50 conv=notrunc 2>&1";
    sandbox.bash(make).ok();
    sandbox.run(["restore", "disc", "repaired", "--yes"]).ok().says("is repaired");
    sandbox.bash("cat other/file.par2 >>disc/parity/disc.par2").ok();
    let run = sandbox.run(["restore", "disc", "back", "--yes"]);
    run.code(3).says("its recovery data is of more than one set");
}

fn catalog_of(disc: &Path) -> Vec<u8> {
    pipe("bzip2", &["-dc"], &fs::read(disc.join("catalog.sqlite.bz2")).unwrap())
}

fn put_catalog(disc: &Path, bytes: &[u8]) {
    // In streams of a length that coldcut takes.
    let streams = bytes.chunks(900_000).flat_map(|chunk| pipe("bzip2", &["-c"], chunk));
    fs::write(disc.join("catalog.sqlite.bz2"), streams.collect::<Vec<u8>>()).unwrap();
}

/// The catalog of a disc, after this SQL.
fn changed(sandbox: &Sandbox, disc: &Path, sql: &str) -> Vec<u8> {
    let path = sandbox.path("changed.sqlite");
    fs::write(&path, catalog_of(disc)).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    fs::read(&path).unwrap()
}

/// Every page but the first says that it is its own next one.
fn going_in_circles(mut bytes: Vec<u8>) -> Vec<u8> {
    for (number, page) in bytes.chunks_mut(4096).enumerate().skip(1) {
        page[..4].copy_from_slice(&(number as u32 + 1).to_be_bytes());
        page[8..12].copy_from_slice(&(number as u32 + 1).to_be_bytes());
    }
    bytes
}

/// Numbers of pages that hold nothing but more of a long value.
fn overflow_pages(bytes: &[u8]) -> Vec<usize> {
    let next = |page: &[u8]| u32::from_be_bytes(page[..4].try_into().unwrap()) as usize;
    let goes_on = |&(number, page): &(usize, &[u8])| {
        next(page) == number + 2 && page[4..].iter().all(|&byte| byte == 0)
    };
    let pages = bytes.chunks(4096).enumerate();
    pages.filter(goes_on).map(|(number, _)| number + 1).collect()
}

/// A value goes on where it began: each of these pages says that the first is its next one.
fn an_overflow_chain_without_an_end(mut bytes: Vec<u8>) -> Vec<u8> {
    let pages = overflow_pages(&bytes);
    assert!(pages.len() > 10, "{pages:?}");
    for number in &pages {
        let first = (pages[0] as u32).to_be_bytes();
        bytes[(number - 1) * 4096..][..4].copy_from_slice(&first);
    }
    bytes
}

/// The list of free pages goes from its only page to that page, as often as there are numbers.
fn a_free_list_without_an_end(mut bytes: Vec<u8>) -> Vec<u8> {
    let number = (bytes.len() / 4096 + 1) as u32;
    bytes.resize(bytes.len() + 4096, 0);
    let page = bytes.len() - 4096;
    bytes[page..page + 4].copy_from_slice(&number.to_be_bytes());
    for (at, value) in [(28, number), (32, number), (36, i32::MAX as u32)] {
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

#[test]
fn a_catalog_that_is_not_as_ours_is_not_used() {
    let (sandbox, disc) = disc();
    let sound = catalog_of(&disc);
    let not_ours = "its tables are not coldcut's";
    let trigger = "CREATE TRIGGER more AFTER INSERT ON sets BEGIN DELETE FROM sets; END";
    let long = changed(&sandbox, &disc, "UPDATE sets SET certs=zeroblob(200000)");
    for (bytes, why) in [
        (changed(&sandbox, &disc, "CREATE VIEW more AS SELECT 1"), not_ours),
        (changed(&sandbox, &disc, trigger), not_ours),
        (changed(&sandbox, &disc, "UPDATE sets SET certs=zeroblob(17 << 20)"), "too big"),
        (changed(&sandbox, &disc, "PRAGMA user_version=99"), "newer coldcut"),
        (going_in_circles(sound.clone()), "is damaged"),
        (a_free_list_without_an_end(sound.clone()), "is damaged"),
        (an_overflow_chain_without_an_end(long), "is damaged"),
        (sound[..sound.len() / 2].to_vec(), "is damaged"),
        (vec![b'x'; 100_000], "not a database"),
    ] {
        put_catalog(&disc, &bytes);
        let run = coldcut(&sandbox, "catalog rebuild disc --replace --yes");
        // The listing tells the rows; what else the catalog knew is gone. A newer one is not damaged.
        run.code(if why == "newer coldcut" { 0 } else { 3 });
        run.says(why).says("another catalog is used, if there is one");
        // Without a listing nothing else knows the rows.
        let listing = disc.join("SNAPSHOT.tsv.bz2");
        let kept = fs::read(&listing).unwrap();
        fs::remove_file(&listing).unwrap();
        let _ = fs::remove_file(sandbox.catalog());
        let run = coldcut(&sandbox, "restore disc back --yes");
        assert_orderly(&run);
        assert_ne!(run.output.status.code(), Some(0), "{}", run.story());
        fs::write(&listing, kept).unwrap();
    }
    // Not even unpacked; and not there, which is no damage.
    let packed = pipe("bzip2", &["-c"], &sound);
    let path = disc.join("catalog.sqlite.bz2");
    for bytes in [&packed[..packed.len() / 2], b"x"] {
        fs::write(&path, bytes).unwrap();
        let run = coldcut(&sandbox, "catalog rebuild disc --replace --yes");
        run.code(3).says("another catalog is used, if there is one").says("COULD NOT BE READ");
    }
    fs::remove_file(&path).unwrap();
    let run = coldcut(&sandbox, "catalog rebuild disc --replace --yes");
    run.code(0).says("another catalog is used, if there is one").says("catalog.sqlite.bz2");
    put_catalog(&disc, &sound);
    coldcut(&sandbox, "catalog rebuild disc --replace --yes").code(0);
    fs::remove_file(disc.join("SNAPSHOT.tsv.bz2")).unwrap();
    coldcut(&sandbox, "catalog rebuild disc --replace --yes");
    coldcut(&sandbox, "restore disc back2 --yes");
    assert_eq!(fs::read_dir(sandbox.path("back2")).unwrap().count(), 20);
}

/// Words and numbers that coldcut never writes, in tables that are to the letter its own. Once they
/// were taken over no command could read the catalog, whatever set it is about. `prove` has a test of
/// each such value; these are two of them on their way from a disc.
#[test]
fn a_catalog_with_values_that_no_command_can_read_is_not_taken_over() {
    let (sandbox, disc) = disc();
    let sound = catalog_of(&disc);
    let copy = "INSERT INTO copies(set_id, disc, copy, place, burned, state, bears, words)
                SELECT set_id, number, 1, '', 0, 'burned', '', '' FROM discs;";
    for odd in ["UPDATE copies SET state='fine'", "INSERT INTO mounts SELECT id, X'2e2e' FROM sets"]
    {
        put_catalog(&disc, &sound);
        let bytes = changed(&sandbox, &disc, &format!("{copy}{odd}"));
        put_catalog(&disc, &bytes);
        let _ = fs::remove_file(sandbox.catalog());
        let run = coldcut(&sandbox, "catalog rebuild disc --yes");
        run.code(3).says("another catalog is used, if there is one").says("COULD NOT BE READ");
        // Found on discs, and not read back yet.
        let run = coldcut(&sandbox, "status");
        run.code(3);
        let again = coldcut(&sandbox, "backup source shelf --disc-size 3M");
        again.code(0);
    }
}

/// Namespaces are refused to it, as a service's unit refuses them.
fn without_namespaces(command: &mut Command) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
    use std::os::unix::process::CommandExt;
    let rules = [(nix::libc::SYS_unshare, Vec::new())].into();
    let refuse = SeccompAction::Errno(nix::libc::EPERM as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    let refused = |_| std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    // SAFETY: between fork and exec only two system calls are made.
    unsafe { command.pre_exec(move || apply_filter(&filter).map_err(refused)) };
}

/// The process that reads the catalog for `parent`, once it has given up what it gives up.
fn reader_of(parent: u32, filters: usize) -> PathBuf {
    let is_it = |process: &PathBuf| {
        let said = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
        let status = said("status");
        status.contains(&format!("\nPPid:\t{parent}\n"))
            && status.contains(&format!("\nSeccomp_filters:\t{filters}\n"))
            && said("cmdline").contains("read-catalog-from-stdin")
    };
    loop {
        let mut processes =
            fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        if let Some(reader) = processes.find(is_it) {
            return reader;
        }
        assert!(
            Path::new(&format!("/proc/{parent}/exe")).exists(),
            "it has ended without a reader"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn who_reads_a_strangers_catalog_has_nothing_and_is_ended_with_us() {
    let network = |process: &Path| fs::read_link(process.join("ns/net")).unwrap();
    for refused in [false, true] {
        let (sandbox, disc) = disc();
        put_catalog(&disc, &endless());
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(["catalog", "rebuild", "disc", "--yes", "--verbose"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if refused {
            without_namespaces(&mut command);
        }
        let child = command.spawn().unwrap();
        let reader = reader_of(child.id(), if refused { 3 } else { 2 });
        let said = |file: &str| fs::read_to_string(reader.join(file)).unwrap();
        let mut open: Vec<_> =
            fs::read_dir(reader.join("fd")).unwrap().map(|fd| fd.unwrap().file_name()).collect();
        open.sort();
        assert_eq!(open, ["0", "1", "2"]);
        assert_eq!(said("environ"), "LC_ALL=C\0TZ=UTC\0");
        let limits = said("limits");
        let limit = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        assert_eq!((limit("Max open files"), limit("Max file size")), (0, 0));
        assert_eq!((limit("Max cpu time"), limit("Max core file size")), (20, 0));
        assert!(limit("Max address space") < 600 << 20);
        let same_network = network(&reader) == network(Path::new("/proc/self"));
        assert_eq!(same_network, refused, "{reader:?}");
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
        let ended = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(143), "{words}");
        assert!(!reader.exists(), "{words}");
        let told = words.contains("coldcut has no network namespace of its own");
        assert_eq!(told, refused, "{words}");
    }
}

/// Makes processes whose parent ends children of this one.
fn adopt_orphans(yes: bool) {
    // SAFETY: numbers only.
    let done = unsafe { nix::libc::prctl(nix::libc::PR_SET_CHILD_SUBREAPER, i32::from(yes)) };
    assert_eq!(done, 0);
}

#[test]
fn who_reads_a_strangers_catalog_is_killed_with_us() {
    use nix::sys::wait::{WaitStatus, waitpid};
    let (sandbox, disc) = disc();
    put_catalog(&disc, &endless());
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
    command.args(["catalog", "rebuild", "disc", "--yes"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let reader = reader_of(child.id(), 2);
    let reader = Pid::from_raw(reader.file_name().unwrap().to_str().unwrap().parse().unwrap());
    adopt_orphans(true);
    child.kill().unwrap();
    child.wait().unwrap();
    // By itself it would go on until its processor time is up, which is another signal.
    let ended = waitpid(reader, None);
    adopt_orphans(false);
    assert_eq!(ended, Ok(WaitStatus::Signaled(reader, Signal::SIGKILL, false)));
}

/// Rows that are sound and long, and take next to nothing on the disc.
#[test]
fn a_listing_that_unfolds_to_more_than_real_ones_is_read_if_somebody_says_so() {
    const ROWS: usize = 1_800;
    const LONG: usize = 60_000;
    let (sandbox, disc) = disc();
    fs::remove_file(disc.join("catalog.sqlite.bz2")).unwrap();
    let listing = disc.join("SNAPSHOT.tsv.bz2");
    let text = pipe("bzip2", &["-dc"], &fs::read(&listing).unwrap());
    let text = String::from_utf8(text).unwrap();
    let (before, last) = text.split_at(text.find("f\tfile19\t").unwrap());
    let value = "A".repeat(LONG);
    let row = |n: usize| {
        format!(
            "d\tfile18-{n:05}\t0\t-\t-\t-\t0755\t0\t0\troot\troot\t1.000000000\t-\t-\t\
             user.a={value}\t-\t1\n"
        )
    };
    let mut packed = pipe("bzip2", &["-c"], before.as_bytes());
    for rows in (0..ROWS).collect::<Vec<_>>().chunks(14) {
        let rows: String = rows.iter().map(|&n| row(n)).collect();
        packed.extend(pipe("bzip2", &["-9c"], rows.as_bytes()));
    }
    packed.extend(pipe("bzip2", &["-c"], last.as_bytes()));
    fs::write(&listing, &packed).unwrap();
    let most = (64 << 20) + 1024 * packed.len();
    assert!(ROWS * LONG > most, "{}", packed.len());
    let last = sandbox.path("back/file19");
    let told = format!("SNAPSHOT expands to more than {most} bytes");
    let run = coldcut(&sandbox, "restore disc back --yes --path 'file??'");
    run.code(3).says(&told).says("--no-limits");
    assert!(!last.exists() && sandbox.path("back/file18").exists(), "{}", run.story());
    let rebuild = "catalog rebuild disc --replace --yes";
    coldcut(&sandbox, rebuild).code(3).says(&told).says("--no-limits");
    let sums = "cut -c67- disc/SHA256SUMS >names; rm catalog.sqlite
        (cd disc; grep -v '^catalog' ../names | tr '\\n' '\\0' | xargs -0 sha256sum) >sums
        cp sums disc/SHA256SUMS";
    sandbox.bash(sums).ok();
    coldcut(&sandbox, "drill disc --all").code(5).says(&told).says("--no-limits");
    coldcut(&sandbox, "restore disc back --yes --path 'file??' --no-limits").code(0);
    assert!(last.exists());
    coldcut(&sandbox, "catalog rebuild disc --yes --no-limits").code(0);
}

/// A sound row behind more of them than a listing of this size may have.
#[test]
fn a_listing_with_more_rows_than_real_ones_is_read_if_somebody_says_so() {
    let (sandbox, disc) = disc();
    let script = "cd disc; rm catalog.sqlite.bz2
        bzip2 -dc SNAPSHOT.tsv.bz2 >all
        head -n -1 all >text
        awk 'BEGIN { for (n = 0; n < 1100000; n++) print \"row\" }' >>text
        tail -n 1 all >>text
        bzip2 -c text >SNAPSHOT.tsv.bz2; rm all text";
    sandbox.bash(script).ok();
    let packed = fs::metadata(disc.join("SNAPSHOT.tsv.bz2")).unwrap().len();
    assert!(packed < 65_536, "its limit is a million rows");
    let last = sandbox.path("back/file19");
    let run = coldcut(&sandbox, "restore disc back --yes");
    run.code(3).says("SNAPSHOT has more than 1048576 rows").says("--no-limits");
    assert!(!last.exists() && sandbox.path("back/file18").exists(), "{}", run.story());
    // What is no row is damage all the same.
    let run = coldcut(&sandbox, "restore disc back --yes --no-limits");
    run.code(3).says("of SNAPSHOT is damaged");
    assert!(!run.stderr().contains("more than 1048576 rows"), "{}", run.story());
    assert!(last.exists(), "{}", run.story());
}
