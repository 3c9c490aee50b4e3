//! The guard against an emptied source: compares the scan with the previous snapshot and stops a
//! run before anything is packed if most of the files are gone. A disk that is not mounted looks
//! like deleted files; only their number gives it away.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::catalog::{
    Catalog, CatalogError, ContentId, FileIdentity, SetId, SnapshotInfo, SnapshotSize, Vanished,
};
use crate::flow::backup::compare::{ComparisonBase, SourceComparison};
use crate::flow::backup::request::BackupRequest;
use crate::flow::backup::scan::scan;
use crate::flow::backup::scan_log::ScanLog;
use crate::flow::backup::writer::DiscWriter;
use crate::flow::base::refusal::refusal_words;
use crate::flow::{Context, FlowError};
use crate::model::{Bytes, Digest, Reason, RelPath, RunRefusal, SnapshotSeq};
use crate::pack::reader::FileReading;
use crate::port::clock::Moment;
use crate::port::event::Activity;
use crate::port::monitor::NewTask;
use crate::port::mounts::{is_bare, mount_points};
use crate::port::question::{Answer, Question};
use crate::scan::content::Source;

/// Below so many files a share says little: one more holiday folder would be most of it.
const FEW: u64 = 20;

/// Percent of the files, or of their bytes, that may be gone without a question.
pub const MAY_SHRINK: u8 = 50;

/// A scan whose rows are kept only if the source is what it was, or somebody agrees. Nobody else
/// who writes the catalog waits while the source is walked, files are read or a person is asked.
pub(super) fn guarded_scan(
    request: &BackupRequest,
    writer: &DiscWriter,
    catalog: &mut Catalog,
    seq: SnapshotSeq,
    begun: HashMap<SnapshotSeq, Moment>,
) -> Result<SourceComparison, FlowError> {
    let (set, context) = (writer.set.id, writer.context);
    let last = catalog.newest_snapshot(set)?;
    let last = catalog.snapshots(set)?.into_iter().find(|info| Some(info.seq) == last);
    // A first scan has nothing to lose, and may be of very many rows: they are recorded as they
    // come.
    let is_first = seq.0 == 1;
    let mut log = ScanLog::new(&writer.staging.scratch())?;
    let known = ComparisonBase {
        catalog: Some(&mut *catalog),
        set: Some(set),
        seq: Some(seq),
        begun,
        log: (!is_first).then_some(&mut log),
    };
    let compared = scan(request, known, context)?;
    let mounts = mount_points().map(|points| below(&points, &request.source));
    let mounts = mounts.as_deref();
    let last = last.filter(|_| !request.allow_shrink && !is_first);
    let guard = last.map(|last| Guard { request, context, set, seq, last, mounts });
    // Only now: until it is judged, what was mounted at the last scan counts.
    let remember = |catalog: &mut Catalog| -> Result<(), FlowError> {
        mounts.map_or(Ok(()), |mounts| Ok(catalog.remember_mounts(set, mounts)?))
    };
    let kept = catalog.attempt(|catalog| {
        log.apply(catalog, set, seq)?;
        let suspicion = guard.as_ref().map(|guard| guard.weigh(catalog, &compared)).transpose()?;
        match suspicion.flatten() {
            Some(suspicion) => Err(Weighed::Suspect(Box::new(suspicion))),
            None => Ok(remember(catalog)?),
        }
    });
    match (kept, guard) {
        (Ok(()), _) => {}
        (Err(Weighed::Failed(error)), _) => return Err(error),
        (Err(Weighed::Suspect(suspicion)), Some(guard)) => {
            guard.decide(catalog, &compared, *suspicion)?;
            catalog.attempt(|catalog| {
                log.apply(catalog, set, seq)?;
                remember(catalog)
            })?;
        }
        (Err(Weighed::Suspect(_)), None) => {}
    }
    Ok(compared)
}

/// Why the rows of a scan are taken back.
enum Weighed {
    /// What is gone may be a mistake: it is looked into, and perhaps asked about, before they are
    /// recorded once more.
    Suspect(Box<Suspicion>),
    Failed(FlowError),
}

impl From<FlowError> for Weighed {
    fn from(error: FlowError) -> Weighed {
        Weighed::Failed(error)
    }
}

impl From<CatalogError> for Weighed {
    fn from(error: CatalogError) -> Weighed {
        Weighed::Failed(error.into())
    }
}

/// Mount points at the source and in it, relative to it.
fn below(points: &[PathBuf], source: &Path) -> Vec<RelPath> {
    let relative = |point: &PathBuf| {
        let inside = point.strip_prefix(source).ok()?;
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(inside.as_os_str());
        RelPath::new(if bytes.is_empty() { b"." } else { bytes })
    };
    points.iter().filter_map(relative).collect()
}

struct Guard<'a> {
    request: &'a BackupRequest<'a>,
    context: Context<'a>,
    set: SetId,
    /// The run in progress.
    seq: SnapshotSeq,
    last: SnapshotInfo,
    /// Now; `None`: nobody knows.
    mounts: Option<&'a [RelPath]>,
}

/// Files that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct GoneTotals {
    files: u64,
    bytes: u64,
}

impl GoneTotals {
    fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
    }

    fn take(&mut self, size: u64) {
        self.files = self.files.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }

    /// More than so many percent of a state that is worth counting.
    fn is_too_much(&self, of: &SnapshotSize, percent: u8) -> bool {
        let more =
            |gone: u64, all: u64| u128::from(gone) * 100 > u128::from(all) * u128::from(percent);
        of.files >= FEW && (more(self.files, of.files) || more(self.bytes, of.bytes.0))
    }
}

/// What is gone, in all and below each directory that lost its mount.
struct MissingFiles {
    gone: GoneTotals,
    below: Vec<(RelPath, GoneTotals)>,
}

/// What of the state before is gone, as far as the rows tell.
struct Suspicion {
    before: SnapshotSize,
    /// All that is gone, what has another name now too.
    all: GoneTotals,
    missing: MissingFiles,
    /// Contents that are looked for in new files: what they would be found to be.
    wanted: HashMap<Digest, Vec<(RelPath, u64)>>,
    /// New files of their sizes.
    arrivals: Vec<(RelPath, u64)>,
}

impl Guard<'_> {
    /// Looks at the rows of this scan, which are in the catalog for the moment. `None`: nothing is
    /// gone that anybody would ask about.
    fn weigh(
        &self,
        catalog: &Catalog,
        compared: &SourceComparison,
    ) -> Result<Option<Suspicion>, FlowError> {
        if compared.removed + compared.rows == 0 {
            return Ok(None);
        }
        // Each run before this one was agreed to: what stood at its end is what may not go.
        let before = catalog.extent(self.set, SnapshotSeq(self.seq.0 - 1))?;
        let missing = self.missing(catalog, compared, self.lost_mounts(catalog)?, &|_| true)?;
        let (wanted, arrivals) = Default::default();
        let mut seen = Suspicion { before, all: missing.gone, missing, wanted, arrivals };
        if self.is_suspect(&seen) {
            self.look_for_other_names(catalog, compared, &mut seen)?;
        }
        Ok(self.reason(compared, &seen).is_some().then_some(seen))
    }

    /// Looks into what is suspect, and asks.
    fn decide(
        &self,
        catalog: &mut Catalog,
        compared: &SourceComparison,
        mut seen: Suspicion,
    ) -> Result<(), FlowError> {
        self.look_into_arrivals(&mut seen)?;
        let Some((reason, gone)) = self.reason(compared, &seen) else { return Ok(()) };
        let why = RunRefusal {
            reason,
            files: gone.files,
            bytes: Bytes(gone.bytes),
            of_files: seen.before.files,
            of_bytes: seen.before.bytes,
        };
        let source = self.request.source.clone();
        let (snapshot, date) = (self.last.seq, self.last.started);
        let words = refusal_words(&why, &source, snapshot, date);
        let question = Question::BackUpShrunk {
            set: self.request.name.clone(),
            dir: source,
            why: why.clone(),
            snapshot,
            date,
        };
        match self.context.operator.ask(question) {
            Answer::Yes => Ok(()),
            _ => {
                catalog.refuse_snapshot(self.set, self.seq, &why)?;
                Err(FlowError::Shrunk { why: why.into(), words })
            }
        }
    }

    fn is_suspect(&self, seen: &Suspicion) -> bool {
        seen.missing.below.iter().any(|(_, gone)| gone.files > 0)
            || seen.missing.gone.is_too_much(&seen.before, self.request.max_shrink)
    }

    fn reason(
        &self,
        compared: &SourceComparison,
        seen: &Suspicion,
    ) -> Option<(Reason, GoneTotals)> {
        let missing = &seen.missing;
        if let Some((dir, gone)) = missing.below.iter().find(|(_, gone)| gone.files > 0) {
            return Some((Reason::Unmounted(dir.clone()), *gone));
        }
        // The root alone was there before, too.
        if compared.is_empty_source && seen.before.paths > 1 {
            return Some((Reason::Empty, seen.all));
        }
        let too_much = missing.gone.is_too_much(&seen.before, self.request.max_shrink);
        too_much.then_some((Reason::Shrunk, missing.gone))
    }

    /// Directories that were mount points at the last scan and are empty directories now, on the
    /// file system around them. Another device number alone means nothing: btrfs has one for each
    /// subvolume, and network file systems change theirs.
    fn lost_mounts(&self, catalog: &Catalog) -> Result<Vec<RelPath>, FlowError> {
        let Some(now) = self.mounts else { return Ok(Vec::new()) };
        let was = catalog.mounts(self.set)?;
        let is_lost = |dir: &RelPath| {
            let place = self.request.source.join(dir.as_path());
            !now.contains(dir) && is_bare(&place).unwrap_or(false)
        };
        Ok(was.into_iter().filter(is_lost).collect())
    }

    /// Counts the files that are gone and `counts`.
    fn missing(
        &self,
        catalog: &Catalog,
        compared: &SourceComparison,
        bare: Vec<RelPath>,
        counts: &dyn Fn(&Vanished) -> bool,
    ) -> Result<MissingFiles, FlowError> {
        let below = bare.into_iter().map(|dir| (dir, GoneTotals::default())).collect();
        let mut missing = MissingFiles { gone: GoneTotals::default(), below };
        catalog.vanished(self.set, self.seq, |file| {
            if !is_left_out(&file.path, &compared.left_out) && counts(&file) {
                missing.gone.add(file.size);
                if let Some(gone) = missing.of(&file.path) {
                    gone.add(file.size);
                }
            }
        })?;
        Ok(missing)
    }

    /// Counts again without what only has another name, as far as the catalog knows; of the rest it
    /// notes what to look for in new files.
    fn look_for_other_names(
        &self,
        catalog: &Catalog,
        compared: &SourceComparison,
        seen: &mut Suspicion,
    ) -> Result<(), FlowError> {
        let (mut names, mut contents) =
            (HashSet::<FileIdentity>::new(), HashSet::<ContentId>::new());
        catalog.living(self.set, |name, content| {
            names.insert(name);
            contents.extend(content);
        })?;
        let is_elsewhere = |file: &Vanished| {
            names.contains(&file.identity) || file.content.is_some_and(|id| contents.contains(&id))
        };
        let bare = seen.missing.below.drain(..).map(|(dir, _)| dir).collect();
        seen.missing = self.missing(catalog, compared, bare, &|file| !is_elsewhere(file))?;
        if !self.is_suspect(seen) {
            return Ok(());
        }
        let mut sizes = HashSet::new();
        catalog.vanished(self.set, self.seq, |file| {
            let counts = !is_left_out(&file.path, &compared.left_out) && !is_elsewhere(&file);
            if let Some(digest) = file.digest.filter(|_| counts) {
                sizes.insert(file.size);
                seen.wanted.entry(digest).or_default().push((file.path, file.size));
            }
        })?;
        seen.arrivals = catalog.arrivals(self.set, |size| sizes.contains(&size))?;
        Ok(())
    }

    /// Reads new files that are as large as one that is gone. It costs what the run would read
    /// anyway, and only where the run would be stopped otherwise.
    fn look_into_arrivals(&self, seen: &mut Suspicion) -> Result<(), FlowError> {
        let Suspicion { missing, wanted, arrivals, .. } = seen;
        let mut source = Source::open(&self.request.source)?;
        let total = arrivals.iter().map(|(_, size)| size).sum();
        let new = NewTask::new(Activity::Reading).total(total);
        let _task = (!arrivals.is_empty()).then(|| self.context.monitor.begin(new));
        for (path, _) in arrivals {
            self.context.stop.check()?;
            let Some(digest) = self.digest_of(&mut source, path)? else { continue };
            for (path, size) in wanted.remove(&digest).into_iter().flatten() {
                missing.gone.take(size);
                if let Some(gone) = missing.of(&path) {
                    gone.take(size);
                }
            }
        }
        Ok(())
    }

    /// What cannot be read is not the file that is looked for; the run will say so.
    fn digest_of(&self, source: &mut Source, path: &RelPath) -> Result<Option<Digest>, FlowError> {
        let Ok(entry) = source.look_again(path) else { return Ok(None) };
        let Ok(reading) = FileReading::open(source, entry) else { return Ok(None) };
        let read = reading.digest_ahead(|_| Ok(self.context.stop.check()?))?;
        Ok(read.ok().flatten())
    }
}

impl MissingFiles {
    /// The count of the directory without its mount that this path was in.
    fn of(&mut self, path: &RelPath) -> Option<&mut GoneTotals> {
        let is_in = |dir: &RelPath| is_within(path, dir);
        self.below.iter_mut().find(|(dir, _)| is_in(dir)).map(|(_, gone)| gone)
    }
}

fn is_within(path: &RelPath, dir: &RelPath) -> bool {
    let mut names = path.components();
    dir.components().all(|name| names.next() == Some(name))
}

/// By a rule, or in a directory that is: nobody deleted it.
fn is_left_out(path: &RelPath, left_out: &HashSet<RelPath>) -> bool {
    let mut at = (!left_out.is_empty()).then(|| path.clone());
    while let Some(path) = at {
        if left_out.contains(&path) {
            return true;
        }
        at = path.parent();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn more_than_the_share_counts_and_a_handful_of_files_does_not() {
        let of =
            |files, bytes| SnapshotSize { files, bytes: Bytes(bytes), ..SnapshotSize::default() };
        let gone = |files, bytes| GoneTotals { files, bytes };
        assert!(!gone(10, 100).is_too_much(&of(20, 200), 50));
        assert!(gone(11, 100).is_too_much(&of(20, 200), 50));
        assert!(gone(1, 101).is_too_much(&of(20, 200), 50));
        assert!(!gone(19, 190).is_too_much(&of(19, 190), 50));
        assert!(!gone(20, 200).is_too_much(&of(20, 200), 100));
        assert!(gone(1, 0).is_too_much(&of(20, 200), 0));
        assert!(gone(u64::MAX / 2 + 2, 0).is_too_much(&of(u64::MAX, u64::MAX), 50));
    }

    #[test]
    fn what_is_below_a_rule_is_left_out_and_its_neighbours_are_not() {
        let rules: HashSet<RelPath> = [path("a/b")].into();
        for (of, is) in [("a/b", true), ("a/b/c/d", true), ("a", false), ("a/bc", false)] {
            assert_eq!(is_left_out(&path(of), &rules), is, "{of}");
        }
        assert!(is_within(&path("a/b"), &RelPath::root()) && is_within(&path("a/b"), &path("a")));
        assert!(!is_within(&path("ab"), &path("a")) && !is_within(&path("a"), &path("a/b")));
    }

    #[test]
    fn mount_points_are_told_relative_to_the_source() {
        let points = ["/", "/mnt", "/mnt/a", "/mnt/a/b c", "/mntx"].map(PathBuf::from);
        assert_eq!(below(&points, Path::new("/mnt")), [path("."), path("a"), path("a/b c")]);
        assert_eq!(below(&points, Path::new("/home")), Vec::<RelPath>::new());
    }
}
