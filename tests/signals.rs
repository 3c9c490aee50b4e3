//! What signals do: everything ends at once, but for a burn, which is finished first; and what
//! whoever started the program ignores stays ignored.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use support::terminal::end;
use support::{Run, Sandbox};

/// A run at work; its events on stdout are listened to.
struct AtWork {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl AtWork {
    fn start(mut command: Command) -> AtWork {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        AtWork { child, events }
    }

    fn coldcut(sandbox: &Sandbox, words: &[&str]) -> AtWork {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(words).arg("--json");
        AtWork::start(command)
    }

    /// Until an event is as it should be; a run that ends before is none.
    #[track_caller]
    fn until(&mut self, what: &str, is_it: impl Fn(&serde_json::Value) -> bool) -> &mut AtWork {
        let mut line = String::new();
        while self.events.read_line(&mut line).unwrap() > 0 {
            if is_it(&serde_json::from_str(&line).unwrap()) {
                return self;
            }
            line.clear();
        }
        panic!("it ended before {what}");
    }

    fn until_phase(&mut self, phase: &str) -> &mut AtWork {
        self.until(phase, |event| event["event"] == "phase" && event["phase"] == phase)
    }

    fn signal(&mut self, signal: Signal) -> &mut AtWork {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
        self
    }

    /// All further events are read, so that nobody waits for us.
    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        let events = std::mem::replace(&mut self.events, BufReader::new(empty()));
        std::thread::spawn(move || events.lines().map_while(Result::ok).for_each(drop));
        end(&mut self.child).code()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An output that has ended.
fn empty() -> ChildStdout {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    child.wait().unwrap();
    out
}

/// A file with a byte at each end and nothing between: an hour's hashing.
fn hollow(sandbox: &Sandbox) {
    sandbox
        .bash("printf x > source/hollow; truncate -s 4T source/hollow; printf y >> source/hollow")
        .ok();
}

fn done(event: &serde_json::Value) -> u64 {
    event["done"].as_u64().unwrap_or(0)
}

#[test]
fn packing_tells_how_far_it_is_in_a_hole_and_ends_there_when_it_is_asked_to() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let sandbox = Sandbox::new();
        hollow(&sandbox);
        let mut run = AtWork::coldcut(&sandbox, &["backup", "source", "shelf"]);
        run.until_phase("packing");
        run.until("progress in the hole", |event| {
            done(event) > 100_000_000 && event["total"] == (4_u64 << 40) + 1
        });
        assert_eq!(run.signal(signal).code(), Some(code));
    }
}

/// A shelf whose burns take long enough to be met.
fn slow_shelf(rate: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), vec![7; 100_000]).unwrap();
    fs::write(sandbox.shelf().join(".shelf.toml"), format!("write_rate = {rate}\n")).unwrap();
    sandbox
}

fn left_on_shelf(sandbox: &Sandbox) -> String {
    sandbox.bash("ls -A shelf | grep source || true").stdout()
}

#[test]
fn a_burn_onto_a_shelf_is_finished_first_and_read_back_by_the_next_run() {
    let sandbox = slow_shelf(50_000);
    let mut run = AtWork::coldcut(&sandbox, &["backup", "source", "shelf", "--disc-size", "4M"]);
    run.until("the burn", |event| event["phase"] == "writing" && done(event) > 0);
    run.signal(Signal::SIGINT);
    run.until("the word that it is finished", |event| {
        event["event"] == "note" && event["text"].as_str().unwrap().contains("finished first")
    });
    assert_eq!(run.code(), Some(130));
    assert_eq!(sandbox.images().len(), 1, "{}", left_on_shelf(&sandbox));
    sandbox.run(["burn", "shelf"]).ok().says("reading it back");
    sandbox.run(["status"]).ok();
}

#[test]
fn a_second_signal_aborts_a_burn_onto_a_shelf_and_leaves_no_half_image() {
    let sandbox = slow_shelf(5_000);
    let mut run = AtWork::coldcut(&sandbox, &["backup", "source", "shelf", "--disc-size", "4M"]);
    run.until("the burn", |event| event["phase"] == "writing" && done(event) > 0);
    run.signal(Signal::SIGINT);
    run.until("the word that it is finished", |event| event["event"] == "note");
    assert_eq!(run.signal(Signal::SIGTERM).code(), Some(130));
    assert_eq!(left_on_shelf(&sandbox), "");
}

/// A window that closes sends its signal more than once, and a session that ends another beside it.
#[test]
fn a_burn_onto_a_shelf_outlives_the_end_of_a_session() {
    let sandbox = slow_shelf(50_000);
    let mut run = AtWork::coldcut(&sandbox, &["backup", "source", "shelf", "--disc-size", "4M"]);
    run.until("the burn", |event| event["phase"] == "writing" && done(event) > 0);
    run.signal(Signal::SIGHUP).signal(Signal::SIGTERM);
    run.until("the word that it is finished", |event| event["event"] == "note");
    assert_eq!(run.signal(Signal::SIGHUP).code(), Some(129));
    assert_eq!(sandbox.images().len(), 1, "{}", left_on_shelf(&sandbox));
}

/// The program that writes the image is not ended either.
#[test]
fn the_program_that_writes_an_image_is_left_at_work_by_the_first_signal() {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    let real = sandbox.bash("command -v xorriso").stdout();
    fs::create_dir(sandbox.path("bin")).unwrap();
    let script = format!(
        "#!/bin/bash\ncase \"$*\" in *-commit_eject*) touch at-work\n\
         for i in {{1..1200}}; do [ -e go ] && break; sleep 0.05; done;; esac\nexec {real}"
    );
    let script = script.trim_end().to_owned() + " \"$@\"\n";
    fs::write(sandbox.path("bin/xorriso"), script).unwrap();
    fs::set_permissions(sandbox.path("bin/xorriso"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    sandbox.set("PATH", format!("{}:{path}", sandbox.path("bin").display()));
    let mut run = AtWork::coldcut(&sandbox, &["backup", "source", "shelf", "--disc-size", "4M"]);
    run.until_phase("writing");
    sandbox.bash("until [ -e at-work ]; do sleep 0.05; done").ok();
    run.signal(Signal::SIGTERM);
    sandbox.bash("touch go").ok();
    assert_eq!(run.code(), Some(143));
    assert_eq!(sandbox.images().len(), 1, "{}", left_on_shelf(&sandbox));
}

/// A run under `trap '' SIGNAL`, in the middle of a burn.
fn ignoring(sandbox: &Sandbox, signal: &str) -> AtWork {
    let mut command = sandbox.command("bash");
    let line = format!(
        "trap '' {signal}; exec {} backup source shelf --disc-size 4M --json",
        env!("CARGO_BIN_EXE_coldcut")
    );
    command.args(["-c", &line]);
    let mut run = AtWork::start(command);
    run.until("the burn", |event| event["phase"] == "writing" && done(event) > 0);
    run
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    for (name, signal) in [("HUP", Signal::SIGHUP), ("INT", Signal::SIGINT)] {
        let sandbox = slow_shelf(50_000);
        let mut run = ignoring(&sandbox, name);
        assert_eq!(run.signal(signal).code(), Some(0), "{name}");
        sandbox.run(["status"]).ok();
    }
}

/// A command that prints the passphrase, and hangs: its own answer is not waited for.
#[test]
fn a_wait_for_the_passphrases_command_ends_at_once() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
    command.args(["backup", "source", "shelf", "--encrypt", "--passphrase-command"]);
    command.arg("touch asked; exec sleep 1000");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sandbox.bash("until [ -e asked ]; do sleep 0.05; done").ok();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(end(&mut child).code(), Some(143));
}

/// Looking at what is on a shelf opens each image: the last ones are never reached.
#[test]
fn looking_through_a_long_shelf_ends_at_once() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    for n in 10_000..15_000 {
        let image = sandbox.path("shelf/source-0001.iso");
        fs::hard_link(image, sandbox.path(&format!("shelf/other-{n}.iso"))).unwrap();
    }
    for words in ["verify shelf", "restore shelf target"] {
        // SIGINT is ignored by what bash starts with `&`.
        let line = format!(
            "rm -f trace; touch trace
             strace -f -e trace=openat -o trace '{}' {words} & tracer=$!
             until grep -q other-10 trace; do sleep 0.01; done
             kill -TERM $(pgrep -P $tracer)
             wait $tracer",
            env!("CARGO_BIN_EXE_coldcut")
        );
        sandbox.bash(&line).code(143);
        let trace = fs::read_to_string(sandbox.path("trace")).unwrap();
        assert!(trace.contains("other-10") && !trace.contains("other-14999"), "{words}");
    }
}

/// A set of one file in a folder, and no catalog.
fn strange_disc() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    sandbox
        .bash(
            "xorriso -osirrox on -indev shelf/*.iso -extract / disc 2>&1
             chmod -R u+w disc; rm catalog.sqlite",
        )
        .ok();
    sandbox
}

/// It has read of what takes so long, and is asked to end.
#[track_caller]
fn ends_while_it_reads(sandbox: &Sandbox, words: &str, stretch: &str) -> Run {
    let line = format!(
        "rm -rf trace target staging; touch trace
         strace -f -e trace=pread64 -o trace '{}' {words} & tracer=$!
         until grep -q '{stretch}' trace; do sleep 0.01; done
         kill -TERM $(pgrep -P $tracer)
         wait $tracer",
        env!("CARGO_BIN_EXE_coldcut")
    );
    let run = sandbox.bash(&line);
    run.code(143);
    run
}

/// Makes a bzip2 stream of 900,000 empty lines so many times twice as long, writes it behind these
/// listings, and brings the disc's list up to date.
fn put_empty_lines(sandbox: &Sandbox, doublings: u32, listings: &[&str]) {
    let script = format!(
        "head -c 900000 /dev/zero | tr '\\0' '\\n' | bzip2 -9c >stream
         for n in {{1..{doublings}}}; do cat stream stream >twice; mv twice stream; done
         cd disc; for listing in {}; do cat ../stream >>$listing.bz2; done; rm ../stream
         find . -type f ! -name SHA256SUMS -printf '%P\\0' | sort -z |
         xargs -0 sha256sum >../sums; mv ../sums SHA256SUMS",
        listings.join(" ")
    );
    sandbox.bash(&script).ok();
}

/// Each would take minutes to be read to its end.
#[test]
fn listings_and_directories_that_were_made_to_take_long_end_at_once() {
    let sandbox = strange_disc();
    // 29 GB of empty lines in 2 MB.
    put_empty_lines(&sandbox, 15, &["SNAPSHOT.tsv", "INDEX.tsv", "catalog.sqlite"]);
    for words in [
        "restore disc target --no-limits",
        "drill disc",
        "drill disc --all --no-limits",
        "catalog rebuild disc --yes --no-limits",
    ] {
        ends_while_it_reads(&sandbox, words, "aBZh91AY");
    }
}

/// What was read of a listing until then says nothing about the listing.
#[test]
fn a_rebuilding_ends_in_the_middle_of_a_listing() {
    let sandbox = strange_disc();
    fs::remove_file(sandbox.path("disc/catalog.sqlite.bz2")).unwrap();
    // 3.7 GB.
    put_empty_lines(&sandbox, 12, &["SNAPSHOT.tsv"]);
    let words = "catalog rebuild disc --yes --no-limits";
    let run = ends_while_it_reads(&sandbox, words, "aBZh91AY");
    assert!(!run.stderr().contains("SNAPSHOT"), "{}", run.story());
}

/// A directory of 30,000 sectors, in a drive that takes its time for each.
#[test]
fn the_directory_of_a_volume_that_has_no_end_ends_at_once() {
    let sandbox = strange_disc();
    let image = fs::File::options().write(true).open(&sandbox.images()[0]).unwrap();
    image.set_len(80 << 20).unwrap();
    let both = |number: u32| [number.to_le_bytes(), number.to_be_bytes()].concat();
    // The volume's length, and that of the root's extent (ECMA-119 8.4).
    std::os::unix::fs::FileExt::write_all_at(&image, &both(40_000), 16 * 2048 + 80).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&image, &both(60 << 20), 16 * 2048 + 166).unwrap();
    for words in ["verify shelf", "restore shelf target", "catalog rebuild shelf --yes"] {
        let line = format!(
            "rm -f trace; touch trace
             strace -f -e trace=pread64 -e inject=pread64:delay_enter=20000 -o trace '{}' {words} & tracer=$!
             until [[ $(wc -l <trace) -gt 50 ]]; do sleep 0.01; done
             kill -TERM $(pgrep -P $tracer)
             wait $tracer",
            env!("CARGO_BIN_EXE_coldcut")
        );
        sandbox.bash(&line).code(143);
        let reads = fs::read_to_string(sandbox.path("trace")).unwrap().lines().count();
        assert!(reads < 20_000, "{words}: {reads} sectors were read");
    }
}

/// What a disc is closed with is not written to its end; the disc stays open, and the next run goes
/// on with it.
#[track_caller]
fn closed_by_the_next_run(sandbox: &Sandbox, words: &[&str]) {
    let sums = sandbox.bash("find . -name SHA256SUMS").ok().stdout();
    assert_eq!(sums, "", "the disc was closed after all");
    sandbox.run(words.iter().copied()).ok();
    sandbox.run(["verify", "shelf"]).ok();
    sandbox.run(["status"]).ok();
}

#[test]
fn listings_that_are_being_written_are_left_and_written_by_the_next_run() {
    let sandbox = Sandbox::new();
    sandbox.bash("cd source && seq -f 'a-name-of-some-length-%06g' 15000 | xargs touch").ok();
    let words = ["backup", "source", "shelf", "--disc-size", "100M"];
    let mut run = AtWork::coldcut(&sandbox, &words);
    run.until_phase("packing");
    sandbox.bash("until find . -name INDEX.tsv.bz2 | grep -q .; do sleep 0.01; done").ok();
    assert_eq!(run.signal(Signal::SIGTERM).code(), Some(143));
    closed_by_the_next_run(&sandbox, &words);
}

#[test]
fn recovery_data_that_is_being_made_is_left_and_made_by_the_next_run() {
    let sandbox = Sandbox::new();
    sandbox.bash("head -c 30M /dev/urandom > source/film").ok();
    let words = ["backup", "source", "shelf", "--disc-size", "100M", "--parity", "50"];
    let mut run = AtWork::coldcut(&sandbox, &words);
    run.until_phase("protecting");
    assert_eq!(run.signal(Signal::SIGINT).code(), Some(130));
    closed_by_the_next_run(&sandbox, &words);
}
