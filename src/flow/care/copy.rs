//! `coldcut copy`: one more copy of a disc that is safe already, from what is staged or from
//! another copy: its image is read back, compared with the catalog, and burned as it is, so that
//! copies are alike to the last byte whatever program made the first.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, ClosedDiscInfo, DiscInfo, DiscState, KnownSet};
use crate::drive::{DiscReader, Drive, Image};
use crate::model::{Bytes, DiscList, DiscNo, SetName};
use crate::port::disc_count::DiscCount;
use crate::port::event::Activity;
use crate::port::monitor::NewTask;
use crate::port::notice::VerifyNotice;
use crate::port::wanted::{Purpose, WantedDisc};
use crate::verify::{ExpectedFile, Verdict, verify};

use crate::flow::base::expected::expected;
use crate::flow::base::sets::no_disc;
use crate::flow::base::turn::{hold_disc, open_to_record};
use crate::flow::burn::pipeline::{Beside, Stations, beside};
use crate::flow::burn::records::{BurnOrder, is_staged};
use crate::flow::burn::station::Drives;
use crate::flow::library::insertion::while_it_comes_back;
use crate::flow::library::inventory::{FoundDisc, Inventory, Trust, Vetting, look, look_in};
use crate::flow::library::locations::{kept_disc, places_of_disc, shelf_of};
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError, SelectionError, choose_set};

/// Read at once: many clusters, so that a drive keeps streaming.
const BLOCK: usize = 1 << 20;

pub struct CopyRequest {
    pub catalog: PathBuf,
    pub staging: PathBuf,
    pub name: Option<SetName>,
    pub discs: DiscList,
    /// Where a copy is read first, for discs that are not staged; then the shelves that are known.
    pub from: Option<PathBuf>,
    /// Which discs count.
    pub trust: Trust,
}

/// A disc that was copied, and the good copies that it has now.
pub struct CopiedDisc {
    pub set: SetName,
    pub disc: DiscInfo,
    pub copies: u32,
}

/// Makes one more copy of each disc. `source`: the drive at `from`, if that is one.
pub fn copy(
    request: &CopyRequest,
    source: Option<&mut (dyn Drive + 'static)>,
    drives: &mut [Drives],
    context: Context,
) -> Result<Vec<CopiedDisc>, FlowError> {
    let mut catalog = open_to_record(&request.catalog, context)?;
    let set = choose_set(catalog.sets()?, request.name.as_ref())?;
    let staging = Staging::open(&request.staging)?;
    let known = catalog.discs(set.id)?;
    let meant: Vec<DiscInfo> = request
        .discs
        .iter()
        .map(|number| {
            let found = known.iter().find(|disc| disc.number == number).cloned();
            found.ok_or_else(|| no_disc(&set, number))
        })
        .collect::<Result<_, _>>()?;
    let mut work = Copying { request, source, staging: &staging, set: &set, context };
    context.monitor.count_discs(|count| count.expect(meant.len() as u64, false));
    let stations = Stations { staging: &staging, set: &set, drives, context };
    beside(stations, &mut catalog, |catalog, drives| work.all(catalog, &meant, drives))?;
    let copied = meant.into_iter().map(|disc| {
        let copies = catalog.disc(set.id, disc.number)?.map_or(0, |now| now.good_copies);
        Ok(CopiedDisc { set: set.facts.name.clone(), disc, copies })
    });
    copied.collect()
}

struct Copying<'a> {
    request: &'a CopyRequest,
    source: Option<&'a mut (dyn Drive + 'static)>,
    staging: &'a Staging,
    set: &'a KnownSet,
    context: Context<'a>,
}

impl Copying<'_> {
    /// As many at once as there are drives.
    fn all(
        &mut self,
        catalog: &mut Catalog,
        discs: &[DiscInfo],
        drives: &Beside,
    ) -> Result<(), FlowError> {
        let mut images = Vec::new();
        // One that is lost leaves its disc to the others, which go on with the next ones.
        let others = drives.burners().saturating_sub(1);
        let begun = discs.iter().try_for_each(|disc| {
            drives.settle_to(catalog, others)?;
            self.context.monitor.count_discs(DiscCount::begin);
            let order = self.order(catalog, disc, drives)?;
            images.extend(order.image.clone().map(|image| (disc.number, image)));
            drives.add_order(order, true)?;
            // An image is as large as a disc: it goes as soon as it was burned.
            images.retain(|(disc, image)| drives.has(*disc) || remove(image).is_err());
            Ok(())
        });
        let settled = drives.settle(catalog);
        images.iter().try_for_each(|(_, image)| remove(image))?;
        begun.and(settled)
    }

    fn order(
        &mut self,
        catalog: &mut Catalog,
        disc: &DiscInfo,
        drives: &Beside,
    ) -> Result<BurnOrder, FlowError> {
        if disc.state == DiscState::Open {
            return Err(SelectionError::NoCopyYet(disc.number).into());
        }
        disc.clone().closed().ok_or(SelectionError::SizeUnknown(disc.number))?;
        let _claim = hold_disc(catalog, self.set, disc.number, self.context)?;
        let mut order = BurnOrder::of(catalog, self.set.id, disc.number)?
            .ok_or(SelectionError::NoCopyYet(disc.number))?;
        // One that lies here, and nobody read back yet, is what is copied, and no copy of itself.
        let is_here = order.copies.unread.iter().any(|copy| drives.keeps(&copy.medium));
        let is_alone = order.copies.good.is_empty() && is_here;
        order.wanted = order.copies.good.len() + 1 + usize::from(is_alone);
        if !is_staged(catalog, self.set, self.staging, disc.number)? {
            order.image = Some(self.read_image(catalog, &order)?);
            order.copies.has_others |= self.hand_out_source()?;
        }
        Ok(order)
    }

    /// What was copied is like the copy to the last byte, and must not be taken for it.
    fn hand_out_source(&mut self) -> Result<bool, FlowError> {
        let Some(slot) = self.source.as_deref_mut().and_then(|drive| drive.slot()) else {
            return Ok(false);
        };
        slot.eject()?;
        Ok(true)
    }

    /// A whole image in the staging area, proved to be right before a blank is spent on it.
    fn read_image(&mut self, catalog: &Catalog, order: &BurnOrder) -> Result<PathBuf, FlowError> {
        let need = order.disc.closing.image.bytes();
        self.staging.check_space(need, need)?;
        let name = format!("copy-{}-{:04}.iso", self.set.facts.name, order.disc.number.0);
        let path = self.staging.scratch().join(name);
        let context = self.context;
        while_it_comes_back(context, || self.fetch_to(&path, catalog, order))?;
        Ok(path)
    }

    /// From the first medium that gives it whole.
    fn fetch_to(
        &mut self,
        path: &Path,
        catalog: &Catalog,
        order: &BurnOrder,
    ) -> Result<(), FlowError> {
        let inventory = self.find(catalog, &order.disc)?;
        let inventory = self.trusted(inventory)?;
        let (mut damage, mut gone) = (None, None);
        for reader in media(&inventory, self.set, &order.disc) {
            remove(path)?;
            match self.fetch(&**reader, order, path) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(words)) => {
                    let (medium, why) = (reader.title(), words.clone().into());
                    self.context.monitor.note(VerifyNotice::CopyUnusable { medium, why }.into());
                    damage = Some(words);
                }
                Err(error) if error.absence().is_some() => gone = Some(error),
                Err(error) => return Err(error),
            }
        }
        remove(path)?;
        let disc = order.disc.number;
        match (gone, damage) {
            // It may be whole: nothing is known of it.
            (Some(error), _) => Err(error),
            (None, Some(words)) => Err(FlowError::CopyDamaged { disc, words }),
            // It may have gone before it said who it is.
            (None, None) => match inventory.iter().find_map(Inventory::absence) {
                Some(absence) => Err(absence.into()),
                None => Err(self.nowhere(catalog, disc)),
            },
        }
    }

    /// Without the discs that do not count; that is told.
    fn trusted(&self, found: Vec<Inventory>) -> Result<Vec<Inventory>, FlowError> {
        let CopyRequest { trust, catalog, .. } = self.request;
        let sifted =
            |inventory| trust.sift(inventory, Vetting::comparing(trust, catalog), self.context);
        found
            .into_iter()
            .map(|inventory| sifted(inventory).map(|(inventory, _)| inventory))
            .collect()
    }

    fn nowhere(&self, catalog: &Catalog, disc: DiscNo) -> FlowError {
        let kept = kept_disc(catalog, self.set.id, disc);
        FlowError::NothingToCopy { disc, kept }
    }

    /// Where copies of the disc lie: in the drive that was named; else at the place that was named,
    /// and then on the shelves that are known.
    fn find(
        &mut self,
        catalog: &Catalog,
        disc: &ClosedDiscInfo,
    ) -> Result<Vec<Inventory>, FlowError> {
        let number = disc.number;
        if let (Some(drive), Some(from)) = (self.source.as_deref_mut(), &self.request.from) {
            let kept = places_of_disc(catalog, self.set.id, number);
            let wanted = WantedDisc::new(&self.set.facts.name, number);
            let wanted = wanted.kept(kept).to(Purpose::Copy).into();
            let fits =
                |inventory: &Inventory| each(inventory).any(|found| is_it(found, self.set, disc));
            return Ok(vec![look_in(drive, from, &wanted, self.context, fits)?]);
        }
        let named = self.request.from.as_deref();
        let copies = catalog.copies(self.set.id, number)?;
        let good = copies.iter().filter(|copy| copy.is_good());
        let shelves = good.filter_map(shelf_of).filter(|dir| dir.is_dir());
        let others = shelves.filter(|dir| !named.is_some_and(|named| is_same_dir(named, dir)));
        named.into_iter().chain(others).map(|dir| look(dir, self.context.stop)).collect()
    }

    /// Reads the image and holds it against the catalog; or why it is of no use.
    fn fetch(
        &self,
        reader: &dyn DiscReader,
        order: &BurnOrder,
        to: &Path,
    ) -> Result<Result<(), String>, FlowError> {
        let Context { monitor, stop, .. } = self.context;
        let sectors = order.disc.closing.image;
        let total = sectors.bytes().0;
        let new = NewTask::new(Activity::Reading).disc(order.disc.number).total(total);
        let task = monitor.begin(new);
        let staging =
            |source| FlowError::Staging { path: to.to_owned(), what: "cannot be written", source };
        let mut file = File::create_new(to).map_err(staging)?;
        let mut buffer = vec![0; BLOCK];
        let mut at = 0;
        while at < total {
            stop.check()?;
            let take = (total - at).min(BLOCK as u64) as usize;
            match reader.read_image(Bytes(at), &mut buffer[..take]) {
                Ok(0) => return Ok(Err(format!("it ends after {}", Bytes(at)))),
                Ok(got) => {
                    file.write_all(&buffer[..got]).map_err(staging)?;
                    at += got as u64;
                }
                Err(error) => match reader.absence() {
                    Some(absence) => return Err(absence.into()),
                    None => return Ok(Err(crate::flow::chain(&error))),
                },
            }
            task.done(at);
        }
        drop((file, task));
        let files: Vec<ExpectedFile> = order.files.iter().map(expected).collect();
        let image = Image::open(to, stop)?;
        match verify(&image, order.disc.uuid, &files, Some(sectors), monitor, stop)? {
            Verdict::Sound(_) => Ok(Ok(())),
            Verdict::Damaged(faults) => {
                let words = faults.iter().map(|fault| format!("{}: {}", fault.path, fault.what));
                Ok(Err(words.collect::<Vec<_>>().join("; ")))
            }
        }
    }
}

fn is_same_dir(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

fn each(inventory: &Inventory) -> impl Iterator<Item = &FoundDisc> {
    inventory.sets.iter().flat_map(|found_set| found_set.discs.values())
}

fn is_it(found: &FoundDisc, set: &KnownSet, disc: &ClosedDiscInfo) -> bool {
    found.txt.id.set_uuid == set.facts.uuid && found.txt.id.uuid == disc.uuid
}

fn media<'a>(
    inventory: &'a [Inventory],
    set: &'a KnownSet,
    disc: &'a ClosedDiscInfo,
) -> impl Iterator<Item = &'a Box<dyn DiscReader>> {
    let found = inventory.iter().flat_map(each).filter(|found| is_it(found, set, disc));
    found.flat_map(|found| &found.copies)
}

fn remove(path: &Path) -> Result<(), FlowError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FlowError::Staging { path: path.to_owned(), what: "cannot be removed", source })
        }
        _ => Ok(()),
    }
}
