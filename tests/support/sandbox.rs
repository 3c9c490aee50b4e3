//! A folder of its own for each test, and the program run in it as if the machine were new.

use super::trees::Random;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// `source`, `shelf`, `target` (not made yet), catalog, staging and home below one folder, which
/// is removed at the end unless the test failed.
pub struct Sandbox {
    dir: TempDir,
    environment: Vec<(OsString, OsString)>,
}

/// Signals that whoever started the tests ignores (nohup, a job in the background of a script) would be
/// ignored by every program under test, too.
fn hear_signals() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for which in [Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: the default action is no handler: no code of ours runs in a signal's context.
        unsafe { signal(which, SigHandler::SigDfl) }.unwrap();
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Sandbox {
    pub fn new() -> Sandbox {
        hear_signals();
        let dir = tempfile::Builder::new().prefix("coldcut-test.").tempdir().unwrap();
        let mut sandbox = Sandbox { dir, environment: Vec::new() };
        for name in ["source", "shelf", "home"] {
            std::fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox.set("PATH", std::env::var_os("PATH").unwrap_or_default());
        sandbox.set("HOME", sandbox.path("home"));
        sandbox.set("LC_ALL", "C.UTF-8");
        // This machine's own files are not what is tested.
        sandbox.set("COLDCUT_CONFIG", "/dev/null");
        sandbox.set("COLDCUT_CATALOG", sandbox.catalog());
        sandbox.set("COLDCUT_STAGING", sandbox.staging());
        sandbox
    }

    /// With so many files of 1 MB that do not compress; seven make three discs of 3 MB.
    pub fn with_films(count: u64) -> Sandbox {
        let sandbox = Sandbox::new();
        for n in 0..count {
            let bytes = Random::new(n).bytes(1_000_000);
            std::fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
        }
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn source(&self) -> PathBuf {
        self.path("source")
    }

    pub fn shelf(&self) -> PathBuf {
        self.path("shelf")
    }

    pub fn target(&self) -> PathBuf {
        self.path("target")
    }

    pub fn catalog(&self) -> PathBuf {
        self.path("catalog.sqlite")
    }

    pub fn staging(&self) -> PathBuf {
        self.path("staging")
    }

    /// A passphrase as a file.
    pub fn passphrase_file(&self, passphrase: &[u8]) -> PathBuf {
        let path = self.path("passphrase");
        std::fs::write(&path, [passphrase, b"\n"].concat()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Sets a variable for all runs from now on.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.environment.push((name.into(), value.as_ref().to_owned()));
    }

    /// An empty key ring of gpg, `ring`, that all runs use from now on.
    pub fn make_key_ring(&mut self) {
        let ring = self.path("ring");
        std::fs::create_dir(&ring).unwrap();
        std::fs::set_permissions(&ring, std::fs::Permissions::from_mode(0o700)).unwrap();
        self.set("GNUPGHOME", &ring);
    }

    /// With a key ring, a signer's `a.key` and its certificate `a.cert`, and a letter to back up.
    pub fn with_signer() -> Sandbox {
        let mut sandbox = Sandbox::new();
        sandbox.make_key_ring();
        sandbox
            .bash(
                "gpg --batch --quiet --passphrase '' --quick-gen-key 'A <a@example.org>' ed25519 sign never
                 gpg --batch --export a@example.org > a.cert
                 gpg --batch --export-secret-keys a@example.org > a.key",
            )
            .ok();
        std::fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
        sandbox
    }

    /// With a key ring, `cert.asc` and `secret.asc`, and a letter to back up.
    pub fn with_recipient() -> Sandbox {
        let mut sandbox = Sandbox::new();
        sandbox.make_key_ring();
        sandbox
            .bash(
                "gpg --batch --quiet --passphrase '' --quick-gen-key 'A <a@example.org>' default default never
                 gpg --batch --armor --export a@example.org > cert.asc
                 gpg --batch --armor --export-secret-keys a@example.org > secret.asc",
            )
            .ok();
        std::fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
        sandbox
    }

    /// The images on the shelf, by name.
    pub fn images(&self) -> Vec<PathBuf> {
        let mut images: Vec<PathBuf> = std::fs::read_dir(self.shelf())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "iso"))
            .collect();
        images.sort();
        images
    }

    /// Backs the source up onto discs of 3 MB on the shelf; with `--stage` they stay staged.
    pub fn backup(&self, set: &str, options: &[&str]) -> Run {
        let (source, shelf) = (text(&self.source()), text(&self.shelf()));
        let places = if options.contains(&"--stage") { vec![source] } else { vec![source, shelf] };
        let words = ["backup", "--disc-size", "3M", "--name", set];
        self.run(words.iter().chain(options).copied().chain(places.iter().map(String::as_str)))
    }

    /// Runs coldcut to its end, without a terminal.
    pub fn run<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Run {
        let mut command = self.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(words);
        self.finish(command)
    }

    /// Runs coldcut with programs of this PATH and two gigabytes of memory; after so many seconds it is
    /// killed, and so has no exit code.
    pub fn run_within(&self, seconds: u32, path: &OsStr, words: &[String]) -> Run {
        let mut command = self.command("/usr/bin/timeout");
        command.args([
            "--signal=KILL",
            &seconds.to_string(),
            "/usr/bin/prlimit",
            "--as=2000000000",
        ]);
        command.arg(env!("CARGO_BIN_EXE_coldcut")).args(words).env("PATH", path);
        self.finish(command)
    }

    /// Runs a line of bash in the sandbox's folder, for what is done by hand.
    pub fn bash(&self, line: &str) -> Run {
        let mut command = self.command("bash");
        command.args(["-euo", "pipefail", "-c", line]);
        self.finish(command)
    }

    /// What a line of bash makes of some bytes.
    pub fn piped(&self, line: &str, input: &[u8]) -> Vec<u8> {
        let mut command = self.command("bash");
        command.args(["-euo", "pipefail", "-c", line]);
        let mut file = tempfile::tempfile_in(self.dir.path()).unwrap();
        std::io::Write::write_all(&mut file, input).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let output = command.stdin(file).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A program with the sandbox's environment and nothing else of ours.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn finish(&self, command: Command) -> Run {
        let mut command = limited(&command);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Run::ended(&command, self.dir.path(), output)
    }
}

/// The same under a time limit that nothing of ours needs: what hangs is killed, and so has no exit
/// code.
fn limited(command: &Command) -> Command {
    const SECONDS: &str = "600";
    let mut limited = Command::new("/usr/bin/timeout");
    limited.args(["--signal=KILL", SECONDS]).arg(command.get_program()).args(command.get_args());
    limited.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

/// What a failed test was about must still be there to look at.
impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("kept: {}", self.dir.path().display());
        }
    }
}

/// One run, ended.
pub struct Run {
    line: String,
    dir: PathBuf,
    pub output: Output,
}

impl Run {
    /// A run that the test itself started, in this directory.
    pub fn ended(command: &Command, dir: &Path, output: Output) -> Run {
        Run { line: format!("{command:?}"), dir: dir.to_owned(), output }
    }

    #[track_caller]
    pub fn ok(&self) -> &Run {
        self.code(0)
    }

    #[track_caller]
    pub fn code(&self, expected: i32) -> &Run {
        let is = self.output.status.code();
        assert!(is == Some(expected), "exit {is:?} instead of {expected}\n{}", self.story());
        self
    }

    /// stderr holds this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Run {
        assert!(self.stderr().contains(text), "stderr does not say {text:?}\n{}", self.story());
        self
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The objects on stdout: every line must be one.
    #[track_caller]
    pub fn objects(&self) -> Vec<Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{}", self.story()))
        };
        self.stdout().lines().map(read).collect()
    }

    /// The objects on stdout that are results, not events.
    #[track_caller]
    pub fn results(&self) -> Vec<Value> {
        self.objects().into_iter().filter(|object| object.get("event").is_none()).collect()
    }

    /// Command, both streams and the folder.
    pub fn story(&self) -> String {
        let (status, dir) = (self.output.status, Path::display(&self.dir));
        let (stdout, stderr) = (self.stdout(), self.stderr());
        let line = &self.line;
        format!("$ {line}\n{status}, in {dir}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}
