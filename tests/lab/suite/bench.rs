//! What tests of the suite work with: drives and discs of the laboratory, hands that change discs,
//! and coldcut at work.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use coldcut_lab::control;
use sha2::{Digest, Sha256};

pub const SOCKET: &str = "/run/lab-burner";
const DISCS: &str = "/lab/discs";
/// A guest without KVM is slow; what takes longer than this does not come any more.
const PATIENCE: Duration = Duration::from_secs(180);

/// The drives, which all tests share; a test has them for itself.
pub struct Lab {
    pub one: PathBuf,
    pub two: PathBuf,
    /// A fresh directory for this test.
    pub dir: tempfile::TempDir,
    began: Instant,
    _turn: MutexGuard<'static, ()>,
}

/// Says how long the test took, behind its name: what tests print is kept from the terminal.
impl Drop for Lab {
    fn drop(&mut self) {
        let _ = write!(std::io::stdout(), "{} s ... ", self.began.elapsed().as_secs());
    }
}

/// Starts the drives' program once; gives the nodes, which a drive may change.
fn nodes() -> (PathBuf, PathBuf) {
    static SERVED: OnceLock<()> = OnceLock::new();
    SERVED.get_or_init(|| {
        fs::create_dir_all(DISCS).unwrap();
        // One that a killed suite left would be taken for ours.
        let _ = fs::remove_file(SOCKET);
        let mut serve = Command::new("lab-burner");
        serve.args(["serve", SOCKET, DISCS]).env("LAB_DIR", "/lab");
        serve.stdin(Stdio::null()).spawn().unwrap();
        until("the drives' socket", || Path::new(SOCKET).exists());
    });
    let add = |name: &str| {
        control::ask(Path::new(SOCKET), &format!("drive add {name}"))
            .unwrap_or_else(|e| panic!("{e}"))
    };
    (add("one").into(), add("two").into())
}

/// Whether the long forms of the tests are run: `scripts/lab.sh --long`.
pub fn is_long() -> bool {
    std::env::var("LAB_LONG").is_ok_and(|word| word == "yes")
}

/// Lines with these words.
pub fn count(lines: &[String], words: &str) -> usize {
    lines.iter().filter(|line| line.contains(words)).count()
}

/// Waits for something that must come.
pub fn until(what: &str, mut come: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !come() {
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(50));
    }
}

impl Lab {
    /// Two drives, empty and closed, without faults.
    pub fn new() -> Lab {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (one, two) = nodes();
        let dir = tempfile::Builder::new().prefix("test").tempdir_in("/lab").unwrap();
        let lab = Lab { one, two, dir, began: Instant::now(), _turn: turn };
        lab.ctl("reset one");
        lab.ctl("reset two");
        lab.udev_settles();
        lab
    }

    /// A command to the drives, as in docs/lab.md.
    #[track_caller]
    pub fn ctl(&self, command: &str) -> String {
        match control::ask(Path::new(SOCKET), command) {
            Ok(answer) => answer,
            Err(words) => panic!("{words}"),
        }
    }

    pub fn try_ctl(&self, command: &str) -> Result<String, String> {
        control::ask(Path::new(SOCKET), command)
    }

    /// Blank discs of this many sectors.
    pub fn blanks(&self, kind: &str, sectors: u32, ids: &[&str]) {
        for id in ids {
            self.ctl(&format!("disc new {id} {kind} {sectors}"));
        }
    }

    /// Hands put a disc into a drive. What is in it stays locked in by udev when a program has read
    /// it: then they press the button first, and udev opens the tray.
    #[track_caller]
    pub fn insert(&self, drive: &str, disc: &str) {
        let put = format!("insert {drive} {disc}");
        match self.try_ctl(&put) {
            Ok(_) => {}
            Err(words) if words.contains("locked") => {
                self.opens(drive);
                self.ctl(&put);
            }
            Err(words) => panic!("{words}"),
        }
    }

    /// Hands press the button, which udev has locked where a disc is in.
    pub fn opens(&self, drive: &str) {
        self.ctl(&format!("button {drive}"));
        until("the open tray", || self.ctl(&format!("state {drive}")).starts_with("open"));
    }

    pub fn udev_settles(&self) {
        // The kernel asks drives for news every two seconds.
        thread::sleep(Duration::from_millis(2500));
        tool(&["udevadm", "settle", "--timeout=60"]);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory of files of this many bytes, which do not compress.
    pub fn source(&self, files: usize, bytes: usize) -> PathBuf {
        let source = self.path("source");
        fs::create_dir_all(&source).unwrap();
        for i in 0..files {
            fs::write(source.join(format!("file{i}")), noise(i as u64 + 1, bytes)).unwrap();
        }
        source
    }

    /// Starts coldcut with a catalog and a staging area of this test's own.
    pub fn start<S: AsRef<std::ffi::OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
    ) -> RunningProgram {
        let mut command = Command::new("coldcut");
        command.args(words).current_dir(self.dir.path());
        command.env("COLDCUT_CATALOG", self.path("catalog.sqlite"));
        command.env("COLDCUT_STAGING", self.path("staging"));
        RunningProgram::new(command)
    }

    pub fn run<S: AsRef<std::ffi::OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
    ) -> FinishedProgram {
        self.start(words).ends()
    }

    /// `backup` of the source, in archives small enough for discs of 8 MB.
    pub fn backup(&self, drive: &Path, more: &[&str]) -> RunningProgram {
        let source = self.path("source");
        let mut words = vec!["backup", source.to_str().unwrap(), drive.to_str().unwrap()];
        words.extend(["--disc-size", "8M", "--archive-size", "1M", "--compress", "none"]);
        words.push("--flush");
        if !more.contains(&"--wait") {
            words.extend(["--wait", "120s"]);
        }
        words.extend(more);
        self.start(words)
    }

    /// coldcut of a member of the group cdrom who is nobody else, with a catalog of its own.
    pub fn as_nobody(&self, words: &[&str]) -> RunningProgram {
        let home = self.path("nobody");
        fs::create_dir_all(&home).unwrap();
        tool(&["chown", "nobody", home.to_str().unwrap()]);
        tool(&["chmod", "-R", "a+rX", self.dir.path().to_str().unwrap()]);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--groups=cdrom"]);
        command.args(["--bounding-set=-all", "coldcut"]).args(words);
        command.current_dir(self.dir.path()).env("HOME", home);
        RunningProgram::new(command)
    }

    /// What a drive was sent so far, after the first so many: `1b 00 00 00 02 00 … <0 >0`.
    pub fn commands(&self, drive: &str, behind: usize) -> Vec<String> {
        let log = fs::read_to_string(format!("/lab/{drive}.log")).unwrap();
        log.lines().skip(behind).map(str::to_owned).collect()
    }

    /// State, copies and the rest of each disc, as `discs --json` tells.
    pub fn discs(&self) -> Vec<serde_json::Value> {
        let done = self.run(["discs", "--json"]).code(0);
        done.lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[track_caller]
    pub fn states(&self, wanted: &[&str]) {
        let discs = self.discs();
        let states: Vec<&str> = discs.iter().filter_map(|disc| disc["state"].as_str()).collect();
        assert_eq!(states, wanted, "{discs:?}");
    }

    /// A volume of somebody else's, as an image.
    pub fn foreign(&self) -> String {
        fs::create_dir_all(self.path("theirs")).unwrap();
        fs::write(self.path("theirs/letter"), noise(9, 300_000)).unwrap();
        let (image, theirs) = (self.path("theirs.iso"), self.path("theirs"));
        let out = format!("stdio:{}", image.display());
        let words = ["xorriso", "-no_rc", "-outdev", &out, "-volid", "THEIRS", "-map"];
        tool(&[&words[..], &[theirs.to_str().unwrap(), "/"]].concat()).code(0);
        image.to_str().unwrap().to_owned()
    }

    /// What lies below a directory: names and digests.
    pub fn tree(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let dir = self.path(name);
        let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let digest = |path: PathBuf| Sha256::digest(fs::read(path).unwrap()).to_vec();
        entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), digest(entry.path())))
            .collect()
    }

    #[track_caller]
    pub fn same_trees(&self, one: &str, other: &str) {
        assert_eq!(self.tree(one), self.tree(other));
    }
}

/// `/sys/block/sr0`.
pub fn sys_of(node: &str) -> PathBuf {
    Path::new("/sys/block").join(Path::new(node).file_name().unwrap())
}

/// A plain xorriso in the middle of a burn that takes most of a minute, as anybody may run it. The
/// drive says of its capacity what some say while they burn.
pub fn somebody_burns(lab: &Lab, disc: &str, bytes: usize) -> RunningProgram {
    lab.ctl("fault one grows on");
    lab.ctl("rate one write 80000");
    lab.insert("one", disc);
    lab.udev_settles();
    fs::create_dir_all(lab.path("theirs")).unwrap();
    fs::write(lab.path("theirs/film"), noise(7, bytes)).unwrap();
    let mut burn = Command::new("xorriso");
    burn.args(["-no_rc", "-outdev"]).arg(format!("mmc:{}", lab.one.display()));
    burn.args(["-volid", "THEIRS", "-map"]).arg(lab.path("theirs")).args(["/", "-close", "on"]);
    let run = RunningProgram::new(burn);
    until("the first sectors", || lab.ctl(&format!("disc state {disc}")).starts_with("open"));
    run
}

/// Bytes that look like noise and are the same each time.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// A program at work, and what it said so far.
pub struct RunningProgram {
    pub child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Lines before this one were waited for already.
    seen: usize,
    readers: Vec<thread::JoinHandle<()>>,
}

/// A program that ended.
pub struct FinishedProgram {
    pub code: Option<i32>,
    pub lines: Vec<String>,
}

impl RunningProgram {
    pub fn new(mut command: Command) -> RunningProgram {
        println!("$ {command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
        let err: Box<dyn Read + Send> = Box::new(child.stderr.take().unwrap());
        let readers = [out, err].map(|stream| {
            let lines = lines.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    println!("  | {line}");
                    lines.lock().unwrap().push(line);
                }
            })
        });
        RunningProgram { child, lines, seen: 0, readers: readers.into() }
    }

    pub fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line with these words, after those that were waited for before.
    #[track_caller]
    pub fn says(&mut self, words: &str) -> &mut RunningProgram {
        let end = Instant::now() + PATIENCE;
        loop {
            let lines = self.said();
            let behind = lines.iter().enumerate().skip(self.seen);
            if let Some((at, _)) = behind.into_iter().find(|(_, line)| line.contains(words)) {
                self.seen = at + 1;
                return self;
            }
            let ended = self.has_ended();
            assert!(
                !ended && Instant::now() < end,
                "it never said {words:?}:\n{}",
                lines.join("\n")
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn has_ended(&self) -> bool {
        self.readers.iter().all(thread::JoinHandle::is_finished)
    }

    pub fn signal(&self, signal: &str) {
        tool(&["kill", signal, &self.child.id().to_string()]);
    }

    /// Waits for its end; the readers may outlive it where a burner does.
    pub fn ends(self) -> FinishedProgram {
        self.ends_within(PATIENCE + PATIENCE)
    }

    #[track_caller]
    pub fn ends_within(mut self, patience: Duration) -> FinishedProgram {
        let end = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.said().join("\n"));
            thread::sleep(Duration::from_millis(50));
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        let lines = self.lines.lock().unwrap().clone();
        FinishedProgram { code, lines }
    }
}

impl FinishedProgram {
    #[track_caller]
    pub fn code(self, wanted: i32) -> FinishedProgram {
        assert_eq!(self.code, Some(wanted), "{}", self.lines.join("\n"));
        self
    }

    #[track_caller]
    pub fn said(self, words: &str) -> FinishedProgram {
        assert!(self.has(words), "it did not say {words:?}:\n{}", self.lines.join("\n"));
        self
    }

    #[track_caller]
    pub fn never_said(self, words: &str) -> FinishedProgram {
        assert!(!self.has(words), "it said {words:?}:\n{}", self.lines.join("\n"));
        self
    }

    pub fn count(&self, words: &str) -> usize {
        count(&self.lines, words)
    }

    pub fn has(&self, words: &str) -> bool {
        self.lines.iter().any(|line| line.contains(words))
    }
}

/// Runs a tool of the system.
#[track_caller]
pub fn tool(words: &[&str]) -> FinishedProgram {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    RunningProgram::new(command).ends()
}
