//! What was typed, resolved against the system: where files are, what a set is called, where a
//! passphrase comes from. Its failures are exit 1, unlike those of `args`.

mod dest;

pub use dest::{DestSyntaxError, check_dest};

use super::args::{Common, KeyArgs};
use crate::flow::base::keys::SettingOrigin;
use crate::model::SetName;
use crate::model::path::shown;
use crate::port::notice::KeyNotice;
use crate::port::operator::Operator;
use crate::port::passphrase::{Oddity, PassphraseOrigin, PassphraseRequest, Secret};
use crate::port::question::{Answer, Question};
use crate::port::shell::{self, ShellError};
use crate::port::stop::Stop;
use crate::port::trust::{is_readable_by_others, open_trusted};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("no place for the {what}: neither {variable} nor HOME is set; name one with {option}")]
    NoHome { what: &'static str, variable: &'static str, option: &'static str },
    #[error("cannot find the directory {}", shown(path.as_os_str().as_bytes()))]
    NoSource { path: PathBuf, source: io::Error },
    #[error("there is no directory {word} and no set {word}; configured sets: {configured}")]
    NoSuchSet { word: String, configured: String },
    #[error(transparent)]
    Dest(#[from] DestSyntaxError),
    #[error("no name for a set can be made from {}; name it with --set", shown(path.as_os_str().as_bytes()))]
    NoName { path: PathBuf },
    #[error("cannot read the passphrase file {}", shown(path.as_os_str().as_bytes()))]
    File { path: PathBuf, source: io::Error },
    #[error("no passphrase from {whence}: its first line is empty")]
    Empty { whence: String },
    #[error("no passphrase from {whence}: its first line is longer than {LONGEST} bytes")]
    TooLong { whence: String },
    #[error("no passphrase from {whence}: its first line holds a NUL byte, where gpg would stop")]
    Nul { whence: String },
    #[error(
        "the passphrase from {whence} {what}; correct it, or accept it as it is with \
         --odd-passphrase"
    )]
    Odd { whence: String, what: Oddity },
    #[error("no passphrase from the command of --passphrase-command")]
    Command(#[from] ShellError),
    #[error(
        "a passphrase is needed and nobody is there to ask: use --passphrase-file, \
         --passphrase-command or the variable {PASSPHRASE}"
    )]
    NobodyThere,
}

/// Two of these paths that lead to one place, whatever they are called.
pub fn same_place(paths: &[PathBuf]) -> Option<(&Path, &Path)> {
    let place = |path: &Path| {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let found = std::fs::metadata(path).ok()?;
        let is_device = found.file_type().is_block_device() || found.file_type().is_char_device();
        // A drive has one number, and may have several nodes.
        Some(if is_device { (true, found.rdev(), 0) } else { (false, found.dev(), found.ino()) })
    };
    let same = |one: &Path, other: &Path| {
        one == other || place(one).is_some_and(|one| Some(one) == place(other))
    };
    paths.iter().enumerate().find_map(|(at, other)| {
        let one = paths[..at].iter().find(|one| same(one, other))?;
        Some((one.as_path(), other.as_path()))
    })
}

pub const CATALOG: &str = "COLDCUT_CATALOG";
pub const STAGING: &str = "COLDCUT_STAGING";
pub use crate::port::command::PASSPHRASE;

/// GnuPG reads a passphrase's line into 255 bytes where it is cached; no honest line is longer
/// than this, and a device without an end must not fill the memory.
const LONGEST: usize = 64 << 10;
/// As gpg, restic and cryptsetup do.
const TRIES: u32 = 3;

/// What the environment says, read once. The passphrase stays in the environment, because taking
/// it out is unsound once threads run: `port` must start programs without it, as [`shell`] does.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub home: Option<PathBuf>,
    pub data_home: Option<PathBuf>,
    pub state_home: Option<PathBuf>,
    pub catalog: Option<PathBuf>,
    pub staging: Option<PathBuf>,
    pub passphrase: Option<Secret>,
    /// systemd runs us as a service (systemd.exec(5), INVOCATION_ID and JOURNAL_STREAM; a terminal
    /// inherits the first from its own scope, but not the second).
    pub is_service: bool,
}

impl Surroundings {
    pub fn read() -> Surroundings {
        Surroundings::from_vars(|name| std::env::var_os(name))
    }

    /// An empty variable counts as unset; so does a relative XDG one (XDG Base Directory 0.8).
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Surroundings {
        let full = |name: &str| var(name).filter(|value| !value.is_empty());
        let path = |name: &str| full(name).map(PathBuf::from);
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        Surroundings {
            home: absolute("HOME"),
            data_home: absolute("XDG_DATA_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
            catalog: path(CATALOG),
            staging: path(STAGING),
            is_service: full("INVOCATION_ID").is_some() && full("JOURNAL_STREAM").is_some(),
            passphrase: full(PASSPHRASE).map(|value| Secret::new(value.into_vec())),
        }
    }

    /// The catalog's file: `--catalog`, COLDCUT_CATALOG, or coldcut/catalog.sqlite among data.
    pub fn catalog(&self, common: &Common) -> Result<PathBuf, ResolveError> {
        let chosen = common.catalog.clone().or_else(|| self.catalog.clone());
        let default = || Some(self.data()?.join("coldcut/catalog.sqlite"));
        chosen.or_else(default).ok_or(ResolveError::NoHome {
            what: "catalog",
            variable: CATALOG,
            option: "--catalog",
        })
    }

    /// The staging area: `--staging`, COLDCUT_STAGING, or coldcut/staging among state.
    pub fn staging(&self, common: &Common) -> Result<PathBuf, ResolveError> {
        let chosen = common.staging.clone().or_else(|| self.staging.clone());
        let default = || Some(self.state()?.join("coldcut/staging"));
        chosen.or_else(default).ok_or(ResolveError::NoHome {
            what: "staging area",
            variable: STAGING,
            option: "--staging",
        })
    }

    fn data(&self) -> Option<PathBuf> {
        self.data_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/share")))
    }

    fn state(&self) -> Option<PathBuf> {
        self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")))
    }
}

/// The source as an absolute path without symbolic links: one directory, one spelling.
pub fn source(path: &Path) -> Result<PathBuf, ResolveError> {
    path.canonicalize().map_err(|source| ResolveError::NoSource { path: path.to_owned(), source })
}

/// What a new set over this source is called, if nobody names it.
pub fn default_name(canonical_source: &Path) -> Result<SetName, ResolveError> {
    canonical_source
        .file_name()
        .and_then(|name| SetName::from_dir_name(name.as_bytes()))
        .ok_or_else(|| ResolveError::NoName { path: canonical_source.to_owned() })
}

/// Where a passphrase comes from.
#[derive(Clone, Debug)]
pub enum PassphraseSource {
    File(PathBuf),
    Command(OsString),
    Env(Secret),
    Ask,
}

impl PassphraseSource {
    /// The command line goes before the environment, and both before a question.
    pub fn choose(keys: &KeyArgs, surroundings: &Surroundings) -> PassphraseSource {
        if let Some(path) = &keys.passphrase_file {
            PassphraseSource::File(path.clone())
        } else if let Some(command) = &keys.passphrase_command {
            PassphraseSource::Command(command.clone())
        } else if let Some(secret) = &surroundings.passphrase {
            PassphraseSource::Env(secret.clone())
        } else {
            PassphraseSource::Ask
        }
    }

    /// Where this source was named; `None` if nobody named one.
    pub fn named(&self, keys: &KeyArgs) -> Option<SettingOrigin> {
        match self {
            PassphraseSource::Ask => None,
            PassphraseSource::Env(_) => Some(SettingOrigin::Environment),
            PassphraseSource::File(_) | PassphraseSource::Command(_) => match keys.typed.passphrase
            {
                true => Some(SettingOrigin::Typed),
                false => Some(SettingOrigin::Configuration),
            },
        }
    }

    /// A passphrase that others can read is theirs, too.
    pub fn warning(&self) -> Option<KeyNotice> {
        let PassphraseSource::File(file) = self else { return None };
        is_readable_by_others(file).then(|| KeyNotice::PassphraseFileOpen { file: file.clone() })
    }

    /// How often it is worth to ask for a known one.
    pub fn tries(&self) -> u32 {
        match self {
            PassphraseSource::Ask => TRIES,
            _ => 1,
        }
    }

    /// The passphrase. Whoever mistypes a new one loses all that it closes: it is typed twice, and
    /// one that nobody types again from paper is taken only if a person, or `odd`, agrees.
    pub fn read(
        &self,
        operator: &dyn Operator,
        request: PassphraseRequest,
        odd: bool,
        stop: &Stop,
    ) -> Result<Secret, ResolveError> {
        let is_new = request.is_new();
        let secret = self.read_as_it_is(operator, request, stop)?;
        match oddity(secret.bytes()) {
            Some(oddity) if is_new && !odd => {
                let question = Question::OddPassphrase { origin: self.origin(), oddity };
                match operator.ask(question) {
                    Answer::Yes => Ok(secret),
                    _ => Err(ResolveError::Odd { whence: self.whence(), what: oddity }),
                }
            }
            _ => Ok(secret),
        }
    }

    fn origin(&self) -> PassphraseOrigin {
        match self {
            PassphraseSource::File(path) => PassphraseOrigin::File { file: path.clone() },
            PassphraseSource::Command(_) => PassphraseOrigin::Command,
            PassphraseSource::Env(_) => PassphraseOrigin::Variable { name: PASSPHRASE },
            PassphraseSource::Ask => PassphraseOrigin::Terminal,
        }
    }

    fn whence(&self) -> String {
        match self {
            PassphraseSource::File(path) => shown(path.as_os_str().as_bytes()).to_string(),
            PassphraseSource::Command(_) => "the command of --passphrase-command".to_owned(),
            PassphraseSource::Env(_) => format!("the variable {PASSPHRASE}"),
            PassphraseSource::Ask => "the terminal".to_owned(),
        }
    }

    fn read_as_it_is(
        &self,
        operator: &dyn Operator,
        request: PassphraseRequest,
        stop: &Stop,
    ) -> Result<Secret, ResolveError> {
        match self {
            PassphraseSource::File(path) => from_file(path),
            PassphraseSource::Command(line) => from_command(line, operator, stop),
            PassphraseSource::Env(secret) => {
                first_line(secret.bytes(), || format!("the variable {PASSPHRASE}"))
            }
            PassphraseSource::Ask => operator.passphrase(request).ok_or(ResolveError::NobodyThere),
        }
    }
}

/// What is wrong with a passphrase that is to be typed from paper some day.
fn oddity(bytes: &[u8]) -> Option<Oddity> {
    const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    let is_blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    if MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        Some(Oddity::ByteOrderMark)
    } else if bytes.ends_with(b"\r") {
        Some(Oddity::CarriageReturn)
    } else if is_blank(bytes.first()) || is_blank(bytes.last()) {
        Some(Oddity::Blank)
    } else if bytes.iter().any(u8::is_ascii_control) {
        Some(Oddity::ControlCharacter)
    } else {
        None
    }
}

fn from_file(path: &Path) -> Result<Secret, ResolveError> {
    let failed = |source| ResolveError::File { path: path.to_owned(), source };
    let file = open_trusted(path).map_err(failed)?;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let limit = LONGEST as u64 + 1;
    BufReader::new(file).take(limit).read_until(b'\n', &mut line).map_err(failed)?;
    first_line(&line, || shown(path.as_os_str().as_bytes()))
}

fn from_command(
    line: &OsStr,
    operator: &dyn Operator,
    stop: &Stop,
) -> Result<Secret, ResolveError> {
    let complain = &mut |line: &[u8]| operator.relay(line);
    let output = Zeroizing::new(shell::run_shell_line(line, &[PASSPHRASE], stop, complain)?);
    first_line(&output, || "the command of --passphrase-command".to_owned())
}

/// All bytes before the first newline, as `gpg --passphrase-file` takes them: a carriage return
/// or a blank at the end belongs to the passphrase.
fn first_line(bytes: &[u8], whence: impl Fn() -> String) -> Result<Secret, ResolveError> {
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    if line.contains(&0) {
        return Err(ResolveError::Nul { whence: whence() });
    }
    match line.len() {
        0 => Err(ResolveError::Empty { whence: whence() }),
        1..=LONGEST => Ok(Secret::new(line.to_vec())),
        _ => Err(ResolveError::TooLong { whence: whence() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::fake_operator::FakeOperator;
    use crate::port::operator::Nobody;
    use crate::port::passphrase::PassphraseOf;

    fn new_set() -> PassphraseRequest {
        let set = SetName::new("films").unwrap();
        PassphraseRequest::first(PassphraseOf::NewSet { set })
    }

    fn known() -> PassphraseRequest {
        let (set, hint) = (SetName::new("films").unwrap(), None);
        PassphraseRequest::first(PassphraseOf::Set { set, hint })
    }

    fn surroundings(vars: &[(&str, &str)]) -> Surroundings {
        Surroundings::from_vars(|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn places_come_from_the_option_then_the_variable_then_xdg_then_home() {
        let mut common = Common::default();
        let home = ("HOME", "/h");
        let catalog = |common: &Common, vars: &[(&str, &str)]| {
            surroundings(vars).catalog(common).unwrap().display().to_string()
        };
        assert_eq!(catalog(&common, &[home]), "/h/.local/share/coldcut/catalog.sqlite");
        let data = ("XDG_DATA_HOME", "/d");
        assert_eq!(catalog(&common, &[home, data]), "/d/coldcut/catalog.sqlite");
        let variable = (CATALOG, "rel.sqlite");
        assert_eq!(catalog(&common, &[home, data, variable]), "rel.sqlite");
        common.catalog = Some("/opt".into());
        assert_eq!(catalog(&common, &[home, data, variable]), "/opt");
        let state = surroundings(&[home, ("XDG_STATE_HOME", "/s")]);
        assert_eq!(state.staging(&common).unwrap(), Path::new("/s/coldcut/staging"));
        let state = surroundings(&[home]).staging(&common).unwrap();
        assert_eq!(state, Path::new("/h/.local/state/coldcut/staging"));
    }

    #[test]
    fn empty_variables_and_relative_homes_count_for_nothing() {
        let empty = surroundings(&[("HOME", ""), ("XDG_DATA_HOME", "rel"), (CATALOG, "")]);
        let error = empty.catalog(&Common::default()).unwrap_err().to_string();
        assert!(error.contains("--catalog"), "{error}");
        let error = empty.staging(&Common::default()).unwrap_err().to_string();
        assert!(error.contains("--staging"), "{error}");
        assert!(surroundings(&[(PASSPHRASE, "")]).passphrase.is_none());
    }

    #[test]
    fn a_set_is_named_after_the_directory_and_not_after_the_way_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("My Photos");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        let canonical = source(&dir.path().join("link/.")).unwrap();
        assert_eq!(default_name(&canonical).unwrap().as_str(), "My_Photos");
        assert!(default_name(Path::new("/")).unwrap_err().to_string().contains("--set"));
        let missing = source(&dir.path().join("no\x1b")).unwrap_err().to_string();
        assert!(missing.ends_with("no\\u{1b}"), "{missing}");
    }

    fn passphrase_of_file(content: &[u8]) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, content).unwrap();
        PassphraseSource::File(path)
            .read(&Nobody, known(), false, &Stop::new())
            .map(|secret| secret.bytes().to_vec())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_passphrase_file_gives_its_first_line_byte_for_byte() {
        for (content, secret) in [
            (&b"open sesame\n"[..], &b"open sesame"[..]),
            (b"no newline", b"no newline"),
            (b"  blanks \r\nmore\n", b"  blanks \r"),
            (b"\xff\x01\xfe\n", b"\xff\x01\xfe"),
        ] {
            assert_eq!(passphrase_of_file(content).unwrap(), secret);
        }
        for empty in [&b""[..], b"\n", b"\nsecond"] {
            assert!(passphrase_of_file(empty).unwrap_err().contains("empty"));
        }
        assert!(passphrase_of_file(b"a\0b\n").unwrap_err().contains("NUL"));
        assert_eq!(passphrase_of_file(&[b'x'; LONGEST]).unwrap().len(), LONGEST);
        assert!(passphrase_of_file(&[b'x'; LONGEST + 1]).unwrap_err().contains("longer"));
        let missing = PassphraseSource::File("/nonexistent/p".into());
        let error = missing.read(&Nobody, known(), false, &Stop::new()).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/p"), "{error}");
    }

    #[test]
    fn the_first_line_is_the_one_that_gpg_takes() {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, b" odd \r\nsecond\n").unwrap();
        let secret = PassphraseSource::File(path.clone())
            .read(&Nobody, known(), false, &Stop::new())
            .unwrap();
        let gpg = |passphrase: &Path, verb: &str, data: &[u8]| {
            std::fs::write(dir.path().join("in"), data).unwrap();
            let line = format!(
                "cd {0} && gpg --homedir {0} --batch -q --pinentry-mode loopback \
                 --passphrase-file {1} {verb} < in",
                dir.path().display(),
                passphrase.display()
            );
            shell::run_shell_line(OsStr::new(&line), &[], &Stop::new(), &mut |_| {}).unwrap()
        };
        let closed = gpg(&path, "-c", b"treasure");
        let exact = dir.path().join("exact");
        std::fs::write(&exact, secret.bytes()).unwrap();
        assert_eq!(gpg(&exact, "-d", &closed), b"treasure");
        let _ = shell::run_shell_line(
            OsStr::new(&format!("gpgconf --homedir {} --kill all", dir.path().display())),
            &[],
            &Stop::new(),
            &mut |_| {},
        );
    }

    #[test]
    fn a_command_gives_its_first_line_and_its_failure_is_told() {
        let read = |line: &str| {
            PassphraseSource::Command(line.into())
                .read(&Nobody, known(), false, &Stop::new())
                .map(|secret| secret.bytes().to_vec())
        };
        assert_eq!(read("printf 'a b\\nc'").unwrap(), b"a b");
        assert!(matches!(read("true"), Err(ResolveError::Empty { .. })));
        assert!(matches!(read("echo x; exit 3"), Err(ResolveError::Command(_))));
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_asking_comes_last() {
        let env = surroundings(&[(PASSPHRASE, "e")]);
        let mut keys = KeyArgs::default();
        let choose = |keys: &KeyArgs, env: &Surroundings| PassphraseSource::choose(keys, env);
        let nothing = Surroundings::default();
        assert!(matches!(choose(&keys, &nothing), PassphraseSource::Ask));
        let asked = PassphraseSource::Ask.read(&Nobody, new_set(), false, &Stop::new());
        assert!(matches!(asked, Err(ResolveError::NobodyThere)));
        let secret = choose(&keys, &env).read(&Nobody, known(), false, &Stop::new()).unwrap();
        assert_eq!(secret.bytes(), b"e");
        keys.passphrase_command = Some("c".into());
        assert!(matches!(choose(&keys, &env), PassphraseSource::Command(_)));
        keys.passphrase_command = None;
        keys.passphrase_file = Some("f".into());
        assert!(matches!(choose(&keys, &env), PassphraseSource::File(_)));
    }

    #[test]
    fn a_new_passphrase_that_nobody_can_type_is_taken_only_if_somebody_agrees() {
        let dir = tempfile::tempdir().unwrap();
        let read = |content: &[u8], says: Answer, of: &PassphraseRequest, odd| {
            let path = dir.path().join("p");
            std::fs::write(&path, content).unwrap();
            let person = FakeOperator::always(says);
            PassphraseSource::File(path).read(&person, of.clone(), odd, &Stop::new())
        };
        let odd: [&[u8]; 7] = [
            b"abc\r\n",
            b"abc \n",
            b" abc",
            b"abc\t",
            b"\xef\xbb\xbfabc\n",
            b"\xff\xfea",
            b"a\x1bb",
        ];
        for content in odd {
            for no in [Answer::No, Answer::NobodyThere] {
                let error = read(content, no, &new_set(), false).unwrap_err();
                assert!(matches!(error, ResolveError::Odd { .. }), "{content:?}: {error}");
            }
            read(content, Answer::Yes, &new_set(), false).unwrap();
            // Said beforehand; and a set that has it already is opened with it.
            read(content, Answer::No, &new_set(), true).unwrap();
            read(content, Answer::No, &known(), false).unwrap();
        }
        for plain in [&b"abc\n"[..], b"open sesame", "Öffne dich\n".as_bytes()] {
            read(plain, Answer::No, &new_set(), false).unwrap();
        }
    }
}
