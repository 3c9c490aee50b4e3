//! When a set is encrypted and when it is not: every way to name a passphrase, every way to say yes
//! or no, new sets and old ones. What was burned is looked at, byte by byte.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use support::{Run, Sandbox};

const SECRET: &str = "quittenmus";

/// How a passphrase is named.
#[derive(Clone, Copy, Debug, PartialEq)]
enum KeyInput {
    Nowhere,
    File,
    Command,
    Config,
    Variable,
    EmptyVariable,
    EmptyVariableAndConfig,
}

/// Where the program takes it from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum KeyOrigin {
    No,
    Typed,
    Standing,
}

const SOURCES: [KeyInput; 7] = [
    KeyInput::Nowhere,
    KeyInput::File,
    KeyInput::Command,
    KeyInput::Config,
    KeyInput::Variable,
    KeyInput::EmptyVariable,
    KeyInput::EmptyVariableAndConfig,
];

impl KeyInput {
    fn named(self) -> KeyOrigin {
        match self {
            KeyInput::Nowhere | KeyInput::EmptyVariable => KeyOrigin::No,
            KeyInput::File | KeyInput::Command => KeyOrigin::Typed,
            KeyInput::Config | KeyInput::Variable | KeyInput::EmptyVariableAndConfig => {
                KeyOrigin::Standing
            }
        }
    }
}

/// What is said beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum EncryptArg {
    Nothing,
    Encrypt,
    NoEncrypt,
    ConfigTrue,
    ConfigFalse,
    Recipient,
    ConfigRecipient,
    /// `--no-encrypt` typed against a configuration that wants it encrypted.
    NoEncryptAgainstConfig,
    /// `--recipient` typed against `encrypt = false`.
    RecipientAgainstConfig,
}

const WISHES: [EncryptArg; 9] = [
    EncryptArg::Nothing,
    EncryptArg::Encrypt,
    EncryptArg::NoEncrypt,
    EncryptArg::ConfigTrue,
    EncryptArg::ConfigFalse,
    EncryptArg::Recipient,
    EncryptArg::ConfigRecipient,
    EncryptArg::NoEncryptAgainstConfig,
    EncryptArg::RecipientAgainstConfig,
];

/// What must come of it: the set's encryption, or exit 1.
type ExpectedOutcome = Option<&'static str>;

fn of_new_set(named: KeyOrigin, wish: EncryptArg) -> ExpectedOutcome {
    match (wish, named) {
        (
            EncryptArg::NoEncrypt | EncryptArg::NoEncryptAgainstConfig | EncryptArg::ConfigFalse,
            _,
        ) => Some("none"),
        (
            EncryptArg::Recipient
            | EncryptArg::ConfigRecipient
            | EncryptArg::RecipientAgainstConfig,
            _,
        ) => Some("recipients"),
        // Nobody is there to ask.
        (EncryptArg::Encrypt | EncryptArg::ConfigTrue, KeyOrigin::No) => None,
        (EncryptArg::Nothing, KeyOrigin::No) => Some("none"),
        (EncryptArg::Nothing | EncryptArg::Encrypt | EncryptArg::ConfigTrue, _) => {
            Some("passphrase")
        }
    }
}

fn of_plain_set(named: KeyOrigin, wish: EncryptArg) -> ExpectedOutcome {
    match (named, wish) {
        (KeyOrigin::Typed, _) => None,
        (
            _,
            EncryptArg::Nothing
            | EncryptArg::NoEncrypt
            | EncryptArg::ConfigFalse
            | EncryptArg::NoEncryptAgainstConfig,
        ) => Some("none"),
        // What is wanted encrypted is not added to a set that is not.
        _ => None,
    }
}

fn of_encrypted_set(named: KeyOrigin, wish: EncryptArg) -> ExpectedOutcome {
    let typed_against = [
        EncryptArg::NoEncrypt,
        EncryptArg::NoEncryptAgainstConfig,
        EncryptArg::Recipient,
        EncryptArg::RecipientAgainstConfig,
    ];
    match named == KeyOrigin::No || typed_against.contains(&wish) {
        true => None,
        false => Some("passphrase"),
    }
}

/// A sandbox in which runs are made with all that may be said of keys.
struct EncryptionBench(Sandbox);

impl EncryptionBench {
    fn new() -> EncryptionBench {
        let sandbox = Sandbox::with_recipient();
        sandbox.passphrase_file(SECRET.as_bytes());
        EncryptionBench(sandbox)
    }

    fn config(&self, source: KeyInput, wish: EncryptArg) -> PathBuf {
        let (path, mut lines) = (self.0.path("coldcut.toml"), String::new());
        let file = |name: &str| self.0.path(name).display().to_string();
        if matches!(source, KeyInput::Config | KeyInput::EmptyVariableAndConfig) {
            lines += &format!("passphrase-file = {:?}\n", file("passphrase"));
        }
        match wish {
            EncryptArg::ConfigTrue => lines += "encrypt = true\n",
            EncryptArg::ConfigFalse | EncryptArg::RecipientAgainstConfig => {
                lines += "encrypt = false\n"
            }
            EncryptArg::ConfigRecipient => {
                lines += &format!("recipient = {:?}\n", file("cert.asc"))
            }
            EncryptArg::NoEncryptAgainstConfig => {
                lines += &format!("recipient = [{:?}]\n", file("cert.asc"));
            }
            _ => {}
        }
        fs::write(&path, lines).unwrap();
        path
    }

    fn run(&self, words: &str, source: KeyInput, wish: EncryptArg) -> Run {
        let config = self.config(source, wish);
        let mut line = format!("COLDCUT_CONFIG='{}' ", config.display());
        match source {
            KeyInput::Variable => line += &format!("COLDCUT_PASSPHRASE={SECRET} "),
            KeyInput::EmptyVariable | KeyInput::EmptyVariableAndConfig => {
                line += "COLDCUT_PASSPHRASE= "
            }
            _ => {}
        }
        line += &format!("'{}' {words} ", env!("CARGO_BIN_EXE_coldcut"));
        line += match source {
            KeyInput::File => "--passphrase-file passphrase ",
            KeyInput::Command => "--passphrase-command 'cat passphrase' ",
            _ => "",
        };
        line += match wish {
            EncryptArg::Encrypt => "--encrypt",
            EncryptArg::NoEncrypt | EncryptArg::NoEncryptAgainstConfig => "--no-encrypt",
            EncryptArg::Recipient | EncryptArg::RecipientAgainstConfig => "--recipient cert.asc",
            _ => "",
        };
        self.0.bash(&line)
    }

    fn backup(&self, name: &str, source: KeyInput, wish: EncryptArg) -> Run {
        let words = format!(
            "backup 'src-{name}' shelf --name {name} --disc-size 3M --compress none --no-drill"
        );
        self.run(&words, source, wish)
    }

    /// Something new in the source of the set, with words that a plain disc shows.
    fn add(&self, name: &str, what: &str) -> String {
        let dir = self.0.path(&format!("src-{name}"));
        fs::create_dir_all(&dir).unwrap();
        let marker = format!("dies steht in {what} von {name}");
        fs::write(dir.join(what), marker.repeat(50)).unwrap();
        marker
    }

    fn images(&self) -> BTreeSet<PathBuf> {
        self.0.images().into_iter().collect()
    }

    fn encryption_of(&self, name: &str) -> String {
        let run = self.0.run(["status", "--json", "--name", name]);
        let of_set = |row: &serde_json::Value| row["id"] == name;
        let row =
            run.objects().into_iter().find(of_set).unwrap_or_else(|| panic!("{}", run.story()));
        row["encryption"].as_str().unwrap().to_owned()
    }

    /// One run, compared with what must come of it.
    fn judge(
        &self,
        name: &str,
        what: &str,
        source: KeyInput,
        wish: EncryptArg,
        wanted: ExpectedOutcome,
    ) {
        let case = format!("{what} of {name}: {source:?}, {wish:?}");
        let marker = self.add(name, what);
        let before = self.images();
        let run = self.backup(name, source, wish);
        let code = if wanted.is_some() { 0 } else { 1 };
        assert_eq!(run.output.status.code(), Some(code), "{case}\n{}", run.story());
        let fresh: Vec<PathBuf> = self.images().difference(&before).cloned().collect();
        match wanted {
            None => assert!(fresh.is_empty(), "{case}: {fresh:?}"),
            Some(encryption) => {
                let shows = |path: &PathBuf| {
                    let bytes = fs::read(path).unwrap();
                    bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
                };
                assert!(!fresh.is_empty(), "{case}: nothing was burned");
                assert_eq!(fresh.iter().any(shows), encryption == "none", "{case}");
                assert_eq!(self.encryption_of(name), encryption, "{case}");
            }
        }
    }
}

#[test]
fn a_new_set_is_encrypted_if_a_passphrase_is_named_unless_somebody_says_otherwise() {
    let bench = EncryptionBench::new();
    for (s, source) in SOURCES.into_iter().enumerate() {
        for (w, wish) in WISHES.into_iter().enumerate() {
            // Names that differ in digits only are no slips of the finger.
            let name = format!("papers{s}{w}");
            bench.judge(&name, "letter", source, wish, of_new_set(source.named(), wish));
        }
    }
}

#[test]
fn a_plain_set_stays_plain_and_a_passphrase_typed_for_it_is_refused() {
    let bench = EncryptionBench::new();
    bench.add("plain", "first");
    bench.backup("plain", KeyInput::Nowhere, EncryptArg::Nothing).ok();
    for (s, source) in SOURCES.into_iter().enumerate() {
        for (w, wish) in WISHES.into_iter().enumerate() {
            let wanted = of_plain_set(source.named(), wish);
            bench.judge("plain", &format!("letter{s}{w}"), source, wish, wanted);
        }
    }
}

#[test]
fn an_encrypted_set_stays_encrypted_whatever_is_said() {
    let bench = EncryptionBench::new();
    bench.add("closed", "first");
    bench.backup("closed", KeyInput::File, EncryptArg::Nothing).ok();
    for (s, source) in SOURCES.into_iter().enumerate() {
        for (w, wish) in WISHES.into_iter().enumerate() {
            let wanted = of_encrypted_set(source.named(), wish);
            bench.judge("closed", &format!("letter{s}{w}"), source, wish, wanted);
        }
    }
}

/// Whether the run says, once, that the passphrase is not used.
fn passes_over(run: &Run) -> bool {
    match run.stderr().matches("is not used").count() {
        0 => false,
        1 => true,
        more => panic!("said {more} times\n{}", run.story()),
    }
}

#[test]
fn what_makes_discs_of_a_plain_set_refuses_a_typed_passphrase_and_passes_over_any_other() {
    for verb in [
        "burn shelf",
        "flush",
        "migrate 1 --to shelf2 --disc-size 3M",
        "backup src-plain shelf --disc-size 3M",
    ] {
        for source in SOURCES {
            let bench = EncryptionBench::new();
            bench.add("plain", "first");
            let first = "backup src-plain shelf --name plain --disc-size 3M";
            bench.run(first, KeyInput::Nowhere, EncryptArg::Nothing).ok();
            bench.add("plain", "second");
            let staged = "backup src-plain --stage --name plain --disc-size 3M --min-fill 0";
            bench.run(staged, KeyInput::Nowhere, EncryptArg::Nothing).ok();
            let before = bench.images();
            let words = match verb.starts_with("backup") {
                true => format!("{verb} --name plain"),
                false => verb.to_owned(),
            };
            let run = bench.run(&words, source, EncryptArg::Nothing);
            match source.named() {
                KeyOrigin::Typed => {
                    run.code(1).says("set plain is not encrypted");
                    assert_eq!(bench.images(), before, "{verb}, {source:?}");
                    assert!(!bench.0.path("shelf2").exists(), "{verb}, {source:?}");
                }
                KeyOrigin::No => assert!(!passes_over(run.ok()), "{}", run.story()),
                KeyOrigin::Standing => assert!(passes_over(run.ok()), "{}", run.story()),
            }
        }
    }
}

fn handles_discs(verb: &str) -> bool {
    ["restore", "verify", "check", "drill"].iter().any(|name| verb.starts_with(name))
}

#[test]
fn what_reads_a_plain_set_says_in_a_line_that_the_passphrase_is_not_used() {
    let bench = EncryptionBench::new();
    bench.add("plain", "first");
    bench.backup("plain", KeyInput::Nowhere, EncryptArg::Nothing).ok();
    let verbs = [
        "restore shelf out",
        "verify shelf",
        "check shelf",
        "drill shelf",
        "drill",
        "ls",
        "find x",
        "snapshots",
        "discs",
        "status",
        "keysheet",
    ];
    for verb in verbs {
        let quietly = bench.run(verb, KeyInput::Nowhere, EncryptArg::Nothing);
        for source in SOURCES {
            let run = bench.run(verb, source, EncryptArg::Nothing);
            if source.named() == KeyOrigin::Typed && !handles_discs(verb) {
                run.code(2).says("does not take --passphrase");
                continue;
            }
            assert_eq!(run.output.status.code(), quietly.output.status.code(), "{}", run.story());
            assert_eq!(passes_over(&run), source.named() != KeyOrigin::No, "{}", run.story());
        }
    }
    // Without a catalog the discs themselves say that they are not encrypted.
    fs::remove_file(bench.0.catalog()).unwrap();
    for source in SOURCES {
        let run = bench.run("restore shelf out2", source, EncryptArg::Nothing);
        assert_eq!(passes_over(run.ok()), source.named() != KeyOrigin::No, "{}", run.story());
    }
}

#[test]
fn yes_and_no_at_once_are_a_bad_command_line() {
    let sandbox = Sandbox::new();
    for words in [
        "backup source shelf --encrypt --no-encrypt",
        "--encrypt backup source shelf --no-encrypt",
        "--no-encrypt backup source shelf --recipient cert.asc",
    ] {
        sandbox.run(words.split(' ')).code(2).says("--no-encrypt");
    }
}

#[test]
fn a_new_set_is_named_with_its_encryption_and_its_neighbours() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("papers")).unwrap();
    let first = sandbox.run(["backup", "source", "shelf", "--disc-size", "3M", "--name", "photos"]);
    first.ok().says("new set photos, not encrypted\n");
    let second = sandbox.run(["backup", "papers", "shelf", "--disc-size", "3M"]);
    second.ok();
    let line = second.stderr().lines().next().unwrap_or_default().to_owned();
    assert_eq!(line, "new set papers, not encrypted; also in this catalog: photos");
    let third = sandbox.run(["backup", "papers", "shelf", "--disc-size", "3M"]);
    assert!(!third.ok().stderr().contains("new set"), "{}", third.story());
}
