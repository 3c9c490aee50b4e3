//! Lost discs rebuilt from the others of their group and its recovery discs (format 11), stripe
//! for stripe: `par2` sees a stripe's pieces and makes those that are missing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::codec::openpgp::Checker;
use crate::drive::{Absence, BestEffortReader, DiscFile, DiscReader, Image, ReadError, Volume};
use crate::format::disc_txt::RecoveryRole;
use crate::model::size::SECTOR;
use crate::model::{Bytes, Carrier, DiscNo, Sectors};
use crate::port::cause::Cause;
use crate::port::event::Activity;
use crate::port::files::{make_private_dir, read_own};
use crate::port::monitor::NewTask;
use crate::port::notice::RecoveryNotice;
use crate::port::stop::Stop;
use crate::recovery::packets::{Collector, RecoverySet};
use crate::recovery::program::{self, Repair};
use crate::recovery::striping::recovery_path;

use crate::flow::library::inventory::group::disc_of;
use crate::flow::library::inventory::{FoundDisc, FoundSet, identify};
use crate::flow::library::repair::{Removed, check_room, in_words};
use crate::flow::library::signatures::distrust;
use crate::flow::{Context, FlowError, chain};

/// What a group has at hand.
struct AtHand<'p> {
    group: &'p RecoveryRole,
    /// By exponent.
    recovery: BTreeMap<u32, &'p dyn DiscReader>,
    images: BTreeMap<DiscNo, Vec<&'p dyn DiscReader>>,
    lost: Vec<DiscNo>,
}

/// An image in scratch, which goes with its last reader.
struct Remade {
    image: Image,
    _dir: Arc<Removed>,
}

/// All lost discs of the group that `disc` is in. None, with a word why, if that cannot be done.
pub fn remake(
    found_set: &FoundSet,
    disc: DiscNo,
    scratch: &Path,
    signed_by: Option<&Checker>,
    context: Context,
) -> Result<Vec<FoundDisc>, FlowError> {
    let Some(at_hand) = AtHand::of(found_set, disc) else { return Ok(Vec::new()) };
    let set = found_set.name.clone();
    if at_hand.lost.len() > at_hand.recovery.len() {
        let (missing, recovery) = (at_hand.lost.len() as u64, at_hand.recovery.len() as u64);
        context.monitor.note(RecoveryNotice::TooFewDiscs { set, disc, missing, recovery }.into());
        return Ok(Vec::new());
    }
    context.monitor.note(RecoveryNotice::Reconstructing { set: set.clone(), disc }.into());
    match at_hand.make(scratch, context) {
        Ok(made) => trusted(made, signed_by, context),
        Err(why) => {
            context.stop.check()?;
            context
                .monitor
                .note(RecoveryNotice::NotReconstructed { set, disc, why: why.into() }.into());
            Ok(Vec::new())
        }
    }
}

/// A disc that is rebuilt carries the signature that it had.
fn trusted(
    made: Vec<FoundDisc>,
    signed_by: Option<&Checker>,
    context: Context,
) -> Result<Vec<FoundDisc>, FlowError> {
    let Some(checker) = signed_by else { return Ok(made) };
    let mut trusted = Vec::new();
    for found in made {
        let doubts = found.copies.iter().map(|copy| distrust(&**copy, checker, context.stop));
        let doubts = doubts.collect::<Result<Vec<_>, _>>()?;
        match doubts.into_iter().flatten().next() {
            Some(doubt) => {
                let notice = RecoveryNotice::ReconstructedUnsigned { why: doubt.what.into() };
                context.monitor.note(notice.into());
            }
            None => trusted.push(found),
        }
    }
    Ok(trusted)
}

impl<'p> AtHand<'p> {
    fn of(found_set: &'p FoundSet, disc: DiscNo) -> Option<AtHand<'p>> {
        let groups =
            found_set.discs.values().filter_map(|found| Some((found, found.txt.group.as_ref()?)));
        let covering: Vec<_> = groups.filter(|(_, group)| group.discs.contains(&disc)).collect();
        let &(_, group) = covering.first()?;
        let same = covering.iter().filter(|(_, other)| other.discs == group.discs);
        let recovery = same
            .filter_map(|(found, group)| Some((group.member - 1, &**found.copies.first()?)))
            .collect();
        let (mut images, mut lost) = (BTreeMap::new(), Vec::new());
        for &number in &group.discs {
            let found = found_set.discs.get(&number).filter(|found| found.txt.group.is_none());
            let copies = found.into_iter().flat_map(|found| &found.copies);
            let readers: Vec<&dyn DiscReader> =
                copies.map(|copy| &**copy).filter(|copy| copy.image_sectors().is_some()).collect();
            if readers.is_empty() {
                lost.push(number);
            } else {
                images.insert(number, readers);
            }
        }
        Some(AtHand { group, recovery, images, lost })
    }

    fn make(&self, scratch: &Path, context: Context) -> Result<Vec<FoundDisc>, String> {
        program::check(context.stop).map_err(|error| chain(&error))?;
        let removed = Arc::new(Removed(scratch.join(format!("remade-{}", Uuid::new_v4()))));
        let dir = &removed.0;
        make_private_dir(dir).map_err(in_words(dir))?;
        let stripes = self.stripes();
        self.check_space(dir, stripes)?;
        let total = stripes * self.group.stripe;
        let disc = self.lost.first().copied();
        let task = context
            .monitor
            .begin(NewTask { disc, ..NewTask::new(Activity::Repairing).total(total) });
        let mut images = BTreeMap::new();
        for &disc in &self.lost {
            let path = dir.join(format!("{:04}.iso", disc.0));
            images.insert(disc, File::create_new(&path).map_err(in_words(&path))?);
        }
        for number in 0..stripes {
            context.stop.check().map_err(|error| error.to_string())?;
            let place = dir.join("stripe");
            self.make_stripe(number, &place, &mut images, context)?;
            fs::remove_dir_all(&place).map_err(in_words(&place))?;
            task.done((number + 1) * self.group.stripe);
        }
        self.lost.iter().map(|&disc| opened(disc, &removed, context.stop)).collect()
    }

    /// As many as the recovery discs have.
    fn stripes(&self) -> u64 {
        let has = |number: u64| {
            let has_it = |(&exponent, disc): (&u32, &&dyn DiscReader)| {
                disc.file(&recovery_path(number, exponent)).is_some()
            };
            self.recovery.iter().any(has_it)
        };
        (0..).take_while(|&number| has(number)).count() as u64
    }

    fn check_space(&self, dir: &Path, stripes: u64) -> Result<(), String> {
        let pieces = (self.group.discs.len() + self.recovery.len()) as u64;
        let need = (self.lost.len() as u64 * stripes + 2 * pieces) * self.group.stripe;
        check_room(dir, need)
    }

    fn make_stripe(
        &self,
        number: u64,
        place: &Path,
        images: &mut BTreeMap<DiscNo, File>,
        context: Context,
    ) -> Result<(), String> {
        make_private_dir(place).map_err(in_words(place))?;
        let (set, par2) = self.recovery_files(number, place)?;
        for file in &set.files {
            let name = file.path.to_string();
            let disc = disc_of(&name).ok_or_else(|| format!("{name} is not a piece of a disc"))?;
            if let Some(image) = self.images.get(&disc) {
                let content = stretch(image, number * self.group.stripe, file.size)
                    .map_err(|absence| absence.to_string())?;
                let path = place.join(&name);
                fs::write(&path, content).map_err(in_words(&path))?;
            }
        }
        let bytes = self.group.discs.len() as u64 * self.group.stripe;
        match program::repair(place, bytes, &par2, None, &mut |_| (), context.stop) {
            Ok(Repair::Done) => {}
            Ok(Repair::TooMuchLost) => {
                return Err(format!("too much of the other discs is lost in stripe {number}"));
            }
            Err(error) => return Err(chain(&error)),
        }
        for file in &set.files {
            let name = file.path.to_string();
            let Some(image) = disc_of(&name).and_then(|disc| images.get_mut(&disc)) else {
                continue;
            };
            let path = place.join(&name);
            let piece = read_own(&path).map_err(in_words(&path))?;
            image.write_all(&piece).map_err(in_words(&path))?;
        }
        Ok(())
    }

    /// Copies a stripe's files of the recovery discs, and reads what they say.
    fn recovery_files(&self, number: u64, place: &Path) -> Result<(RecoverySet, PathBuf), String> {
        let mut collector = Collector::default();
        let mut first = None;
        for (&exponent, disc) in &self.recovery {
            let from = recovery_path(number, exponent);
            let Some(content) = BestEffortReader::open(&[*disc], &from) else { continue };
            let mut content = content.in_pieces(SECTOR);
            let to = place.join(from.rsplit('/').next().unwrap_or(&from));
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(in_words(&to))?;
            fs::write(&to, &bytes).map_err(in_words(&to))?;
            collector.read(&bytes[..]).map_err(in_words(&to))?;
            first = first.or(Some(to));
        }
        let set =
            collector.finish().ok_or(format!("the recovery data of stripe {number} is lost"))?;
        first.map(|first| (set, first)).ok_or_else(|| format!("stripe {number} is missing"))
    }
}

/// A stretch of an image, with zeros for the sectors that no copy gives; an error if a copy that is
/// away may give them.
fn stretch(copies: &[&dyn DiscReader], start: u64, length: u64) -> Result<Vec<u8>, Absence> {
    let mut content = vec![0; length as usize];
    let mut at = 0;
    while at < content.len() {
        let place = Bytes(start + at as u64);
        let rest = &mut content[at..];
        let read =
            copies.iter().find_map(|copy| copy.read_image(place, rest).ok().filter(|n| *n > 0));
        if let (None, Some(absence)) = (read, copies.iter().find_map(|copy| copy.absence())) {
            return Err(absence);
        }
        // The stripes begin with a sector.
        at += read.unwrap_or(SECTOR as usize);
    }
    Ok(content)
}

fn opened(disc: DiscNo, dir: &Arc<Removed>, stop: &Stop) -> Result<FoundDisc, String> {
    let path = dir.0.join(format!("{:04}.iso", disc.0));
    let image = Image::open(&path, stop).map_err(|error| chain(&error))?;
    let (txt, _) = identify(&image)
        .map_err(|problem| problem.why().map(Cause::to_string).unwrap_or_default())?;
    if txt.id.number != disc {
        return Err(format!(
            "the reconstructed disc {disc} says that it is disc {}",
            txt.id.number
        ));
    }
    let reader = Remade { image, _dir: dir.clone() };
    Ok(FoundDisc { txt, copies: vec![Box::new(reader)] })
}

impl DiscReader for Remade {
    fn title(&self) -> String {
        self.image.title()
    }

    fn medium(&self) -> Carrier {
        self.image.medium()
    }

    fn files(&self) -> &[DiscFile] {
        self.image.files()
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        self.image.read_at(file, offset, buf)
    }

    fn absence(&self) -> Option<Absence> {
        self.image.absence()
    }

    fn volume(&self) -> Option<Volume> {
        self.image.volume()
    }

    fn image_sectors(&self) -> Option<Sectors> {
        self.image.image_sectors()
    }
}
