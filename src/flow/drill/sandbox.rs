//! Where a drill's files lie: a directory that goes with the drill, and what is copied into it from
//! discs that are not staged.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog::KnownSet;
use crate::drill::{DrillFault, Files, KnownFile};
use crate::drive::{DiscReader, FileReader};
use crate::flow::library::inventory::FoundSet;
use crate::flow::staging::area::Staging;
use crate::flow::{FlowError, chain};
use crate::model::Against;
use crate::model::{Bytes, DiscNo};
use crate::port::files::{digest, free_space, make_private_dir, open_own_to_read, unless_missing};
use crate::port::stop::{Heeding, Stop};

/// A directory for one drill, which goes with it.
pub struct DrillSandbox(pub PathBuf);

impl DrillSandbox {
    pub fn make(scratch: &Path) -> Result<DrillSandbox, FlowError> {
        let dir = scratch.join(format!("drill-{}", std::process::id()));
        let failed =
            |source| FlowError::Staging { path: dir.clone(), what: "cannot be created", source };
        // A killed drill left it.
        remove(&dir).map_err(failed)?;
        make_private_dir(&dir).map_err(failed)?;
        Ok(DrillSandbox(dir))
    }
}

impl Drop for DrillSandbox {
    fn drop(&mut self) {
        // What cannot be removed now is by the next drill, or with the staging area's scratch.
        let _ = remove(&self.0);
    }
}

/// Removes a restored tree, whose directories may be closed to their owner.
pub fn remove(dir: &Path) -> io::Result<()> {
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
pub struct DiscSources<'a> {
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    pub found_set: Option<&'a FoundSet>,
    pub sandbox: &'a DrillSandbox,
    pub stop: &'a Stop,
}

impl DiscSources<'_> {
    /// `known`: what the catalog says of the disc's files. `proven`: of those that are staged, too,
    /// each is compared with it before anybody sees it; what comes from elsewhere always is.
    pub fn files_of(
        &self,
        disc: DiscNo,
        known: Vec<KnownFile>,
        proven: bool,
    ) -> Result<OneOf<'_>, FlowError> {
        let copies = self
            .found_set
            .and_then(|found_set| found_set.discs.get(&disc))
            .map(|disc| &disc.copies);
        match copies.and_then(|copies| copies.first()) {
            Some(reader) => {
                OneOf::copied(self.sandbox, disc, &**reader, known, Against::Catalog, self.stop)
            }
            None => {
                let (dir, against) = (self.staging.disc_dir(self.set, disc), Against::Catalog);
                Ok(OneOf { dir, from: None, known, against, proven, stop: self.stop })
            }
        }
    }
}

/// The files of a disc that is staged, or those of another one as they are copied from it.
pub struct OneOf<'a> {
    dir: PathBuf,
    from: Option<&'a dyn DiscReader>,
    known: Vec<KnownFile>,
    /// Who knows that.
    against: Against,
    proven: bool,
    stop: &'a Stop,
}

impl<'a> OneOf<'a> {
    /// The files of a disc as they are copied from it, each compared with what is known of it.
    pub fn copied(
        sandbox: &DrillSandbox,
        disc: DiscNo,
        reader: &'a dyn DiscReader,
        known: Vec<KnownFile>,
        against: Against,
        stop: &'a Stop,
    ) -> Result<OneOf<'a>, FlowError> {
        let dir = sandbox.0.join(format!("{:04}", disc.0));
        make_private_dir(&dir).map_err(|source| FlowError::Staging {
            path: dir.clone(),
            what: "cannot be created",
            source,
        })?;
        Ok(OneOf { dir, from: Some(reader), known, against, proven: true, stop })
    }

    pub fn known(&self) -> &[KnownFile] {
        &self.known
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What could not be brought from a disc that went away says nothing about it.
    pub fn refuse_gone(&self) -> Result<(), FlowError> {
        self.from.and_then(|reader| reader.absence()).map_or(Ok(()), |absence| Err(absence.into()))
    }

    /// All files that are known of the disc; what is wrong with them.
    pub fn bring_all(&self) -> Vec<DrillFault> {
        let fault = |file: &KnownFile| {
            let what = self.bring(&file.path).err()?;
            Some(DrillFault::new(&file.path, what))
        };
        self.known.iter().filter_map(fault).collect()
    }

    fn copy(&self, reader: &dyn DiscReader, path: &str, place: &Path) -> Result<(), String> {
        let file = reader.file(path).ok_or("is missing")?;
        let copy = || -> io::Result<()> {
            make_private_dir(place.parent().unwrap_or(place))?;
            let mut out = File::create_new(place)?;
            io::copy(&mut Heeding::new(FileReader::new(reader, file), self.stop), &mut out)?;
            Ok(())
        };
        copy().map_err(|error| chain(&error))
    }

    fn prove(&self, path: &str, place: &Path) -> Result<(), String> {
        let known = self.known.iter().find(|file| file.path == path);
        let known = known.ok_or(match self.against {
            Against::Catalog => "is not a file that was packed",
            _ => "is not in the disc's own list",
        })?;
        let found = open_own_to_read(place).and_then(|file| digest(Heeding::new(file, self.stop)));
        let differs = match self.against {
            Against::Catalog => "is not what was packed (SHA-256 mismatch)",
            Against::Signature => "is not as it was signed (SHA-256 mismatch)",
            Against::OwnList | Against::DiscCatalog => {
                "does not match the disc's own list (SHA-256 mismatch)"
            }
        };
        match found.map_err(|error| chain(&error))? {
            (size, sha256) if size == known.size && sha256 == known.sha256 => Ok(()),
            _ => Err(differs.to_owned()),
        }
    }
}

impl Files for OneOf<'_> {
    fn bring(&self, path: &str) -> Result<PathBuf, String> {
        let place = self.dir.join(path);
        if let Some(reader) = self.from {
            self.copy(reader, path, &place)?;
        }
        if self.proven {
            self.prove(path, &place)?;
        }
        Ok(place)
    }
}

/// Listings say what sizes they like; together these may be more than a number holds.
pub(super) fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

pub(super) fn check_space(sandbox: &DrillSandbox, need: u64) -> Result<(), FlowError> {
    let dir = sandbox.0.clone();
    let free = free_space(&dir).unwrap_or(u64::MAX);
    match need > free {
        true => Err(FlowError::StagingFull { dir, need: Bytes(need), free: Bytes(free) }),
        false => Ok(()),
    }
}
