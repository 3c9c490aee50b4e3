//! The staging area: where discs wait, packed, until a verified copy of each exists.
//!
//! ```text
//! STAGING/                        0700
//!   scratch/                      unlinked spools, the catalog's export
//!   SET-UUID8/NNNN/               one disc, as it will be burned
//!   SET-UUID8/group-NNNN/         sums for recovery discs, and their log
//!   SET-UUID8/NNNN/.rows/         the rows of INDEX until the disc is closed, or, of a set for
//!                                 recipients, filled up no more; never burned
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::{
    ArchiveRecord, ClosedDiscInfo, ClosedDiscRecord, DiscFileRecord, DiscInfo, KnownSet, NewDisc,
};
use crate::codec::bzip2_frames::Bzip2Frames;
use crate::codec::openpgp::Signer;
use crate::drive::BurnJob;
use crate::format::by_hand::Facts;
use crate::format::disc_txt::DiscTxt;
use crate::format::heading::{BeforeLine, Heading, SnapshotLine, SourceLine};
use crate::format::volume;
use crate::model::disc::{Description, archive_path};
use crate::model::rows::RunLine;
use crate::model::{
    Bytes, Digest, DiscIdentity, DiscNo, DiscUuid, Format, ListingFlags, Sectors, SnapshotSeq,
};
use crate::pack::closing;
use crate::pack::estimate::Estimate;
use crate::pack::filler::DiscInWork;
use crate::pack::room::Room;
use crate::pack::rows;
use crate::pack::staged::StagedFile;
use crate::port::clock::Moment;
use crate::port::files::{
    SPOOL_END, free_space, make_private_dir, remove_abandoned, unless_missing,
};
use crate::recovery::striping::data_capacity;

use crate::flow::FlowError;

/// The directory, made when first used.
#[derive(Clone, Debug)]
pub struct Staging {
    root: PathBuf,
}

/// What the texts of a set's discs have in common in one run.
pub struct SetTexts<'a> {
    pub set: &'a KnownSet,
    pub seq: SnapshotSeq,
    pub key_ids: Vec<String>,
    /// Every snapshot so far that ended, and this one.
    pub snapshots: Vec<SnapshotLine>,
    pub long_paths: bool,
    pub signer: Option<&'a Signer>,
    pub bzip2: Arc<Bzip2Frames>,
}

/// What a run needs in the staging area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// With less it does not begin.
    pub least: Bytes,
    /// With this a disc is packed while the one before still waits to become safe.
    pub ahead: Bytes,
    /// What each further disc takes that is with the drives at once.
    further: Bytes,
    /// No more is ever staged than this.
    most: Bytes,
}

impl Need {
    /// What it takes to pack a disc while so many others, one at least, are with the drives.
    pub fn beside(&self, discs: usize) -> Bytes {
        let further = self.further.0.saturating_mul(discs.saturating_sub(1) as u64);
        Bytes(self.ahead.0.saturating_add(further).min(self.most.0))
    }
}

/// `image`: a whole image of the disc that is burned is made in staging. `shared`: the shelf's
/// images fill the same file system, and one disc more must not take the last one's room.
pub fn need(list: &Estimate, capacity: Sectors, image: bool, shared: bool) -> Need {
    let disc = capacity.bytes().0;
    let when = |yes: bool, bytes: u64| if yes { bytes } else { 0 };
    let least = list.staging.0 + when(image, disc.min(list.on_discs.0));
    let second = list.on_discs.0.saturating_sub(disc).min(disc);
    let ahead = least + second + when(shared, list.on_discs.0);
    let further = disc + when(image, disc);
    let images = when(image, list.on_discs.0);
    let most = (least + list.on_discs.0 + images + when(shared, list.on_discs.0)).max(ahead);
    Need { least: Bytes(least), ahead: Bytes(ahead), further: Bytes(further), most: Bytes(most) }
}

impl Staging {
    pub fn open(root: &Path) -> Result<Staging, FlowError> {
        let staging = Staging { root: root.to_owned() };
        let scratch = staging.scratch();
        make_private_dir(&scratch).map_err(|source| FlowError::Staging {
            path: scratch,
            what: "cannot be created",
            source,
        })?;
        Ok(staging)
    }

    /// To be looked at: nothing is made.
    pub fn at(root: &Path) -> Staging {
        Staging { root: root.to_owned() }
    }

    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// Takes away what a process left that was killed or lost its power: catalogs in clear on their way
    /// onto discs, or from them, and spools.
    pub fn clear_scratch(&self) -> Result<(), FlowError> {
        [".export", ".export-journal", ".sqlite", ".sqlite-journal", SPOOL_END]
            .into_iter()
            .try_for_each(|end| {
                remove_abandoned(&self.scratch(), end).map_err(|source| FlowError::Staging {
                    path: self.scratch(),
                    what: "cannot be cleared",
                    source,
                })
            })
    }

    /// All that is staged of a set.
    pub fn set_dir(&self, set: &KnownSet) -> PathBuf {
        let uuid = set.facts.uuid.to_string();
        let short = uuid.get(..8).unwrap_or(&uuid);
        self.root.join(format!("{}-{short}", set.facts.name))
    }

    pub fn disc_dir(&self, set: &KnownSet, disc: DiscNo) -> PathBuf {
        self.set_dir(set).join(format!("{:04}", disc.0))
    }

    /// Whether anything of a set is here: discs that are open or closed, or a group in progress.
    pub fn has_any(&self, set: &KnownSet) -> Result<bool, FlowError> {
        let dir = self.set_dir(set);
        match fs::read_dir(&dir) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FlowError::Staging { path: dir, what: "cannot be read", source }),
        }
    }

    /// A set that is forgotten leaves nothing.
    pub fn remove_set(&self, set: &KnownSet) -> Result<(), FlowError> {
        let dir = self.set_dir(set);
        unless_missing(fs::remove_dir_all(&dir)).map_err(|source| FlowError::Staging {
            path: dir,
            what: "cannot be removed",
            source,
        })
    }

    /// Space is asked for before work begins, in numbers: less than `need` is an error, and the
    /// answer is whether there is room for `wish`.
    pub fn check_space(&self, need: Bytes, wish: Bytes) -> Result<bool, FlowError> {
        let what = "cannot report its free space";
        // A dry run makes no staging area.
        let place = self.root.ancestors().find(|place| place.exists()).unwrap_or(&self.root);
        let free = free_space(place).map_err(|source| FlowError::Staging {
            path: self.root.clone(),
            what,
            source,
        })?;
        if need.0 > free {
            let dir = self.root.clone();
            return Err(FlowError::StagingFull { dir, need, free: Bytes(free) });
        }
        Ok(wish.0 <= free)
    }

    /// Whether what is written to this directory, which may not be made yet, takes staging's free
    /// space.
    pub fn shares_with(&self, dir: &Path) -> bool {
        let device = |path: &Path| {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let there = [path, above.unwrap_or(Path::new("."))];
            there.iter().find_map(|path| fs::metadata(path).ok()).map(|found| found.dev())
        };
        device(dir).is_some_and(|one| device(&self.root) == Some(one))
    }

    /// Where the recovery discs of a group grow.
    pub fn group_dir(&self, set: &KnownSet, name: &str) -> PathBuf {
        self.disc_dir(set, DiscNo(0)).with_file_name(name)
    }

    /// A verified disc needs its staging no more.
    pub fn remove(&self, set: &KnownSet, disc: DiscNo) -> Result<(), FlowError> {
        let dir = self.disc_dir(set, disc);
        unless_missing(fs::remove_dir_all(&dir)).map_err(|source| FlowError::Staging {
            path: dir,
            what: "cannot be removed",
            source,
        })
    }

    /// A closed disc's rows are in its INDEX; of an encrypted set nothing shall lie about in clear
    /// that is not needed.
    pub fn drop_rows(&self, set: &KnownSet, disc: DiscNo) -> Result<(), FlowError> {
        let dir = self.disc_dir(set, disc);
        rows::drop_rows(&dir).map_err(|source| FlowError::Staging {
            path: dir,
            what: "cannot be cleared",
            source,
        })
    }

    /// Removes what a killed run left in the disc's directory without recording it. Listings and
    /// texts stay until new ones take their place: of a disc that was closed before they are whole.
    pub fn clear_strangers(
        &self,
        set: &KnownSet,
        disc: DiscNo,
        archives: &[ArchiveRecord],
    ) -> Result<(), FlowError> {
        let dir = self.disc_dir(set, disc);
        let mut known: Vec<PathBuf> =
            archives.iter().map(|archive| dir.join(archive_file(archive).path)).collect();
        known.extend(archives.iter().map(|a| rows::rows_file(&dir, a.number.0)));
        let is_ours = |path: &Path| {
            let name = path.strip_prefix(&dir).ok().and_then(Path::to_str);
            known.iter().any(|one| one == path) || name.is_some_and(closing::is_text)
        };
        remove_others(&dir, &is_ours).map_err(|source| FlowError::Staging {
            path: dir.clone(),
            what: "cannot be cleared",
            source,
        })
    }

    /// Removes all that is not on the disc, which is closed: what it had when it was closed before.
    /// `and_rows`: the rows of INDEX stay, too.
    pub fn keep_only(
        &self,
        set: &KnownSet,
        disc: DiscNo,
        files: &[DiscFileRecord],
        and_rows: bool,
    ) -> Result<(), FlowError> {
        let dir = self.disc_dir(set, disc);
        let known: Vec<PathBuf> = files.iter().map(|file| dir.join(&file.path)).collect();
        let is_row = |path: &Path| and_rows && rows::is_rows_file(&dir, path);
        let is_ours = |path: &Path| known.iter().any(|one| one == path) || is_row(path);
        remove_others(&dir, &is_ours).map_err(|source| FlowError::Staging {
            path: dir.clone(),
            what: "cannot be cleared",
            source,
        })
    }

    /// Whether every one of these files is there at its size.
    pub fn holds(&self, set: &KnownSet, disc: DiscNo, files: &[(String, u64)]) -> bool {
        let dir = self.disc_dir(set, disc);
        files.iter().all(|(path, size)| {
            fs::metadata(dir.join(path)).is_ok_and(|found| found.len() == *size)
        })
    }
}

/// Removes every file below `dir` that is none of ours.
fn remove_others(dir: &Path, is_ours: &dyn Fn(&Path) -> bool) -> std::io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, is_ours)?;
        } else if !is_ours(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// An archive's path and size on its disc.
pub fn archive_file(archive: &ArchiveRecord) -> StagedFile {
    StagedFile {
        path: archive_path(archive.number, archive.compression, archive.encrypted),
        size: archive.size.0,
        sha256: archive.sha256,
    }
}

impl SetTexts<'_> {
    pub fn facts(&self, disc: DiscNo, uuid: DiscUuid, date: &str) -> Facts {
        let facts = &self.set.facts;
        Facts {
            id: facts.identity(disc, uuid),
            snapshot: self.seq,
            date: date.to_owned(),
            source: source_bytes(&facts.source),
            encryption: facts.encryption,
            key_ids: self.key_ids.clone(),
            zstd: facts.compression == crate::model::disc::Compression::Zstd,
            long_paths: self.long_paths && !facts.encryption.is_on(),
            has_snapshot: true,
            parity: facts.parity,
            signed: self.signer.is_some(),
        }
    }

    pub fn disc_txt(&self, disc: (DiscNo, DiscUuid, Format), date: &str) -> DiscTxt {
        let facts = &self.set.facts;
        let (disc, uuid, format) = disc;
        DiscTxt {
            format,
            id: facts.identity(disc, uuid),
            snapshot: self.seq,
            date: date.to_owned(),
            coldcut: env!("CARGO_PKG_VERSION").to_owned(),
            encryption: facts.encryption,
            compression: facts.compression,
            parity: facts.parity,
            listings: ListingFlags {
                index: true,
                snapshot: true,
                history: format != Format::One,
                catalog: true,
            },
            description: match format {
                Format::One => Description::default(),
                Format::Two => self.set.description.clone(),
            },
            group: None,
        }
    }

    /// A disc to fill: its room already holds the texts and what a former run packed.
    pub fn disc_in_work(
        &self,
        staging: &Staging,
        disc: &NewDisc,
        archives: &[ArchiveRecord],
        first_of_run: bool,
    ) -> DiscInWork {
        let NewDisc { number, uuid, capacity, format } = *disc;
        let date = Moment::now().to_string();
        // Recovery discs must fit on the same media.
        let usable = match self.set.facts.parity_discs {
            Some(ratio) => data_capacity(capacity, ratio),
            None => capacity,
        };
        let mut room = Room::new(usable).with_recovery(self.set.facts.parity);
        for (path, size) in closing::text_sizes(
            &self.facts(number, uuid, &date),
            &self.disc_txt((number, uuid, format), &date),
            room.capacity(),
        ) {
            room.put(&path, size);
        }
        if let Some(signer) = self.signer {
            room.put(closing::SIGNATURE, signer.longest());
            if format != Format::One {
                room.put(closing::SIGNER, signer.certificate().len() as u64);
            }
        }
        for file in archives.iter().map(archive_file) {
            room.put(&file.path, file.size);
        }
        let dir = staging.disc_dir(self.set, number);
        let mut work = DiscInWork::new(number, dir, room, first_of_run);
        work.format = format;
        work.bzip2 = Arc::clone(&self.bzip2);
        work
    }

    /// What the listings of a disc begin with. `before`: the discs that were closed before it, and
    /// `run`: what the run of the snapshot says of itself.
    pub fn heading(
        &self,
        disc: &NewDisc,
        before: Vec<(DiscNo, DiscUuid, Option<Digest>)>,
        run: Vec<RunLine>,
    ) -> Heading {
        let facts = &self.set.facts;
        let before = before.into_iter().map(|(disc, uuid, sums)| BeforeLine { disc, uuid, sums });
        Heading {
            format: disc.format,
            id: facts.identity(disc.number, disc.uuid),
            snapshot: self.seq,
            snapshots: self.snapshots.clone(),
            before: before.collect(),
            sources: vec![SourceLine { name: None, path: source_bytes(&facts.source) }],
            run,
        }
    }

    /// Packed discs as the catalog keeps them.
    pub fn closed(&self, closed: closing::ClosedDisc, at: Moment) -> ClosedDiscRecord {
        let listings = closed.listings;
        ClosedDiscRecord {
            image: closed.sectors,
            closed: at,
            snapshot: self.seq,
            listings,
            listing: listings.snapshot.then_some(self.seq),
            files: closed
                .files
                .into_iter()
                .map(|f| crate::catalog::DiscFileRecord {
                    path: f.path,
                    size: Bytes(f.size),
                    sha256: f.sha256,
                })
                .collect(),
        }
    }
}

pub fn source_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

pub fn label<C>(set: &KnownSet, disc: &DiscInfo<C>) -> DiscIdentity {
    set.facts.identity(disc.number, disc.uuid)
}

/// Everything that decides the disc's bytes: catalog and INDEX at the disc's beginning, archives in
/// their order after them, recovery data at its end.
pub fn burn_job(
    staging: &Staging,
    set: &KnownSet,
    disc: &ClosedDiscInfo,
    files: &[crate::catalog::DiscFileRecord],
) -> BurnJob {
    let dir = staging.disc_dir(set, disc.number);
    let mut paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let place = |path: &str| match path.split_once('/') {
        None => 0,
        Some((crate::recovery::DIRECTORY, _)) => 2,
        Some(_) => 1,
    };
    paths.sort_by_key(|path| (place(path), path.clone()));
    let (volume_date, volume_set, application) = match (disc.format, disc.closing.at) {
        (Format::Two, Some(closed)) => (
            volume::volume_date(&closed.to_string()),
            volume::volume_set_id(set.facts.uuid),
            volume::application_id(disc.uuid),
        ),
        _ => (volume::volume_date_by_uuid(disc.uuid), String::new(), String::new()),
    };
    BurnJob {
        image: None,
        label: label(set, disc),
        volume_id: volume::volume_id(disc.number, &set.facts.name),
        volume_date,
        volume_set,
        application,
        files: paths.into_iter().map(|path| (path.clone(), dir.join(path))).collect(),
        sectors: disc.closing.image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    /// Discs of 25 GB, 1 GB for scratch.
    fn list(on_discs: u64) -> Estimate {
        let staging = Bytes(on_discs.min(25 * GB) + GB);
        Estimate { discs: on_discs.div_ceil(25 * GB), on_discs: Bytes(on_discs), staging }
    }

    fn gigabytes(on_discs: u64, image: bool, shared: bool) -> (u64, u64) {
        let need = need(&list(on_discs * GB), Bytes(25 * GB).sectors(), image, shared);
        ((need.least.0 + GB / 2) / GB, (need.ahead.0 + GB / 2) / GB)
    }

    #[test]
    fn packing_ahead_takes_room_for_one_disc_more_and_no_more_than_there_is_to_pack() {
        assert_eq!(gigabytes(100, false, false), (26, 51));
        assert_eq!(gigabytes(35, false, false), (26, 36));
        assert_eq!(gigabytes(20, false, false), (21, 21));
    }

    #[test]
    fn each_further_drive_takes_room_for_one_disc_more_as_long_as_there_are_discs() {
        let beside = |on_discs: u64, image, discs| {
            let need = need(&list(on_discs * GB), Bytes(25 * GB).sectors(), image, false);
            (need.beside(discs).0 + GB / 2) / GB
        };
        assert_eq!([1, 2, 3].map(|discs| beside(200, false, discs)), [51, 76, 101]);
        assert_eq!([1, 2].map(|discs| beside(200, true, discs)), [76, 126]);
        assert_eq!(beside(20, false, 5), 41, "never more than there is, and the disc in progress");
    }

    #[test]
    fn images_that_are_made_in_staging_or_beside_it_are_reckoned_with() {
        assert_eq!(gigabytes(100, true, false), (51, 76));
        assert_eq!(gigabytes(20, true, false), (41, 41));
        assert_eq!(gigabytes(100, false, true), (26, 151));
    }

    #[test]
    fn too_little_space_is_an_error_and_space_for_one_disc_is_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(dir.path()).unwrap();
        let (none, all) = (Bytes(0), Bytes(u64::MAX));
        assert!(staging.check_space(none, none).unwrap());
        assert!(!staging.check_space(none, all).unwrap());
        let words = staging.check_space(all, all).unwrap_err().to_string();
        assert!(words.contains("is free"), "{words}");
        assert!(staging.shares_with(&dir.path().join("scratch")));
        assert!(!staging.shares_with(Path::new("/proc")));
    }
}
