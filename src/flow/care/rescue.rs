//! `coldcut rescue`: a failing disc, read by one drive after the other, into an image; then what
//! is still missing is repaired from the disc's recovery data, and each file is looked at.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use crate::catalog::Finding;
use crate::drive::{DESCRIPTOR, DiscReader, DriveError, FileReader, Folder, Image, SectorSource};
use crate::model::disc::DiscName;
use crate::model::size::SECTOR;
use crate::model::{Bytes, Sectors};
use crate::port::cause::Cause;
use crate::port::event::{Activity, Event, Listener};
use crate::port::files::{dir_of, free_space, write_atomic};
use crate::port::heard::Heard;
use crate::port::held_dir::{HeldDir, is_link, open_unlinked};
use crate::port::monitor::{Monitor, NewTask};
use crate::port::notice::RescueNotice;
use crate::port::stop::Stop;
use crate::recovery::covers;
use crate::rescue::map::{BlockStatus, Map};
use crate::rescue::passes::Passes;

use crate::flow::care::verify::{CheckedDisc, VerifyReport, VerifyRequest, verify_from};
use crate::flow::library::inventory::{Trust, Vetting, look};
use crate::flow::library::repair::Repairer;
use crate::flow::{Context, DiscsError, FlowError, RescueRefusal, chain};

/// What a rescue is asked to do.
pub struct RescueRequest {
    /// Drives or images, read one after the other.
    pub from: Vec<PathBuf>,
    /// Made, or continued.
    pub image: PathBuf,
    pub map: PathBuf,
    pub scratch: PathBuf,
    /// Need not exist. What it knows of the set says whether a plain disc counts.
    pub catalog: PathBuf,
    pub trust: Trust,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RescueReport {
    /// Of the whole medium.
    pub size: Bytes,
    /// In the image now.
    pub rescued: Bytes,
    /// Made from recovery data.
    pub mended: bool,
    /// Where the files are, if the image has no directory any more.
    pub files_in: Option<PathBuf>,
    /// Files of the disc, and those of them that are not whole. `None`: no disc of coldcut's can be
    /// recognised.
    pub files: Option<(usize, usize)>,
    /// What does not count: a disc or files that are not encrypted, as their set is, and listings
    /// of another disc or time. Each was told.
    pub refused: u64,
}

impl RescueReport {
    pub fn is_whole(&self) -> bool {
        match self.files {
            Some((_, damaged)) => damaged == 0,
            None => self.rescued == self.size,
        }
    }

    /// All of it is there, and counts.
    pub fn is_sound(&self) -> bool {
        self.is_whole() && self.refused == 0
    }
}

/// How the medium in a drive, or an image, is opened.
pub type OpenMedium<'a> = dyn Fn(&Path, &Stop) -> Result<Box<dyn SectorSource>, DriveError> + 'a;

/// Reads what can be read. A run that is stopped is continued by the next.
pub fn rescue(
    request: &RescueRequest,
    open: &OpenMedium,
    context: Context,
) -> Result<RescueReport, FlowError> {
    let mut work: Option<RescueImage> = None;
    for from in &request.from {
        let source = &*open(from, context.stop)?;
        let mut begun = match work.take() {
            Some(begun) => begun,
            None => RescueImage::open(request, from, source.sectors().bytes().0)?,
        };
        begun.map.extend(source.sectors().bytes().0);
        begun.refuse_other_disc(source)?;
        begun.read(source, context)?;
        work = Some(begun);
    }
    let work = work.ok_or_else(|| RescueRefusal::NoSource(request.image.clone()))?;
    work.finish(request, context)
}

/// An image and its map.
struct RescueImage {
    path: PathBuf,
    image: File,
    map: Map,
    map_path: PathBuf,
}

impl RescueImage {
    fn open(request: &RescueRequest, from: &Path, size: u64) -> Result<RescueImage, FlowError> {
        let (path, map_path) = (request.image.clone(), request.map.clone());
        let map = match (path.exists(), map_path.exists()) {
            (false, false) => Map::new(size),
            (true, true) => read_map(&map_path)?,
            (true, false) => return Err(RescueRefusal::NoMap(path).into()),
            (false, true) => return Err(RescueRefusal::NoImage(path).into()),
        };
        refuse_same_file(from, &path)?;
        check_space(&path, &map)?;
        let failed = |source| FlowError::Staging {
            path: path.clone(),
            what: "cannot be opened for writing",
            source,
        };
        let image = open_image(&path, path.exists()).map_err(failed)?;
        if flock(&image, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(RescueRefusal::Busy(path).into());
        }
        let work = RescueImage { path: path.clone(), image, map, map_path };
        // The image has its full size from the beginning, so that its directory can be used.
        let length = work.image.metadata().map_err(failed)?.len();
        work.image.set_len(length.max(work.map.end())).map_err(failed)?;
        Ok(work)
    }

    /// Two discs in one image would be a heap of rubbish. Their descriptors tell them apart.
    fn refuse_other_disc(&self, source: &dyn SectorSource) -> Result<(), FlowError> {
        let at = DESCRIPTOR.bytes().0;
        let (mut ours, mut theirs) = ([0; SECTOR as usize], [0; SECTOR as usize]);
        let both = self.map.is_finished(&(at..at + SECTOR))
            && self.image.read_exact_at(&mut ours, at).is_ok()
            && source.read(DESCRIPTOR, &mut theirs).is_ok();
        if both && ours != theirs {
            let (from, image) = (source.title(), self.path.clone());
            return Err(RescueRefusal::OtherDisc { from, image }.into());
        }
        Ok(())
    }

    fn read(&mut self, source: &dyn SectorSource, context: Context) -> Result<(), FlowError> {
        let new = NewTask::new(Activity::Rescuing).total(self.map.end());
        let task = context.monitor.begin(new);
        let map_path = self.map_path.clone();
        let save = |map: &Map| save_map(&map_path, map);
        let passes = Passes::new(source, &self.image, &mut self.map, &save, &task, context.stop);
        let worked = passes.run();
        drop(task);
        let (bad, rescued) =
            (self.map.bytes(BlockStatus::Bad), self.map.bytes(BlockStatus::Finished));
        let notice = RescueNotice::Rescued {
            medium: source.title(),
            rescued: Bytes(rescued),
            size: Bytes(self.map.end()),
            unreadable_sectors: Sectors(bad / SECTOR),
        };
        context.monitor.note(notice.into());
        Ok(worked?)
    }

    /// Looks at the files, and repairs them where the disc has what it takes.
    fn finish(
        mut self,
        request: &RescueRequest,
        context: Context,
    ) -> Result<RescueReport, FlowError> {
        let repairer = Repairer::new(&request.scratch, None, context);
        let mut report = RescueReport {
            size: Bytes(self.map.end()),
            rescued: Bytes(0),
            mended: false,
            files_in: None,
            files: None,
            refused: 0,
        };
        match Image::open(&self.path, context.stop) {
            Ok(image) => self.finish_files(&image, &repairer, &mut report, request, context)?,
            // What was read stays, and the next run looks again.
            Err(error @ DriveError::Stopped(_)) => return Err(error.into()),
            Err(error) => {
                context
                    .monitor
                    .note(RescueNotice::ImageUnreadable { why: Cause::of(error) }.into());
                self.finish_without_directory(&repairer, &mut report, context)?;
            }
        }
        report.rescued = Bytes(self.map.bytes(BlockStatus::Finished));
        Ok(report)
    }

    fn finish_files(
        &mut self,
        image: &Image,
        repairer: &Repairer,
        report: &mut RescueReport,
        request: &RescueRequest,
        context: Context,
    ) -> Result<(), FlowError> {
        let held = HeldEvents::over(context.monitor);
        // Said once, and not by who looks for damage.
        let trust = Trust { accept_plain: discs_of(&self.path, context)?, ..request.trust.clone() };
        let monitor = context.monitor.apart(held.clone());
        let first = Context { monitor: &monitor, ..context };
        let mut found = look_at(&self.path, &trust, &request.scratch, first)?;
        if found.is_sound() {
            held.tell_notes();
        } else if has_right_bytes(&found) {
            held.tell();
        } else if let Some(folder) = repairer.folder(image) {
            let mended = self.write_back(image, &folder.folder, context);
            mended.map_err(|source| FlowError::Staging {
                path: self.path.clone(),
                what: "cannot be written to",
                source,
            })?;
            report.mended = true;
            found = look_at(&self.path, &trust, &request.scratch, context)?;
        } else {
            held.tell();
        }
        let count = image.files().len();
        report.files = damaged(&found, count).map(|damaged| (count, damaged));
        report.refused = incoherent(&found) + refuse(&self.path, request, context)?;
        Ok(())
    }

    /// No directory tells where files are; `par2` finds their blocks wherever they lie.
    fn finish_without_directory(
        &mut self,
        repairer: &Repairer,
        report: &mut RescueReport,
        context: Context,
    ) -> Result<(), FlowError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".files");
        let dir = self.path.with_file_name(&name);
        let parent = dir_of(&self.path).canonicalize().and_then(|parent| HeldDir::open(&parent));
        let made = parent
            .map_err(|error| chain(&error))
            .and_then(|parent| repairer.files_of_image(&self.path, &parent, &name));
        let held = match made {
            Ok(held) => held,
            Err(why) => {
                context.monitor.note(RescueNotice::NoFilesFound { why: why.into() }.into());
                return Ok(());
            }
        };
        let files = Folder::open(&held.held_path())?;
        let count = files.files().iter().filter(|file| covers(&file.path)).count();
        report.mended = true;
        report.files = Some((count, 0));
        context.monitor.note(RescueNotice::RepairedFilesIn { dir: dir.clone() }.into());
        report.files_in = Some(dir);
        Ok(())
    }

    /// Puts what was repaired where it belongs in the image. The map says that it is there.
    fn write_back(&mut self, image: &Image, folder: &Folder, context: Context) -> io::Result<()> {
        let mut written = 0;
        for file in image.files().iter().filter(|file| covers(&file.path)) {
            let Some(whole) = folder.file(&file.path).filter(|whole| whole.size == file.size)
            else {
                continue;
            };
            let mut content = FileReader::new(folder, whole);
            for place in file.places() {
                let mut at = place.start;
                let mut buffer = vec![0; 1 << 20];
                while at < place.end {
                    context.stop.check().map_err(io::Error::other)?;
                    let take = (place.end - at).min(buffer.len() as u64) as usize;
                    content.read_exact(&mut buffer[..take])?;
                    written += self.write_if_other(&buffer[..take], at)?;
                    at += take as u64;
                }
                let sectors_end = place.end.next_multiple_of(SECTOR);
                self.map.set(place.start..sectors_end, BlockStatus::Finished);
            }
        }
        self.image.sync_data()?;
        save_map(&self.map_path, &self.map)?;
        context.monitor.note(RescueNotice::ImageRepaired { size: Bytes(written) }.into());
        Ok(())
    }

    fn write_if_other(&self, wanted: &[u8], at: u64) -> io::Result<u64> {
        let mut found = vec![0; wanted.len()];
        self.image.read_exact_at(&mut found, at)?;
        if found == wanted {
            return Ok(0);
        }
        self.image.write_all_at(wanted, at)?;
        Ok(wanted.len() as u64)
    }
}

/// A link would lead to a file that nobody named.
fn open_image(path: &Path, is_begun: bool) -> io::Result<File> {
    let opened =
        open_unlinked(OpenOptions::new().read(true).write(true).create_new(!is_begun), path);
    opened.map_err(|error| match is_link(&error) {
        true => io::Error::new(error.kind(), "this is a symbolic link; name the file itself"),
        false => error,
    })
}

fn read_map(path: &Path) -> Result<Map, FlowError> {
    let text = fs::read_to_string(path).map_err(|source| FlowError::Staging {
        path: path.to_owned(),
        what: "cannot be read",
        source,
    })?;
    Map::parse(&text)
        .map_err(|source| RescueRefusal::BadMap { path: path.to_owned(), source }.into())
}

fn save_map(path: &Path, map: &Map) -> io::Result<()> {
    write_atomic(path, map.to_text().as_bytes(), 0o666)
}

fn refuse_same_file(from: &Path, to: &Path) -> Result<(), FlowError> {
    let id = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    match id(from).is_some() && id(from) == id(to) {
        true => Err(RescueRefusal::IsSource(to.to_owned()).into()),
        false => Ok(()),
    }
}

fn check_space(image: &Path, map: &Map) -> Result<(), FlowError> {
    let dir = dir_of(image);
    let need = Bytes(map.end() - map.bytes(BlockStatus::Finished));
    let free = free_space(dir).map(Bytes).map_err(|source| FlowError::Staging {
        path: dir.to_owned(),
        what: "cannot be examined",
        source,
    })?;
    match need > free {
        true => Err(RescueRefusal::Full { dir: dir.to_owned(), need, free }.into()),
        false => Ok(()),
    }
}

/// The discs that the image says to be.
fn discs_of(image: &Path, context: Context) -> Result<Vec<DiscName>, FlowError> {
    let inventory = look(image, context.stop)?;
    let all = inventory.sets.iter().flat_map(|found_set| found_set.all());
    Ok(all.map(|found| DiscName::Uuid(found.txt.id.uuid)).collect())
}

/// Tells what of the image does not count in other commands, and how much that is.
fn refuse(image: &Path, request: &RescueRequest, context: Context) -> Result<u64, FlowError> {
    let mut inventory = look(image, context.stop)?;
    // That was told by who looked for damage.
    inventory.problems.clear();
    inventory.gone.clear();
    Vetting::new(&request.trust, &request.catalog).vet(&mut inventory);
    Ok(inventory.tell_problems(context).refused)
}

/// Holds the image against its own list.
fn look_at(
    image: &Path,
    trust: &Trust,
    scratch: &Path,
    context: Context,
) -> Result<VerifyReport, FlowError> {
    let check = VerifyRequest {
        from: image.to_owned(),
        // What is found is about the image, not about the disc that the catalog knows.
        catalog: PathBuf::new(),
        name: None,
        trust: trust.clone(),
        scratch: scratch.to_owned(),
        keys: None,
        is_of_stack: false,
    };
    match verify_from(&check, None, context) {
        Err(FlowError::Discs(DiscsError::NoDiscs(_) | DiscsError::Unusable { .. })) => {
            Ok(VerifyReport::default())
        }
        Ok(found) => match found.gone.first() {
            Some(gone) => Err(gone.absence.clone().into()),
            None => Ok(found),
        },
        Err(error) => Err(error),
    }
}

/// Whether there is nothing that recovery data could repair.
fn has_right_bytes(found: &VerifyReport) -> bool {
    let is_right = |disc: &CheckedDisc| disc.finding() == Finding::Ok || disc.is_incoherent;
    found.unreadable == 0 && found.discs.iter().all(is_right)
}

/// How many of the files are whole, and not as coldcut writes them.
fn incoherent(found: &VerifyReport) -> u64 {
    let discs = found.discs.iter().filter(|disc| disc.is_incoherent);
    discs.map(|disc| disc.faults as u64).sum()
}

/// How many files are not whole; `None` where that cannot be told.
fn damaged(found: &VerifyReport, files: usize) -> Option<usize> {
    match &found.discs[..] {
        [disc] if disc.is_incoherent => Some(0),
        [disc] => Some(disc.faults),
        _ if found.unreadable > 0 => Some(files),
        _ => None,
    }
}

/// Keeps words back that may turn out to be out of date; the rest is passed on.
struct HeldEvents {
    to: Monitor,
    heard: Heard,
}

impl HeldEvents {
    fn over(monitor: &Monitor) -> Arc<HeldEvents> {
        Arc::new(HeldEvents { to: monitor.clone(), heard: Heard::default() })
    }

    fn tell_notes(&self) {
        let notes = self.heard.notes.lock();
        let said = notes.iter().flat_map(|notes| notes.iter()).cloned();
        said.for_each(|notice| self.to.note(notice));
    }

    fn tell(&self) {
        let troubles = self.heard.troubles.lock();
        let told = troubles.iter().flat_map(|troubles| troubles.iter());
        told.for_each(|trouble| self.to.trouble(trouble));
        self.tell_notes();
    }
}

impl Listener for HeldEvents {
    fn hear(&self, event: &Event) {
        match event {
            Event::Note(_) | Event::Trouble(_) => self.heard.hear(event),
            other => self.to.repeat(other),
        }
    }
}
