//! Where a restore reads: drives, into which discs are inserted, and directories, in which they lie.

use std::path::{Path, PathBuf};

use crate::drive::{Drive, DriveError, discover};
use crate::model::{DiscIdentity, DiscNo, SetUuid};
use crate::port::notice::DriveNotice;
use crate::port::stop::Stop;
use crate::port::wanted::{DiscChoice, WantedMedium};

use crate::flow::library::inventory::{Inventory, identify, look_in};
use crate::flow::restore::request::RestoreRequest;
use crate::flow::{Context, FlowError, chain};

/// A drive that discs are read in.
pub type ReadingDrive<'d> = &'d mut (dyn Drive + 'static);

pub struct PlacedDrive<'d> {
    pub path: PathBuf,
    pub drive: ReadingDrive<'d>,
    /// What was in it when it was looked at first.
    pub first: Option<DiscIdentity>,
}

impl PlacedDrive<'_> {
    fn again(&mut self) -> PlacedDrive<'_> {
        PlacedDrive { path: self.path.clone(), drive: &mut *self.drive, first: None }
    }
}

pub struct Places<'d> {
    /// And images, as they were named.
    pub dirs: Vec<PathBuf>,
    /// Those that are of use still.
    pub drives: Vec<PlacedDrive<'d>>,
    has_drives: bool,
}

impl<'d> Places<'d> {
    /// `drives`: for each of these places, the drive if it is one.
    pub fn new(from: &[PathBuf], drives: Vec<Option<ReadingDrive<'d>>>) -> Places<'d> {
        let mut places = Places { dirs: Vec::new(), drives: Vec::new(), has_drives: false };
        for (path, drive) in from.iter().cloned().zip(drives) {
            match drive {
                Some(drive) => places.drives.push(PlacedDrive { path, drive, first: None }),
                None => places.dirs.push(path),
            }
        }
        places.has_drives = !places.drives.is_empty();
        places
    }

    /// The same, for one more attempt.
    pub fn again(&mut self) -> Places<'_> {
        let drives = self.drives.iter_mut().map(PlacedDrive::again).collect();
        Places { dirs: self.dirs.clone(), drives, has_drives: self.has_drives }
    }

    /// Discs are inserted into a drive, or were until it went away. Else they are put into a
    /// directory.
    pub fn has_drives(&self) -> bool {
        self.has_drives
    }

    pub fn is_one(&self) -> bool {
        self.dirs.len() + self.drives.len() == 1
    }

    /// The drive went away.
    pub fn drop_first_drive(&mut self) {
        if !self.drives.is_empty() {
            self.drives.remove(0);
        }
    }

    /// Without the drives that do not answer; false if none of them is gone, or nothing is left.
    pub fn drop_gone(&mut self, context: Context) -> bool {
        let before = self.drives.len();
        self.drives.retain_mut(|at| match at.drive.discs() {
            Err(error) if is_useless(&error) => {
                let why = chain(&error);
                let drive = at.drive.title();
                context.monitor.note(DriveNotice::GoesOnWithout { drive, why: why.into() }.into());
                false
            }
            _ => true,
        });
        self.drives.len() < before && self.dirs.len() + self.drives.len() > 0
    }

    /// What is in the drives, without those that are of no use; an error if nothing else is left.
    fn look_into_drives(
        &mut self,
        inventory: &mut Inventory,
        context: Context,
    ) -> Result<(), FlowError> {
        let mut refusal = None;
        self.drives.retain_mut(|at| match at.look_into(inventory, context) {
            Ok(()) => true,
            Err(error) => {
                let (drive, why) = (at.drive.title(), chain(&error));
                context.monitor.note(DriveNotice::GoesOnWithout { drive, why: why.into() }.into());
                refusal = Some(error);
                false
            }
        });
        context.stop.check()?;
        match refusal {
            Some(error) if self.drives.is_empty() && self.dirs.is_empty() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The disc of this set that was in a drive when it was looked at first.
    pub fn first_in(&self, drive: usize, set: SetUuid) -> Option<DiscNo> {
        let first = self.drives.get(drive)?.first.as_ref()?;
        (first.set_uuid == set).then_some(first.number)
    }

    pub fn look_at_dirs(&self, stop: &Stop) -> Result<Inventory, FlowError> {
        let first = self.dirs.first().map(PathBuf::as_path);
        let mut inventory = Inventory::at(first.unwrap_or(Path::new("")));
        for dir in &self.dirs {
            inventory.take(discover(dir, stop)?);
        }
        Ok(inventory)
    }
}

/// The drive cannot do anything else, either.
fn is_useless(error: &DriveError) -> bool {
    let is_about_the_medium = error.is_about_the_medium() || error.is_in_use();
    !is_about_the_medium && !matches!(error, DriveError::Stopped(_))
}

/// All discs at hand; if there is none that is of use, a person is asked for one.
pub fn look_around(
    request: &RestoreRequest,
    places: &mut Places,
    context: Context,
) -> Result<Inventory, FlowError> {
    let fits = |inventory: &Inventory| {
        let is_meant = |name| request.name.as_ref().is_none_or(|wanted| wanted == name);
        inventory.sets.iter().any(|found_set| is_meant(&found_set.name))
    };
    let mut inventory = places.look_at_dirs(context.stop)?;
    if !places.is_one() {
        places.look_into_drives(&mut inventory, context)?;
        if fits(&inventory) {
            return Ok(inventory);
        }
    }
    let Some(at) = places.drives.first_mut() else { return Ok(inventory) };
    // Any disc of the set tells what is needed; without our own catalog the newest tells most.
    let which = match request.catalog.exists() {
        true => DiscChoice::Any,
        false => DiscChoice::Newest,
    };
    let wanted = WantedMedium::any(request.name.as_ref(), which);
    drop(inventory);
    let inventory = look_in(at.drive, &at.path, &wanted, context, fits)?;
    at.first = first_of(&inventory);
    Ok(inventory)
}

impl PlacedDrive<'_> {
    /// What is in the drive, if anything is; an error if it is of no use.
    fn look_into(&mut self, inventory: &mut Inventory, context: Context) -> Result<(), DriveError> {
        match self.drive.discs() {
            Ok(found) => {
                let named = found.discs.iter().find_map(|disc| identify(&**disc).ok());
                self.first = named.map(|(txt, _)| txt.id);
                inventory.take(found);
            }
            Err(error) if error.is_about_the_medium() => {}
            Err(error) if error.is_in_use() => {
                let why = chain(&error);
                context.monitor.note(DriveNotice::DriveInUse { why: why.into() }.into());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn first_of(inventory: &Inventory) -> Option<DiscIdentity> {
    let mut discs = inventory.sets.iter().flat_map(|found_set| found_set.discs.values());
    discs.next().map(|found| found.label())
}
