//! Where a drill's files lie: a directory that goes with the drill, and what is copied into it from
//! discs that are not staged.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::piles::Pile;
use super::super::staging::Staging;
use super::super::{FlowError, chain};
use crate::catalog::KnownSet;
use crate::drill::Files;
use crate::drive::{DiscReader, FileReader};
use crate::model::DiscNo;
use crate::port::files::{make_private_dir, unless_missing};
use crate::port::stop::{Heeding, Stop};

/// A directory for one drill, which goes with it.
pub struct Sandbox(pub PathBuf);

impl Sandbox {
    pub fn make(scratch: &Path) -> Result<Sandbox, FlowError> {
        let dir = scratch.join(format!("drill-{}", std::process::id()));
        let failed =
            |source| FlowError::Staging { path: dir.clone(), what: "cannot be made", source };
        // A killed drill left it.
        remove(&dir).map_err(failed)?;
        make_private_dir(&dir).map_err(failed)?;
        Ok(Sandbox(dir))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // What cannot be removed now is by the next drill, or with the staging area's scratch.
        let _ = remove(&self.0);
    }
}

/// Removes a restored tree, whose directories may be closed to their owner.
fn remove(dir: &Path) -> io::Result<()> {
    open_up(dir)?;
    unless_missing(fs::remove_dir_all(dir))
}

fn open_up(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_dir() => {}
        _ => return Ok(()),
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Where the discs' files are.
pub struct Places<'a> {
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    pub pile: Option<&'a Pile>,
    pub sandbox: &'a Sandbox,
    pub stop: &'a Stop,
}

impl Places<'_> {
    pub fn files_of(&self, disc: DiscNo) -> Result<OneOf<'_>, FlowError> {
        match self.pile.and_then(|pile| pile.discs.get(&disc)).and_then(|disc| disc.copies.first())
        {
            None => Ok(OneOf::Staged(self.staging.disc_dir(self.set, disc))),
            Some(reader) => {
                let to = self.sandbox.0.join(format!("{:04}", disc.0));
                make_private_dir(&to).map_err(|source| FlowError::Staging {
                    path: to.clone(),
                    what: "cannot be made",
                    source,
                })?;
                Ok(OneOf::Copied { reader: &**reader, to, stop: self.stop })
            }
        }
    }
}

/// A staged disc's directory, or a place to which files of another one are copied.
pub enum OneOf<'a> {
    Staged(PathBuf),
    Copied { reader: &'a dyn DiscReader, to: PathBuf, stop: &'a Stop },
}

impl OneOf<'_> {
    pub fn dir(&self) -> &Path {
        match self {
            OneOf::Staged(dir) | OneOf::Copied { to: dir, .. } => dir,
        }
    }
}

impl OneOf<'_> {
    /// What could not be brought from a disc that went away says nothing about it.
    pub fn refuse_gone(&self) -> Result<(), FlowError> {
        match self {
            OneOf::Copied { reader, .. } => {
                reader.absence().map_or(Ok(()), |absence| Err(absence.into()))
            }
            OneOf::Staged(_) => Ok(()),
        }
    }
}

impl Files for OneOf<'_> {
    fn bring(&self, path: &str) -> Result<PathBuf, String> {
        let place = self.dir().join(path);
        if let OneOf::Copied { reader, stop, .. } = self {
            let file = reader.file(path).ok_or("is missing")?;
            let copy = || -> io::Result<()> {
                make_private_dir(place.parent().unwrap_or(&place))?;
                let mut out = File::create(&place)?;
                io::copy(&mut Heeding::new(FileReader::new(*reader, file), stop), &mut out)?;
                Ok(())
            };
            copy().map_err(|error| chain(&error))?;
        }
        Ok(place)
    }
}
