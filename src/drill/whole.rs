//! Everything on some discs, restored by a restore.sh into a directory of its own. Nothing keeps the
//! script there: whoever calls knows that it is ours.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;

use crate::model::{Digest, DiscNo, RelPath};
use crate::port::command::{CommandError, Exit, Program};
use crate::port::fence::Fence;
use crate::port::files::digest;
use crate::port::operator::Secret;
use crate::port::stop::Stop;

use super::{DrillError, Fault};

/// How the script is run.
pub struct Whole<'a> {
    /// The restore.sh that does the work.
    pub script: &'a Path,
    /// The content of the discs, by number.
    pub discs: &'a [(DiscNo, PathBuf)],
    pub target: &'a Path,
    /// For a set with a passphrase. Recipients' discs open with gpg's key ring of this user.
    pub passphrase: Option<&'a Secret>,
    /// The discs may be anybody's: the script writes in this directory alone, and has an end.
    pub fence: Option<&'a Path>,
    pub stop: &'a Stop,
}

/// A file that must have come back.
pub struct Wanted {
    pub disc: DiscNo,
    pub path: RelPath,
    pub sha256: Digest,
}

/// Lets restore.sh work, in an empty environment. Why it could not, if so; that it names missing
/// discs is no failure.
pub fn whole(drill: &Whole) -> Result<Option<String>, DrillError> {
    let mut argv: Vec<std::ffi::OsString> =
        ["bash", "--noprofile", "--norc"].map(Into::into).into();
    argv.push(drill.script.into());
    if drill.passphrase.is_some() {
        argv.extend(["-p", "/dev/stdin"].map(Into::into));
    }
    argv.push(drill.target.into());
    argv.extend(drill.discs.iter().map(|(_, dir)| dir.into()));
    // Where gpg's key ring is; a passphrase needs none.
    let kept: &'static [&'static str] = match drill.passphrase {
        Some(_) => &["PATH"],
        None => &["PATH", "HOME", "GNUPGHOME"],
    };
    let mut program = Program::new("apt install bash", argv).only_env(kept).dies_with_us();
    if let Some(secret) = drill.passphrase {
        program = program.input(Secret::new([secret.bytes(), b"\n"].concat()));
    }
    if let Some(dir) = drill.fence {
        let fence = Fence::around(dir).map_err(DrillError::NoFence)?;
        program = program.behind(fence).killed_when_stopped().timeout(patience(drill.discs));
    }
    let mut words = Vec::new();
    let ended = program.run(drill.stop, &mut |_| (), &mut |line| {
        words.push(crate::model::path::shown(line));
        if words.len() > 5 {
            words.remove(0);
        }
    });
    let exit = match ended {
        Err(error @ CommandError::TimedOut { .. }) => return Ok(Some(error.to_string())),
        ended => ended?,
    };
    let worked = matches!(exit, Exit::Code(0 | 3));
    Ok((!worked).then(|| format!("restore.sh ended with {exit}: {}", words.join("; "))))
}

/// Ten minutes, and a second for each MiB of the discs: no machine is so slow.
fn patience(discs: &[(DiscNo, PathBuf)]) -> Duration {
    let files = discs.iter().flat_map(|(_, dir)| [dir.clone(), dir.join("archives")]);
    let entries = files.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    let bytes: u64 = entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
    Duration::from_secs(600 + (bytes >> 20))
}

/// A file that came back; what is none keeps nobody waiting.
fn open_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no file")),
    }
}

impl Wanted {
    /// What is wrong with the file in the sandbox.
    pub fn fault(&self, target: &Path) -> Option<Fault> {
        use std::os::unix::ffi::OsStrExt;
        let path = target.join(std::ffi::OsStr::from_bytes(self.path.as_bytes()));
        let what = match open_file(&path).and_then(digest) {
            Ok((_, found)) if found == self.sha256 => return None,
            Ok(_) => "came back with another content (sha256)".to_owned(),
            Err(error) => format!("did not come back: {error}"),
        };
        Some(Fault { path: self.path.to_string(), what })
    }
}
