//! Everything on some discs, restored by a restore.sh or simple-restore.sh into a directory of its
//! own. Nothing keeps the script there: whoever calls knows that it is ours.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::DiscNo;
use crate::port::command::{CommandError, Program, ProgramExit};
use crate::port::fence::Fence;
use crate::port::passphrase::Secret;
use crate::port::stop::Stop;

use super::DrillError;

/// How the script is run.
pub struct Whole<'a> {
    /// The script that does the work.
    pub script: &'a Path,
    /// The exit codes that are none of its failures: beside 0, that it names missing discs.
    pub right: &'static [i32],
    /// The content of the discs, by number.
    pub discs: &'a [(DiscNo, PathBuf)],
    pub target: &'a Path,
    /// For a set with a passphrase. Recipients' discs open with gpg's key ring of this user.
    pub passphrase: Option<&'a Secret>,
    /// The discs may be anybody's: the script writes in this directory alone, and has an end.
    pub fence: Option<&'a Path>,
    pub stop: &'a Stop,
}

/// Lets the script work, in an empty environment. Why it could not, if so.
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
        program = program.behind(fence).killed_when_stopped().timeout(wait_limit(drill.discs));
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
    let worked = matches!(exit, ProgramExit::Code(code) if drill.right.contains(&code));
    Ok((!worked).then(|| format!("ended with {exit}: {}", words.join("; "))))
}

/// Ten minutes, and a second for each MiB of the discs: no machine is so slow.
fn wait_limit(discs: &[(DiscNo, PathBuf)]) -> Duration {
    let files = discs.iter().flat_map(|(_, dir)| [dir.clone(), dir.join("archives")]);
    let entries = files.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    let bytes: u64 = entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
    Duration::from_secs(600 + (bytes >> 20))
}
