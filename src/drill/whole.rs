//! Everything on some discs, restored by the script that is on them into a directory of its own. Nothing
//! keeps the script there: whoever calls knows that it is ours.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::model::{Digest, DiscNo, RelPath};
use crate::port::command::{Exit, Program};
use crate::port::files::digest;
use crate::port::operator::Secret;
use crate::port::stop::Stop;

use super::{DrillError, Fault};

/// How the script is run.
pub struct Whole<'a> {
    /// The content of the discs, by number; the script of the last one does the work.
    pub discs: &'a [(DiscNo, PathBuf)],
    pub target: &'a Path,
    /// For a set with a passphrase. Recipients' discs open with gpg's key ring of this user.
    pub passphrase: Option<&'a Secret>,
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
    let Some((_, last)) = drill.discs.last() else { return Ok(None) };
    let mut argv: Vec<std::ffi::OsString> =
        ["bash", "--noprofile", "--norc"].map(Into::into).into();
    argv.push(last.join("restore.sh").into());
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
    let mut words = Vec::new();
    let exit = program.run(drill.stop, &mut |_| (), &mut |line| {
        words.push(crate::model::path::shown(line));
        if words.len() > 5 {
            words.remove(0);
        }
    })?;
    let worked = matches!(exit, Exit::Code(0 | 3));
    Ok((!worked).then(|| format!("restore.sh ended with {exit}: {}", words.join("; "))))
}

impl Wanted {
    /// What is wrong with the file in the sandbox.
    pub fn fault(&self, target: &Path) -> Option<Fault> {
        use std::os::unix::ffi::OsStrExt;
        let path = target.join(std::ffi::OsStr::from_bytes(self.path.as_bytes()));
        let what = match File::open(&path).and_then(digest) {
            Ok((_, found)) if found == self.sha256 => return None,
            Ok(_) => "came back with another content (sha256)".to_owned(),
            Err(error) => format!("did not come back: {error}"),
        };
        Some(Fault { path: self.path.to_string(), what })
    }
}
