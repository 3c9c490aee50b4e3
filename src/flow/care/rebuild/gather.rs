//! The discs of a rebuilding, from all places that were named. A disc in a drive gives way to the
//! next one: its listings are copied into the scratch directory, as they are, encrypted or not.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::drive::{
    Absence, DiscFile, DiscReader, Discs, Drive, DriveError, FileReader, Folder, ReadError, Volume,
    discover,
};
use crate::model::{Carrier, RelPath, Sectors};
use crate::port::files::make_private_dir;
use crate::port::question::{Answer, Question};
use crate::port::stop::{Heeding, Stop};
use crate::port::wanted::{DiscChoice, WantedMedium};

use crate::flow::care::rebuild::request::RebuildRequest;
use crate::flow::library::insertion::{give_back, while_it_comes_back, with_medium};
use crate::flow::library::inventory::Inventory;
use crate::flow::library::repair::Repairer;
use crate::flow::library::signatures::is_as_listed;
use crate::flow::{Context, FlowError};

/// A disc that was in a drive: what was copied from it, and the medium that it is.
struct GatheredDisc {
    medium: Carrier,
    image: Option<Sectors>,
    volume: Option<Volume>,
    files: Folder,
}

impl DiscReader for GatheredDisc {
    fn title(&self) -> String {
        self.files.title()
    }

    fn medium(&self) -> Carrier {
        self.medium.clone()
    }

    fn files(&self) -> &[DiscFile] {
        self.files.files()
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        self.files.read_at(file, offset, buf)
    }

    fn absence(&self) -> Option<Absence> {
        self.files.absence()
    }

    fn image_sectors(&self) -> Option<Sectors> {
        self.image
    }

    fn volume(&self) -> Option<Volume> {
        self.volume.clone()
    }
}

/// What was copied from discs in drives; removed when dropped.
pub struct GatheredCopies {
    dir: PathBuf,
}

impl Drop for GatheredCopies {
    fn drop(&mut self) {
        // Nothing in it is readable without the set's key if the set has one.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub fn gather(
    request: &RebuildRequest,
    drives: Vec<Option<Box<dyn Drive>>>,
    repairer: &Repairer,
    context: Context,
) -> Result<(Inventory, GatheredCopies), FlowError> {
    let first = request.from.first().cloned().unwrap_or_default();
    let mut inventory = Inventory::at(&first);
    let copied =
        GatheredCopies { dir: request.scratch.join(format!("rebuild-{}", Uuid::new_v4())) };
    for (from, drive) in request.from.iter().zip(drives) {
        match drive {
            None => inventory.take(discover(from, context.stop)?),
            Some(mut drive) => {
                every_disc(&mut *drive, &copied.dir, &mut inventory, repairer, context)?
            }
        }
    }
    Ok((inventory, copied))
}

/// One disc after the other, as long as a person has more.
fn every_disc(
    drive: &mut dyn Drive,
    scratch: &Path,
    inventory: &mut Inventory,
    repairer: &Repairer,
    context: Context,
) -> Result<(), FlowError> {
    for number in 0.. {
        let wanted = if number == 0 { DiscChoice::Any } else { DiscChoice::Next };
        let taken = while_it_comes_back(context, || {
            copied(inserted(drive, wanted, context)?, scratch, repairer, context)
        });
        match taken {
            // All discs are read: nobody brought another one.
            Err(FlowError::NeverCame { .. }) if number > 0 => return Ok(()),
            taken => inventory.take(taken?),
        }
        give_back(drive, context)?;
        let question = Question::AnotherDisc { drive: drive.title() };
        if context.operator.ask(question) != Answer::Yes {
            return Ok(());
        }
    }
    Ok(())
}

fn inserted(
    drive: &mut dyn Drive,
    wanted: DiscChoice,
    context: Context,
) -> Result<Discs, FlowError> {
    with_medium(drive, context, &WantedMedium::any(None, wanted), |drive, _| {
        let mut found = drive.discs()?;
        match found.discs.is_empty() {
            true => Err(match found.problems.pop() {
                Some(problem) => problem.into(),
                None => DriveError::Empty { drive: drive.title() }.into(),
            }),
            false => Ok(found),
        }
    })
}

/// A disc whose listings are damaged is repaired from its recovery data, if it has any. Now is the
/// time: when something is missed, it is no longer in the drive.
fn copied(
    found: Discs,
    scratch: &Path,
    repairer: &Repairer,
    context: Context,
) -> Result<Discs, FlowError> {
    let mut copies = Discs { discs: Vec::new(), problems: found.problems };
    for disc in found.discs {
        let mut files = copy_of(&*disc, scratch, context)?;
        if !is_as_listed(&files, context.stop)? {
            if let Some(whole) = repairer.repaired(&*disc) {
                files = copy_of(&*whole, scratch, context)?;
            }
        }
        if let Some(absence) = disc.absence() {
            return Err(absence.into());
        }
        let (medium, image, volume) = (disc.medium(), disc.image_sectors(), disc.volume());
        copies.discs.push(Box::new(GatheredDisc { medium, image, volume, files }));
    }
    Ok(copies)
}

fn copy_of(disc: &dyn DiscReader, scratch: &Path, context: Context) -> Result<Folder, FlowError> {
    let dir = scratch.join(Uuid::new_v4().to_string());
    copy_listings(disc, &dir, context.stop).map_err(|source| FlowError::Staging {
        path: dir.clone(),
        what: "cannot take a disc's listings",
        source,
    })?;
    // A copy that was cut short for that is no damage of the disc.
    context.stop.check()?;
    if let Some(absence) = disc.absence() {
        return Err(absence.into());
    }
    Ok(Folder::open(&dir)?)
}

/// Archives are there by name and size alone: files without content.
fn copy_listings(disc: &dyn DiscReader, dir: &Path, stop: &Stop) -> io::Result<()> {
    for file in disc.files() {
        // The rest of a disc that went away is not asked for.
        if disc.absence().is_some() {
            break;
        }
        // Whoever reads the disc's directory has seen to that; this is where it would do harm.
        if RelPath::new(file.path.as_bytes()).is_none_or(|path| path.is_root()) {
            continue;
        }
        let to = dir.join(&file.path);
        make_private_dir(to.parent().unwrap_or(dir))?;
        let mut copy = File::create_new(&to)?;
        let big = ["archives/", "parity/", "stripes/"];
        let is_big = big.iter().any(|dir| file.path.starts_with(dir));
        if is_big
            || io::copy(&mut Heeding::new(FileReader::new(disc, file), stop), &mut copy).is_err()
        {
            copy.set_len(file.size.0)?;
        }
    }
    Ok(())
}
