//! Damaged discs that carry recovery data: repaired in scratch, when nothing else helps, and read
//! from there as if they were whole. To a restore a mended disc is one more copy, the last one.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use uuid::Uuid;

use crate::codec::openpgp::Checker;
use crate::drive::{Absence, BestEffortReader, DiscFile, DiscReader, Folder, ReadError, Volume};
use crate::format::DiscTxt;
use crate::model::disc::Encryption;
use crate::model::size::SECTOR;
use crate::model::{Bytes, Carrier, DiscIdentity, DiscNo, RelPath, Sectors};
use crate::port::event::Activity;
use crate::port::files::{create_own, free_space, make_private_dir, open_own_to_read};
use crate::port::held_dir::HeldDir;
use crate::port::monitor::{Monitor, NewTask, RunningTask};
use crate::port::notice::{DiscOrMedium, RecoveryNotice};
use crate::port::stop::{Heeding, Stop};
use crate::recovery::packets::{Collector, CoveredFile, RecoverySet, copy_packets};
use crate::recovery::program::{self, Repair};
use crate::recovery::{DIRECTORY, MAIN, is_recovery_data};

use crate::flow::library::inventory::{FoundDisc, identify, is_plain_content};
use crate::flow::library::signatures::distrust;
use crate::flow::{Context, chain};

/// Where discs are repaired. Each is repaired once, and only if something is read from it.
pub struct Repairer<'a> {
    scratch: PathBuf,
    /// Recovery data is signed by nobody: what it makes must match the disc's signature.
    signed_by: Option<&'a Checker>,
    monitor: &'a Monitor,
    stop: &'a Stop,
    /// What became of each disc, by the title of its first copy.
    done: Mutex<HashMap<String, Arc<OnceLock<RepairResult>>>>,
}

/// A repaired disc, or why there is none.
type RepairResult = Result<Arc<Workplace>, String>;

/// A disc's files in scratch; they go when nobody reads them any more.
pub struct Workplace {
    pub folder: Folder,
    _dir: Removed,
}

/// A directory that is removed with all that is in it.
pub(in crate::flow) struct Removed(pub PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What cannot be removed is in scratch and nothing else.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(in crate::flow) fn in_words(path: &Path) -> impl Fn(io::Error) -> String + use<> {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}

pub(in crate::flow) fn check_room(dir: &Path, need: u64) -> Result<(), String> {
    let free = free_space(dir).map_err(in_words(dir))?;
    match need > free {
        true => Err(format!(
            "{} needs {} and {} is free; free some space, or use another staging area",
            dir.display(),
            Bytes(need),
            Bytes(free)
        )),
        false => Ok(()),
    }
}

/// A disc as it would be if it were repaired.
pub struct RepairableDisc<'m> {
    repairer: &'m Repairer<'m>,
    found: &'m FoundDisc,
    files: Vec<DiscFile>,
}

impl<'a> Repairer<'a> {
    pub fn new(
        scratch: &Path,
        signed_by: Option<&'a Checker>,
        context: Context<'a>,
    ) -> Repairer<'a> {
        let (monitor, stop) = (context.monitor, context.stop);
        Repairer { scratch: scratch.to_owned(), signed_by, monitor, stop, done: Mutex::default() }
    }

    /// The disc once more, to be tried after its copies. `None` if it carries no recovery data.
    pub fn offer<'m>(&'m self, found: &'m FoundDisc) -> Option<RepairableDisc<'m>> {
        if !found.copies.iter().any(|copy| has_recovery_data(&**copy)) {
            return None;
        }
        let mut files: Vec<DiscFile> = Vec::new();
        for file in found.copies.iter().flat_map(|copy| copy.files()) {
            if files.iter().all(|known| known.path != file.path) {
                files.push(DiscFile::without_place(&file.path, file.size));
            }
        }
        let described = described(&Repairer::copies(found, None));
        for covered in described.map(|set| set.files).unwrap_or_default() {
            let path = covered.path.to_string();
            if files.iter().all(|known| known.path != path) {
                files.push(DiscFile::without_place(&path, Bytes(covered.size)));
            }
        }
        if found.txt.encryption != Encryption::None {
            // Recovery data is made by anybody, too.
            files.retain(|file| !is_plain_content(&file.path));
        }
        Some(RepairableDisc { repairer: self, found, files })
    }

    /// The readers to try, in order: the disc's copies, and itself repaired.
    pub fn copies<'m>(
        found: &'m FoundDisc,
        repairable: Option<&'m RepairableDisc<'m>>,
    ) -> Vec<&'m dyn DiscReader> {
        let repaired = repairable.map(|repairable| repairable as &dyn DiscReader);
        found.copies.iter().map(|copy| &**copy).chain(repaired).collect()
    }

    /// The disc is done with: its room in scratch is free again.
    pub fn forget(&self, found: &FoundDisc) {
        self.done().remove(&key(found));
    }

    /// The files of a disc, repaired; `None` if it has no recovery data, or too little.
    pub fn folder(&self, disc: &dyn DiscReader) -> Option<Arc<Workplace>> {
        let medium = DiscOrMedium::Medium { medium: disc.title() };
        has_recovery_data(disc).then(|| self.mend(&[disc], medium).ok())?
    }

    /// The same, as a disc of its own.
    pub fn repaired(&self, disc: &dyn DiscReader) -> Option<Box<dyn DiscReader>> {
        let files = self.folder(disc)?;
        let (title, volume, image) = (disc.title(), disc.volume(), disc.image_sectors());
        let (medium, is_in_a_drive) = (disc.medium(), disc.is_in_a_drive());
        Some(Box::new(Repaired { title, medium, volume, image, is_in_a_drive, files }))
    }

    /// Another medium comes into the drive: what was there is not there any more.
    pub fn forget_all(&self) {
        self.done().clear();
    }

    /// Who a disc is whose `DISC.txt` cannot be read, if its recovery data has it.
    pub fn name(&self, reader: &dyn DiscReader) -> Option<DiscTxt> {
        if !has_recovery_data(reader) {
            return None;
        }
        let title = reader.title();
        let medium = DiscOrMedium::Medium { medium: title.clone() };
        let mended = self.once(&title, || self.mend(&[reader], medium)).ok()?;
        identify(&mended.folder).ok().map(|(txt, _)| txt)
    }

    fn done(&self) -> MutexGuard<'_, HashMap<String, Arc<OnceLock<RepairResult>>>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who wants the same waits meanwhile, and nobody else.
    fn once(&self, key: &str, mend: impl FnOnce() -> RepairResult) -> RepairResult {
        let result = self.done().entry(key.to_owned()).or_default().clone();
        result.get_or_init(mend).clone()
    }

    fn mended(&self, found: &FoundDisc) -> RepairResult {
        let copies = Repairer::copies(found, None);
        let DiscIdentity { set, number: disc, .. } = found.label();
        let mend = || self.mend(&copies, DiscOrMedium::Disc { set, disc });
        self.once(&key(found), mend)
    }

    fn mend(&self, copies: &[&dyn DiscReader], what: DiscOrMedium) -> RepairResult {
        let number = match &what {
            DiscOrMedium::Disc { disc, .. } => Some(*disc),
            DiscOrMedium::Medium { .. } => None,
        };
        self.monitor.note(RecoveryNotice::Repairing { what: what.clone() }.into());
        let dir = self.scratch.join(format!("mended-{}", Uuid::new_v4()));
        let mended = self.mend_in(copies, number, dir);
        match &mended {
            Ok(_) => self.monitor.note(RecoveryNotice::Repaired { what }.into()),
            Err(_) if self.stop.check().is_err() => {}
            Err(why) => {
                let why = why.clone().into();
                self.monitor.note(RecoveryNotice::NotRepaired { what, why }.into());
            }
        }
        mended
    }

    fn mend_in(
        &self,
        copies: &[&dyn DiscReader],
        number: Option<DiscNo>,
        dir: PathBuf,
    ) -> RepairResult {
        program::check(self.stop).map_err(|error| chain(&error))?;
        make_private_dir(&dir).map_err(in_words(&dir))?;
        let removed = Removed(dir);
        let dir = &removed.0;
        let total = self.check_space(copies, dir)?;
        let covered = self.copy_and_repair(copies, number, dir, total)?;
        let mut known = paths(copies);
        known.extend(covered.into_iter().map(|file| file.path.to_string()));
        remove_replaced(dir, &known)?;
        let folder = Folder::open(dir).map_err(|error| chain(&error))?;
        if let Some(checker) = self.signed_by {
            let doubt = distrust(&folder, checker, self.stop).map_err(|e| e.to_string())?;
            doubt.map_or(Ok(()), |doubt| Err(doubt.what))?;
        }
        Ok(Arc::new(Workplace { folder, _dir: removed }))
    }

    /// What the recovery data covers is whole in `dir` then.
    fn copy_and_repair(
        &self,
        copies: &[&dyn DiscReader],
        number: Option<DiscNo>,
        dir: &Path,
        total: u64,
    ) -> Result<Vec<CoveredFile>, String> {
        let new = NewTask { disc: number, ..NewTask::new(Activity::Repairing).total(total) };
        let task = self.monitor.begin(new);
        let block = described(copies).map_or(SECTOR, |set| set.block);
        let of_recovery_data =
            self.copy_out(copies, dir, &task, |path| match is_recovery_data(path) {
                true => Some(u64::MAX),
                false => Some(block),
            })?;
        match self.repair(dir, total, &task) {
            // What was skipped next to bad sectors may be a whole packet: it takes a drive hours
            // to try that, so it comes last.
            Err(_) if of_recovery_data > 0 => {
                self.stop.check().map_err(|stopped| stopped.to_string())?;
                self.copy_out(copies, dir, &task, |path| is_recovery_data(path).then_some(SECTOR))?;
                self.repair(dir, total, &task)
            }
            repaired => repaired,
        }
    }

    fn repair(
        &self,
        dir: &Path,
        total: u64,
        task: &RunningTask,
    ) -> Result<Vec<CoveredFile>, String> {
        let covered = covered_files(dir, self.stop)?;
        let par2 = par2_file(dir).ok_or("no recovery data can be read")?;
        let mut watch = |percent| task.done(total / 100 * percent);
        match program::repair(dir, total, &par2, None, &mut watch, self.stop) {
            Ok(Repair::Done) => Ok(covered),
            Ok(Repair::TooMuchLost) => Err("more is lost than it can repair".to_owned()),
            Err(error) => Err(chain(&error)),
        }
    }

    /// The files of an image whose directory is lost, into a new directory `name` in `parent`:
    /// recovery data tells what they were, and `par2` finds their blocks in the image.
    pub fn files_of_image(
        &self,
        image: &Path,
        parent: &HeldDir,
        name: &OsStr,
    ) -> Result<HeldDir, String> {
        let at = parent.path().join(name);
        let failed = in_words(&at);
        let mut collector = Collector::default();
        File::open(image)
            .and_then(|file| collector.read(Heeding::new(file, self.stop)))
            .map_err(&failed)?;
        let set = covers_all(&collector)?;
        program::check(self.stop).map_err(|error| chain(&error))?;
        let dir = parent.make_held(name).map_err(&failed)?;
        match self.repair_from_image(image, &set, &dir.held_path(), &failed)? {
            Repair::Done => Ok(dir),
            Repair::TooMuchLost => {
                // Nothing is in it.
                let _ = parent.remove_dir(name);
                Err("more is lost than recovery data can repair".to_owned())
            }
        }
    }

    fn repair_from_image(
        &self,
        image: &Path,
        set: &RecoverySet,
        dir: &Path,
        failed: &dyn Fn(io::Error) -> String,
    ) -> Result<Repair, String> {
        let total = fs::metadata(image).map_err(failed)?.len();
        let task = self.monitor.begin(NewTask::new(Activity::Repairing).total(total));
        let mut watch = |percent| task.done(total / 100 * percent);
        let image = std::path::absolute(image).map_err(failed)?;
        // par2 tells its own files by their names, and looks at nothing outside of the directory.
        let [par2, blocks] = ["disc.par2", "disc.iso"].map(|name| dir.join(name));
        // Archives may hold recovery data of somebody's own: par2 meets none but the disc's.
        let copied = File::create_new(&par2).and_then(|mut packets| {
            let content = Heeding::new(File::open(&image)?, self.stop);
            copy_packets(content, set, &mut packets)
        });
        copied.map_err(failed)?;
        std::os::unix::fs::symlink(&image, &blocks).map_err(failed)?;
        let repaired = program::repair(dir, total, &par2, Some(&blocks), &mut watch, self.stop);
        for made in [&par2, &blocks] {
            fs::remove_file(made).map_err(failed)?;
        }
        repaired.map_err(|error| chain(&error))
    }

    /// Bytes to copy, if there is room for them and for new ones of what is damaged.
    fn check_space(&self, copies: &[&dyn DiscReader], dir: &Path) -> Result<u64, String> {
        let sizes =
            paths(copies).into_iter().filter_map(|path| BestEffortReader::open(copies, &path));
        let sizes: Vec<u64> = sizes.map(|content| content.size()).collect();
        let total: u64 = sizes.iter().sum();
        let need = total + sizes.iter().max().unwrap_or(&0);
        check_room(dir, need)?;
        Ok(total)
    }

    /// Whatever can be read of the files of the disc for which `pieces` says how many bytes are
    /// given up together, with zeros for the rest. Gives how many zeros are in recovery data.
    fn copy_out(
        &self,
        copies: &[&dyn DiscReader],
        dir: &Path,
        task: &RunningTask,
        pieces: impl Fn(&str) -> Option<u64>,
    ) -> Result<u64, String> {
        let (mut done, mut missing) = (0, 0);
        for path in paths(copies) {
            let Some(piece) = pieces(&path) else { continue };
            let Some(content) = BestEffortReader::open(copies, &path) else { continue };
            let (to, mut content) = (dir.join(&path), content.in_pieces(piece));
            done += self.copy_file(&mut content, &to, done, task).map_err(in_words(&to))?;
            missing += if is_recovery_data(&path) { content.missing } else { 0 };
        }
        Ok(missing)
    }

    fn copy_file(
        &self,
        content: &mut BestEffortReader,
        to: &Path,
        before: u64,
        task: &RunningTask,
    ) -> io::Result<u64> {
        make_private_dir(to.parent().unwrap_or(to))?;
        let mut file = create_own(to)?;
        let mut buffer = vec![0; 1 << 20];
        let mut copied = 0;
        loop {
            self.stop.check().map_err(io::Error::other)?;
            match content.read(&mut buffer)? {
                0 => return Ok(copied),
                read => {
                    file.write_all(&buffer[..read])?;
                    copied += read as u64;
                    task.done(before + copied);
                }
            }
        }
    }
}

/// par2 keeps the damaged files beside the repaired ones, with a number behind their names
/// (par2(1)). They are no files of the disc, and take room.
fn remove_replaced(dir: &Path, known: &[String]) -> Result<(), String> {
    let folder = Folder::open(dir).map_err(|error| chain(&error))?;
    for file in folder.files().iter().filter(|file| !known.contains(&file.path)) {
        let path = dir.join(&file.path);
        fs::remove_file(&path).map_err(in_words(&path))?;
    }
    Ok(())
}

/// What the recovery data covers: a file may be gone from the directory.
fn described(copies: &[&dyn DiscReader]) -> Option<RecoverySet> {
    let mut collector = Collector::default();
    // What cannot be read of it tells nothing.
    let _ = collector.read(BestEffortReader::open(copies, MAIN)?.in_pieces(SECTOR));
    collector.finish()
}

fn has_recovery_data(reader: &dyn DiscReader) -> bool {
    reader.files().iter().any(|file| is_recovery_data(&file.path))
}

/// Media of one disc are repaired together, and the first of them stands for all.
fn key(found: &FoundDisc) -> String {
    found.copies.first().map(|copy| copy.title()).unwrap_or_default()
}

/// The files of a disc, as its copies list them. A name that leads elsewhere is none of ours.
fn paths(copies: &[&dyn DiscReader]) -> Vec<String> {
    let mut paths: Vec<String> = copies
        .iter()
        .flat_map(|copy| copy.files())
        .map(|file| file.path.clone())
        .filter(|path| RelPath::new(path.as_bytes()).is_some())
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// What the recovery data in a directory covers. It may be anybody's: a name in it that leads out
/// of the directory is not handed to a program that writes there.
fn covered_files(dir: &Path, stop: &Stop) -> Result<Vec<CoveredFile>, String> {
    let mut collector = Collector::default();
    for path in par2_files(dir) {
        open_own_to_read(&path)
            .and_then(|file| collector.read(Heeding::new(file, stop)))
            .map_err(|error| error.to_string())?;
    }
    check_set(collector)
}

fn check_set(collector: Collector) -> Result<Vec<CoveredFile>, String> {
    if collector.is_mixed() {
        return Err("its recovery data is of more than one set".to_owned());
    }
    let set = collector.finish().ok_or("there is no recovery data that can be used")?;
    match is_ours(&set) {
        true => Ok(set.files),
        false => Err("its recovery data names files that it cannot cover".to_owned()),
    }
}

fn is_ours(set: &RecoverySet) -> bool {
    !set.files.is_empty()
        && set.files.iter().all(|file| crate::recovery::covers(&file.path.to_string()))
}

/// Among all sets that an image holds, the one that covers the image's disc. Images of discs may be
/// among the files that a disc holds: it covers more than they do.
fn covers_all(collector: &Collector) -> Result<RecoverySet, String> {
    let size = |set: &RecoverySet| set.source_blocks().saturating_mul(set.block);
    let set = collector.sets().filter(is_ours).max_by_key(size);
    set.ok_or_else(|| "there is no recovery data that can be used".to_owned())
}

/// The main file, or what is there of the others: each describes the set.
fn par2_file(dir: &Path) -> Option<PathBuf> {
    let main = dir.join(MAIN);
    if main.exists() { Some(main) } else { par2_files(dir).into_iter().next() }
}

fn par2_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(DIRECTORY)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "par2"));
    files.sort();
    files
}

/// A disc that was repaired, and stands for itself.
struct Repaired {
    title: String,
    medium: Carrier,
    volume: Option<Volume>,
    image: Option<Sectors>,
    is_in_a_drive: bool,
    files: Arc<Workplace>,
}

impl DiscReader for Repaired {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn is_in_a_drive(&self) -> bool {
        self.is_in_a_drive
    }

    fn medium(&self) -> Carrier {
        self.medium.clone()
    }

    fn files(&self) -> &[DiscFile] {
        self.files.folder.files()
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        self.files.folder.read_at(file, offset, buf)
    }

    fn absence(&self) -> Option<Absence> {
        self.files.folder.absence()
    }

    fn volume(&self) -> Option<Volume> {
        self.volume.clone()
    }

    fn image_sectors(&self) -> Option<Sectors> {
        self.image
    }
}

impl DiscReader for RepairableDisc<'_> {
    fn title(&self) -> String {
        format!("{}, repaired", self.found.label())
    }

    fn medium(&self) -> Carrier {
        let first = self.found.copies.first();
        first.map_or_else(|| Carrier::Words(self.title()), |copy| copy.medium())
    }

    fn files(&self) -> &[DiscFile] {
        &self.files
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        let failed = |words: String| ReadError::Io {
            disc: self.title(),
            path: file.path.clone(),
            source: io::Error::other(words),
        };
        let mended = self.repairer.mended(self.found).map_err(failed)?;
        let there = mended.folder.file(&file.path);
        let whole = there.ok_or_else(|| failed("is missing".to_owned()))?;
        mended.folder.read_at(whole, offset, buf)
    }

    /// It is made of the disc's copies.
    fn absence(&self) -> Option<Absence> {
        self.found.copies.iter().find_map(|copy| copy.absence())
    }

    fn volume(&self) -> Option<Volume> {
        self.found.copies.iter().find_map(|copy| copy.volume())
    }

    fn image_sectors(&self) -> Option<Sectors> {
        None
    }
}
