//! The program at a terminal: what it asks, what becomes of Ctrl-C at each question, and what
//! happens when the terminal goes away.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::Sandbox;

const CTRL_C: &str = "\u{3}";

/// A burn that takes a second, so that bars are drawn and a terminal can go away meanwhile.
fn slow_shelf() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), vec![7; 100_000]).unwrap();
    fs::write(sandbox.shelf().join(".shelf.toml"), "write_rate = 50_000\n").unwrap();
    sandbox
}

/// Each disc is burned for about a second, and read for another.
#[test]
fn a_line_above_the_bars_says_which_disc_of_how_many_the_run_is_at() {
    let sandbox = Sandbox::with_films(7);
    let rates = "write_rate = 3_000_000\nread_rate = 3_000_000\n";
    fs::write(sandbox.shelf().join(".shelf.toml"), rates).unwrap();
    let mut run = sandbox.at_terminal(["backup", "source", "shelf", "--disc-size", "3M"]);
    // The bars are drawn below the line.
    run.waits_for("disc 1 of about ");
    run.waits_for("writing disc 1");
    run.waits_for(" of about ").waits_for(", 1 verified");
    let (code, said) = run.ends();
    assert_eq!(code, 0, "{said}");
    // It goes away with the bars: the summary is the last thing that stands there.
    let last = said.trim_end().rsplit('\n').next().unwrap();
    assert!(!last.contains(" of about "), "{said}");
    let mut run = sandbox.at_terminal(["verify", "shelf"]);
    run.waits_for("disc 2 of ").waits_for(", 1 verified");
    assert_eq!(run.ends().0, 0);
}

#[test]
fn a_run_goes_on_to_its_end_when_its_terminal_goes_away() {
    let sandbox = slow_shelf();
    let line = format!(
        "trap '' HUP; exec {} backup source shelf --disc-size 4M",
        env!("CARGO_BIN_EXE_coldcut")
    );
    let mut run = sandbox.bash_at_terminal(&line);
    run.waits_for("writing disc 1");
    run.goes_away();
    assert_eq!(run.ends().0, 0);
    sandbox.run(["status"]).ok();
    sandbox.run(["verify", "shelf"]).ok();
}

#[test]
fn a_terminal_that_goes_away_ends_a_run_in_order() {
    let sandbox = slow_shelf();
    let mut run = sandbox.at_terminal(["backup", "source", "shelf", "--disc-size", "4M"]);
    run.waits_for("writing disc 1");
    run.goes_away();
    assert_eq!(run.ends().0, 129);
    // The burn was finished.
    assert_eq!(sandbox.images().len(), 1);
    sandbox.run(["burn", "shelf"]).ok().says("reading it back");
}

/// Nobody reads what it says: it does its work all the same, with the code of that.
#[test]
fn closed_and_full_outputs_change_nothing() {
    for outputs in [">&- 2>&-", ">/dev/full 2>/dev/full", "2>/dev/full", "<&- 2>&-"] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.source().join("file"), "content").unwrap();
        let program = env!("CARGO_BIN_EXE_coldcut");
        let backup = format!("{program} backup source shelf --disc-size 4M {outputs}");
        sandbox.bash(&backup).code(0);
        sandbox.run(["status"]).ok();
        sandbox.bash(&format!("{program} restore shelf target {outputs}")).code(0);
    }
    let sandbox = Sandbox::new();
    let program = env!("CARGO_BIN_EXE_coldcut");
    // What was asked for cannot be given: that is a failure.
    sandbox.bash("mkdir -p source && touch source/f").ok();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    sandbox.bash(&format!("{program} ls >/dev/full")).code(1).says("standard output");
}

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    let file = sandbox.passphrase_file(b"open sesame");
    let file = file.to_str().unwrap();
    let size = ["--disc-size", "4M"];
    let keys = ["--encrypt", "--passphrase-file", file, "--hint", "Ali's cave"];
    sandbox.run([&["backup", "source", "shelf"][..], &size, &keys].concat()).ok();
    sandbox
}

#[test]
fn a_passphrase_is_asked_for_three_times_with_its_hint() {
    let sandbox = encrypted();
    let mut run = sandbox.at_terminal(["restore", "shelf", "target"]);
    run.waits_for("Passphrase of set source (hint: Ali's cave): ").types("open\n");
    run.waits_for("not the passphrase. ").waits_for("(hint: Ali's cave): ").types("sesame\n");
    run.waits_for("not the passphrase. ").waits_for("(hint: Ali's cave): ").types("open sesame\n");
    let (code, words) = run.ends();
    assert_eq!(code, 0, "{words}");
    assert!(!words.contains("sesame"), "it is shown: {words}");
    assert_eq!(fs::read(sandbox.target().join("letter")).unwrap(), b"dear a\n");
}

#[test]
fn three_wrong_passphrases_are_the_end() {
    let sandbox = encrypted();
    fs::write(sandbox.source().join("more"), "more").unwrap();
    let mut run = sandbox.at_terminal(["backup", "source", "shelf"]);
    for _ in 0..3 {
        run.waits_for("(hint: Ali's cave): ").types("guess\n");
    }
    let (code, words) = run.ends();
    assert_eq!(code, 1, "{words}");
}

/// Whoever has only the discs is asked as often; no disc knows the hint.
#[test]
fn discs_alone_ask_three_times() {
    let sandbox = encrypted();
    fs::remove_file(sandbox.catalog()).unwrap();
    let mut run = sandbox.at_terminal(["restore", "shelf", "target"]);
    run.waits_for("Passphrase of set source: ").types("x\n");
    run.waits_for("Passphrase of set source: ").types("open sesame\n");
    assert_eq!(run.ends().0, 0);
    let mut run = sandbox.at_terminal(["catalog", "rebuild", "shelf"]);
    run.waits_for("Passphrase of set source: ").types("x\n");
    run.waits_for("Passphrase of set source: ").types("open sesame\n");
    let (code, words) = run.ends();
    assert_eq!(code, 0, "{words}");
}

#[test]
fn a_file_with_a_wrong_passphrase_is_read_once() {
    let sandbox = encrypted();
    let wrong = sandbox.passphrase_file(b"wrong");
    let words = ["restore", "shelf", "target", "--passphrase-file", wrong.to_str().unwrap()];
    let mut run = sandbox.at_terminal(words);
    run.waits_for("passphrase");
    assert_eq!(run.ends().0, 1);
}

#[test]
fn ctrl_c_at_any_prompt_is_130_and_sigterm_143() {
    let sandbox = encrypted();
    let new = ["backup", "source", "--name", "other", "--new-set", "shelf", "--encrypt"];
    let asks: [(&[&str], &str); 3] = [
        (&["restore", "shelf", "target"], "Passphrase of set"),
        (&new, "Passphrase of the new set"),
        (&["retire", "1"], "[y/N]"),
    ];
    asks.into_iter().for_each(|(words, prompt)| interrupt(&sandbox, words, prompt));
    // One of two discs is not on the shelf.
    let sandbox = Sandbox::new();
    sandbox.bash("head -c 6000000 /dev/urandom > source/noise").ok();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    fs::remove_file(&sandbox.images()[0]).unwrap();
    interrupt(&sandbox, &["restore", "shelf", "target"], "press Enter");
}

fn interrupt(sandbox: &Sandbox, words: &[&str], prompt: &str) {
    let mut run = sandbox.at_terminal(words);
    run.waits_for(prompt).types(CTRL_C);
    let (code, said) = run.ends();
    assert_eq!(code, 130, "{words:?}: {said}");
    assert!(said.contains("interrupted"), "{words:?}: {said}");
    assert!(!said.contains("nobody"), "{words:?}: {said}");
    let mut run = sandbox.at_terminal(words);
    run.waits_for(prompt).signals(Signal::SIGTERM);
    assert_eq!(run.ends().0, 143, "{words:?}");
}

/// The terminal is left as it was: what is typed next is seen.
#[test]
fn an_interrupted_passphrase_leaves_the_terminals_echo_on() {
    let sandbox = encrypted();
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!(
        "trap : INT; {program} restore shelf target; stty -a | grep -o -- '-*echo '; exec true"
    );
    let mut run = sandbox.bash_at_terminal(&line);
    run.waits_for("Passphrase of set").types(CTRL_C);
    let (_, words) = run.ends();
    assert!(words.contains("echo") && !words.contains("-echo"), "{words}");
}

#[test]
fn which_of_several_copies_is_meant_is_asked_once() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), vec![7; 5_000_000]).unwrap();
    let size = ["--disc-size", "4M", "--compress", "none", "--copies", "2"];
    sandbox.run([&["backup", "source", "shelf"][..], &size].concat()).ok();
    let mut run = sandbox.at_terminal(["locate", "1-2", "the attic"]);
    run.waits_for("There are several copies of discs 1-2. Which one is it? [1/2]");
    run.types("2\r");
    let (code, said) = run.ends();
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("Which one"), "asked again: {said}");
    assert!(said.contains("disc 2 of source, copy 2: kept in the attic"), "{said}");
    let mut run = sandbox.at_terminal(["locate", "1-2", "the attic"]);
    run.waits_for("[1/2]");
    run.types("both\r");
    let (code, said) = run.ends();
    assert!(code == 1 && said.contains("name one with --copy"), "{said}");
}

#[test]
fn a_question_that_nobody_answers_within_the_wait_counts_as_no() {
    let sandbox = encrypted();
    let mut run = sandbox.at_terminal(["retire", "1", "--wait", "1s"]);
    run.waits_for("[y/N]").waits_for("no answer within");
    let (code, words) = run.ends();
    assert_eq!(code, 1, "{words}");
    let mut run = sandbox.at_terminal(["restore", "shelf", "target", "--wait", "1s"]);
    run.waits_for("Passphrase of set").waits_for("no answer within");
    assert_eq!(run.ends().0, 1);
}

/// Who wrote the passphrase with an editor of Windows and types it from paper later would hear that
/// it is the wrong one.
#[test]
fn a_passphrase_that_nobody_can_type_closes_no_new_set_unless_somebody_agrees() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    let file = sandbox.passphrase_file(b"open sesame\r");
    let file = file.to_str().unwrap();
    let words = ["backup", "source", "shelf", "--disc-size", "4M", "--passphrase-file", file];
    sandbox.run(words).code(1).says("carriage return").says("--odd-passphrase");
    sandbox.run(words.iter().chain(&["--yes"])).code(1);
    assert_eq!(sandbox.images().len(), 0);
    let mut run = sandbox.at_terminal(words);
    run.waits_for("carriage return").waits_for("[y/N]").types("n\n");
    assert_eq!(run.ends().0, 1);
    let mut run = sandbox.at_terminal(words);
    run.waits_for("[y/N]").types("y\n");
    let (code, said) = run.ends();
    assert_eq!(code, 0, "{said}");
    // The set has it now: nobody is asked again.
    fs::write(sandbox.source().join("more"), "more").unwrap();
    sandbox.run(words).ok();
    sandbox.run(["restore", "shelf", "target", "--passphrase-file", file]).ok();
    sandbox.bash("mkdir other; echo x > other/x").ok();
    let other = ["backup", "other", "shelf", "--disc-size", "4M", "--odd-passphrase"];
    sandbox.run(other.iter().chain(&["--passphrase-file", file])).ok();
}

/// What a program does that wants more than it was given: it types a line, and takes the terminal
/// for itself. Whatever works is printed.
const GREEDY: &str = r#"
$SIG{TTOU} = $SIG{TTIN} = "IGNORE";
my @ends = (*STDIN, *STDERR);
for my $name ("/dev/tty", glob("/dev/pts/*")) {
    if (open my $end, "+<", $name) { push @ends, $end }
}
for my $end (@ends) {
    print "a line was typed\n" if ioctl($end, 0x5412, my $typed = "x"); # TIOCSTI
    print "the terminal was taken\n" if ioctl($end, 0x5410, my $group = pack("i", getpgrp)); # TIOCSPGRP
}
"#;

/// Programs in front of the real ones that note whether they have a terminal, after they did what
/// this line of sh does, which writes to a file beside.
fn watched(sandbox: &mut Sandbox, tools: &[&str], first: &str) -> PathBuf {
    let (bin, noted) = (sandbox.path("bin"), sandbox.path("home/noted"));
    fs::create_dir(&bin).unwrap();
    for tool in tools {
        let script = format!(
            "#!/bin/sh\n{{ true </dev/tty; }} 2>/dev/null && has=a || has=no\n\
             {{ echo {tool} has $has terminal; {first}; }} >>'{}'\nexec /usr/bin/{tool} \"$@\"\n",
            noted.display()
        );
        fs::write(bin.join(tool), script).unwrap();
        fs::set_permissions(bin.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.set("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    noted
}

fn has_no_terminal(noted: &Path, tools: &[&str]) {
    let noted = fs::read_to_string(noted).unwrap();
    for tool in tools {
        assert!(noted.contains(&format!("{tool} has no terminal")), "{tool} was not run: {noted}");
    }
    for bad in ["has a terminal", "was typed", "was taken"] {
        assert!(!noted.contains(bad), "{noted}");
    }
}

/// What runs a disc's script could type at it, and read what is typed. The command that the user
/// wrote may ask there.
#[test]
fn no_program_has_the_terminal_but_the_one_that_prints_the_passphrase() {
    const TOOLS: [&str; 6] = ["xorriso", "par2", "bash", "gpg", "tar", "bzip2"];
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n".repeat(10_000)).unwrap();
    let noted = watched(&mut sandbox, &TOOLS, "true");
    let asks = "echo Speak >&2; read -r line </dev/tty; echo \"$line\"";
    let keys = ["--encrypt", "--passphrase-command", asks];
    let words = ["backup", "source", "shelf", "--disc-size", "8M", "--parity", "10"];
    let mut run = sandbox.at_terminal(words.iter().chain(&keys));
    run.waits_for("Speak").types("open sesame\n");
    let (code, said) = run.ends();
    assert_eq!(code, 0, "{said}");
    let keys = ["--passphrase-command", "echo open sesame"];
    for words in
        [&["drill", "--all", "1", "shelf"][..], &["drill", "--all", "shelf", "--catalog", "none"]]
    {
        let (code, said) = sandbox.at_terminal(words.iter().chain(&keys)).ends();
        assert_eq!(code, 0, "{said}");
    }
    has_no_terminal(&noted, &TOOLS);
}

/// A set whose catalog and staging area are `nobody`'s. Needs root, who alone can give files away.
fn of_nobody() -> Sandbox {
    let mut sandbox = encrypted();
    let line = "chmod 755 .; mkdir home/c; mv catalog* staging home/c; chown -R 65534:65534 home";
    sandbox.bash(line).ok();
    sandbox.bash("chown -R 65534:65534 shelf").ok();
    sandbox.set("COLDCUT_CATALOG", sandbox.path("home/c/catalog.sqlite"));
    sandbox.set("COLDCUT_STAGING", sandbox.path("home/c/staging"));
    sandbox
}

/// They are entered and exchanged at will by the user whom root works as.
#[test]
fn where_root_works_as_another_user_no_program_can_use_roots_terminal() {
    const TOOLS: [&str; 4] = ["bash", "gpg", "tar", "bzip2"];
    let mut sandbox = of_nobody();
    let greedy = sandbox.path("greedy.pl");
    fs::write(&greedy, GREEDY).unwrap();
    fs::set_permissions(&greedy, fs::Permissions::from_mode(0o755)).unwrap();
    let noted = watched(&mut sandbox, &TOOLS, &format!("/usr/bin/perl '{}'", greedy.display()));
    let words = ["drill", "--all", "1", "shelf", "--passphrase-command", "echo open sesame"];
    let (code, said) = sandbox.at_terminal(words).ends();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("working as that user"), "{said}");
    has_no_terminal(&noted, &TOOLS);
}

/// Whoever has more rights than this process reads what is typed; its user could enter the command.
#[test]
fn where_root_works_as_another_user_the_passphrase_command_has_no_terminal() {
    let sandbox = of_nobody();
    let noted = sandbox.path("home/noted");
    let asks = format!(
        "{{ true </dev/tty; }} 2>/dev/null && has=a || has=no; [ -t 2 ] && has=a; \
         echo $has >>{}; printf 'Say\\033it\\nnow' >&2; echo open sesame",
        noted.display()
    );
    let words = ["drill", "1", "shelf", "--passphrase-command", &asks];
    let (code, said) = sandbox.at_terminal(words).ends();
    assert_eq!(code, 0, "{said}");
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert!(lines.contains(&"Say\\u{1b}it") && lines.contains(&"now"), "{said}");
    assert_eq!(fs::read_to_string(noted).unwrap(), "no\n");
}

/// Ctrl-C at this run, once a process of its making has left its number in `home/number`: both end.
fn ctrl_c_ends(sandbox: &Sandbox, words: &[&str]) {
    let mut run = sandbox.at_terminal(words);
    sandbox.bash("timeout 60 bash -c 'until [ -s home/number ]; do sleep 0.05; done'").ok();
    run.types(CTRL_C);
    let (code, said) = run.ends();
    assert_eq!(code, 130, "{words:?}: {said}");
    // One that is dead and was not waited for has no words.
    let is_over = "while grep -q . /proc/$(<home/number)/cmdline; do sleep 0.05; done 2>/dev/null";
    sandbox.bash(&format!("timeout 60 bash -c '{is_over}'")).ok();
}

/// The terminal tells nobody in another session.
#[test]
fn ctrl_c_ends_programs_with_a_terminal_and_without_one() {
    let waits = "echo $$ >home/number; exec sleep 600";
    let waits_for_another = "sleep 600 & echo $! >home/number; wait";
    let asks = ["drill", "1", "shelf", "--passphrase-command", waits];
    ctrl_c_ends(&encrypted(), &asks);
    let asks = ["drill", "1", "shelf", "--passphrase-command", waits_for_another];
    ctrl_c_ends(&of_nobody(), &asks);
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    let number = sandbox.path("home/number");
    watched(&mut sandbox, &["par2"], &format!("echo $$ >'{}'; exec sleep 600", number.display()));
    ctrl_c_ends(&sandbox, &["backup", "source", "shelf", "--disc-size", "8M", "--parity", "10"]);
}

/// A terminal would clear itself, or show words in another order.
#[test]
fn results_for_programs_have_no_character_that_a_terminal_obeys() {
    let sandbox = Sandbox::new();
    let odd = "a\u{9b}2J\u{202e}b\u{7f}";
    fs::write(sandbox.source().join(odd), "content").unwrap();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    sandbox.run(["locate", "1", odd]).ok();
    let named = ["ls", "discs", "keysheet"];
    let others = [
        "find *",
        "snapshots",
        "status",
        "set list",
        "verify shelf",
        "check shelf",
        "drill 1 shelf",
        "restore shelf target",
        "backup source shelf",
    ];
    for words in named.into_iter().chain(others) {
        let run = sandbox.run(words.split(' ').chain(["--json"]));
        let text = run.ok().stdout();
        assert!(text.contains("\\u009b") || !named.contains(&words), "{text}");
        assert!(
            !text.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'),
            "{words}: {text:?}"
        );
    }
    assert_eq!(sandbox.run(["ls", "--json"]).ok().results()[0]["path"], odd);
}
