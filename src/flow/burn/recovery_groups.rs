//! Recovery discs of a set (format 11): each disc is taken into the group in progress before its
//! staging goes, and when the group is full its recovery discs are made and burned.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::catalog::{
    Catalog, ClosedDiscInfo, ClosedDiscRecord, DiscFileRecord, DiscInfo, DiscState, KnownSet,
    NewDisc, Part,
};
use crate::drive::{DiscReader, image_sectors};
use crate::format::by_hand::{GroupFacts, format_txt, recovery_readme};
use crate::format::disc_txt::{self, DiscTxt};
use crate::format::sums::list_sums;
use crate::model::disc::Ratio;
use crate::model::{Bytes, Digest, DiscNo, DiscUuid, Format, ListingFlags, Sectors, SnapshotSeq};
use crate::port::clock::{Moment, pause};
use crate::port::event::{Activity, Reached};
use crate::port::files::{
    hold, make_private_dir, rename_durably, sync_dir, unless_missing, write_atomic,
};
use crate::port::monitor::NewTask;
use crate::port::notice::RecoveryNotice;
use crate::port::stop::Stopped;
use crate::recovery::group::OpenGroup;
use crate::recovery::striping::{STRIPES, data_capacity, recovery_path, stripe_size};

use crate::flow::base::turn::unless_in_use;
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError};

/// How the directories of groups are called, with the number of their first disc after it.
const IN_WORK: &str = "group-";
const FULL: &str = "full-";
/// The group in progress is to be closed as soon as no disc waits that would come to it.
const CLOSING: &str = "closing";

/// Between two looks whether another drive is done with a group.
const LOOK: Duration = Duration::from_millis(200);

/// Whether a disc with these files is a recovery disc.
fn is_recovery_disc(files: &[DiscFileRecord]) -> bool {
    files.iter().any(|file| file.path.split('/').next() == Some(STRIPES))
}

/// When a group is closed that was asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupClosing {
    Now,
    WhenBurned,
}

/// The recovery discs of a set, as far as they are made.
pub struct Grouping<'a> {
    staging: &'a Staging,
    set: &'a KnownSet,
    context: Context<'a>,
}

impl<'a> Grouping<'a> {
    pub fn new(staging: &'a Staging, set: &'a KnownSet, context: Context<'a>) -> Grouping<'a> {
        Grouping { staging, set, context }
    }

    /// Takes a disc into the group in progress, if the set has recovery discs. A disc that is in
    /// one already is not taken again. Only the thread that has the drives calls this.
    pub fn take(
        &self,
        disc: &ClosedDiscInfo,
        files: &[DiscFileRecord],
        medium: &dyn DiscReader,
    ) -> Result<(), FlowError> {
        let Some(ratio) = self.set.facts.parity_discs else { return Ok(()) };
        let image = disc.closing.image;
        if is_recovery_disc(files) {
            return Ok(());
        }
        let _alone = self.alone()?;
        if self.is_taken(disc)? {
            return Ok(());
        }
        if image > data_capacity(disc.capacity, ratio) {
            self.context.monitor.note(RecoveryNotice::NotCovered { disc: disc.number }.into());
            return Ok(());
        }
        let mut group = self.group_for(disc, ratio)?;
        self.add_image(&mut group, disc, medium)?;
        if is_full(&group) { self.set_aside(&group.dir) } else { Ok(()) }
    }

    /// The sums of a group are changed by one drive at a time, whichever coldcut has it.
    fn alone(&self) -> Result<File, FlowError> {
        let dir = self.staging.set_dir(self.set);
        make_private_dir(&dir).map_err(trouble(&dir))?;
        let held = File::open(&dir).map_err(trouble(&dir))?;
        loop {
            match hold(&held) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    pause(LOOK, self.context.stop)?;
                }
                done => return done.map(|()| held).map_err(trouble(&dir)),
            }
        }
    }

    fn is_taken(&self, disc: &ClosedDiscInfo) -> Result<bool, FlowError> {
        for prefix in [IN_WORK, FULL] {
            for dir in self.groups(prefix)? {
                let members = OpenGroup::members_of(&dir).map_err(trouble(&dir))?;
                if members.contains(&disc.uuid) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The group in progress, or a new one where there is none that the disc can join.
    fn group_for(&self, disc: &ClosedDiscInfo, ratio: Ratio) -> Result<OpenGroup, FlowError> {
        let stripe = stripe_size(disc.capacity);
        for dir in self.groups(IN_WORK)? {
            let Some(group) = OpenGroup::open(&dir).map_err(trouble(&dir))? else { continue };
            if group.unfinished().is_some_and(|member| member.uuid != disc.uuid) {
                self.give_up(&group)?;
            } else if group.stripe == stripe && group.ratio == ratio {
                return Ok(group);
            } else {
                // Discs of another size, or another ratio: the old group is closed as it is.
                self.set_aside(&dir)?;
            }
        }
        let dir = self.staging.group_dir(self.set, &format!("{IN_WORK}{:04}", disc.number.0));
        OpenGroup::begin(&dir, ratio, stripe).map_err(trouble(&dir))
    }

    /// A part of a disc that never came to be is in the sums: they are worth nothing.
    fn give_up(&self, group: &OpenGroup) -> Result<(), FlowError> {
        let whole = group.members.iter().filter(|member| member.is_whole);
        let discs: Vec<DiscNo> = whole.map(|member| member.disc).collect();
        self.context.monitor.note(RecoveryNotice::GroupGivenUp { discs }.into());
        OpenGroup::remove(&group.dir).map_err(trouble(&group.dir))
    }

    /// Directories of groups whose name begins so, in order.
    fn groups(&self, prefix: &str) -> Result<Vec<PathBuf>, FlowError> {
        let place = self.staging.group_dir(self.set, "");
        let entries = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(trouble(&place))?,
        };
        let mut dirs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(trouble(&place))?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                dirs.push(entry.path());
            }
        }
        dirs.sort();
        Ok(dirs)
    }

    /// Nothing more comes to this group: its recovery discs can be made, by another thread, too.
    fn set_aside(&self, dir: &Path) -> Result<(), FlowError> {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().replacen(IN_WORK, FULL, 1);
        rename_durably(dir, &dir.with_file_name(name)).map_err(trouble(dir))
    }

    /// Whether the group in progress is to be closed early, and was not yet.
    pub fn is_to_close(&self) -> bool {
        self.staging.group_dir(self.set, CLOSING).exists()
    }

    /// Closes the group in progress with the discs that are staged now: at once, or, if they are to
    /// be burned and read back before, when that is done. While no disc is in the drives.
    pub fn close_with(&self, catalog: &Catalog) -> Result<GroupClosing, FlowError> {
        if self.has_to_come(catalog)? {
            let mark = self.staging.group_dir(self.set, CLOSING);
            make_private_dir(mark.parent().unwrap_or(&mark))
                .and_then(|()| write_atomic(&mark, b"", 0o600))
                .map_err(trouble(&mark))?;
            return Ok(GroupClosing::WhenBurned);
        }
        self.close_all()?;
        Ok(GroupClosing::Now)
    }

    /// Discs that wait for a burner, and will be taken into the group then.
    fn has_to_come(&self, catalog: &Catalog) -> Result<bool, FlowError> {
        if self.set.facts.parity_discs.is_none() {
            return Ok(false);
        }
        for disc in catalog.discs(self.set.id)? {
            let waits = matches!(disc.state, DiscState::Staged | DiscState::Failed);
            if waits && catalog.covered_by(self.set.id, disc.number)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The group in progress is closed as it is. While no disc is in the drives.
    pub fn close_all(&self) -> Result<(), FlowError> {
        self.unmark()?;
        for dir in self.groups(IN_WORK)? {
            let group = OpenGroup::open(&dir).map_err(trouble(&dir))?;
            let is_whole =
                |group: &OpenGroup| group.unfinished().is_none() && !group.members.is_empty();
            if group.as_ref().is_some_and(is_whole) {
                self.set_aside(&dir)?;
            }
        }
        Ok(())
    }

    fn unmark(&self) -> Result<(), FlowError> {
        let mark = self.staging.group_dir(self.set, CLOSING);
        unless_missing(fs::remove_file(&mark)).map_err(trouble(&mark))
    }

    /// Closes the group in progress, if that was asked for, and makes the recovery discs that can be
    /// made. If another coldcut changes the set now, it makes them, or the next run does.
    pub fn make_due(&self, catalog: &mut Catalog) -> Result<Vec<ClosedDiscInfo>, FlowError> {
        let Some(_held) = unless_in_use(catalog.hold(Part::Set(self.set.id)))? else {
            return Ok(Vec::new());
        };
        if self.is_to_close() {
            self.close_with(catalog)?;
        }
        self.make(catalog)
    }

    /// Makes the recovery discs of all groups that are closed; they are staged then.
    pub fn make(&self, catalog: &mut Catalog) -> Result<Vec<ClosedDiscInfo>, FlowError> {
        let mut made = Vec::new();
        for dir in self.groups(FULL)? {
            if let Some(group) = OpenGroup::open(&dir).map_err(trouble(&dir))? {
                // A run that was killed may have made some of them.
                for exponent in self.count_made(catalog, &group)?..group.ratio.recovery {
                    made.push(self.make_recovery_disc(catalog, &group, exponent)?);
                }
            }
            OpenGroup::remove(&dir).map_err(trouble(&dir))?;
        }
        Ok(made)
    }

    /// How many recovery discs of a group the catalog knows.
    fn count_made(&self, catalog: &Catalog, group: &OpenGroup) -> Result<u32, FlowError> {
        let mut discs = numbers(group);
        discs.sort();
        let groups = catalog.recovery_groups(self.set.id)?;
        let known = groups.into_iter().find(|known| known.discs == discs);
        Ok(known.map_or(0, |known| known.recovery.len() as u32))
    }

    /// The image is read from the medium that was just verified: what is on it, and nothing else,
    /// is what the others must make again.
    fn add_image(
        &self,
        group: &mut OpenGroup,
        disc: &ClosedDiscInfo,
        medium: &dyn DiscReader,
    ) -> Result<(), FlowError> {
        let Context { monitor, stop, .. } = self.context;
        let image = disc.closing.image.bytes();
        let need = Bytes(image.0 * u64::from(group.ratio.recovery));
        self.staging.check_space(need, need)?;
        let new = NewTask::new(Activity::Protecting).disc(disc.number).total(image.0);
        let task = monitor.begin(new);
        let mut read = |at, buf: &mut [u8]| read_whole(medium, at, buf);
        let mut watch = |done| task.done(done);
        let taken = group.take(disc.number, disc.uuid, image.0, &mut read, &mut watch, stop);
        if let (Err(_), Some(absence)) = (&taken, medium.absence()) {
            return Err(absence.into());
        }
        taken.map_err(|error| match error.downcast::<Stopped>() {
            Ok(stopped) => stopped.into(),
            Err(error) => trouble(&group.dir)(error),
        })
    }

    /// Packs the next recovery disc; it is staged then, as any other disc.
    fn make_recovery_disc(
        &self,
        catalog: &mut Catalog,
        group: &OpenGroup,
        exponent: u32,
    ) -> Result<ClosedDiscInfo, FlowError> {
        let discs = catalog.discs(self.set.id)?;
        let members = group.members.iter();
        let covered = members.map(|member| (member.disc, member.taken())).collect();
        let of_group = |disc: &&DiscInfo| group.has(disc.uuid);
        let capacity = discs.iter().filter(of_group).map(|disc| disc.capacity).max();
        let new = NewDisc {
            number: catalog.next_disc(self.set.id)?,
            uuid: DiscUuid(Uuid::new_v4()),
            capacity: capacity.unwrap_or_default(),
            format: Format::Two,
        };
        let dir = self.staging.disc_dir(self.set, new.number);
        self.staging.remove(self.set, new.number)?;
        let now = Moment::now();
        let _task = self.context.monitor.begin(NewTask::new(Activity::Protecting).disc(new.number));
        let mut files = self.write_stripes(group, exponent, &dir)?;
        let seq = newest_snapshot(catalog, self.set)?;
        for (path, text) in self.texts_of(group, exponent, &new, covered, now, seq) {
            files.push(put(&dir, path, text.as_bytes())?);
        }
        let sums = list_sums(files.iter().map(|file| (file.path.as_str(), file.sha256)));
        files.push(put(&dir, "SHA256SUMS", &sums)?);
        sync_dir(&dir).map_err(trouble(&dir))?;
        let sizes: Vec<(&str, Bytes)> = files.iter().map(|f| (f.path.as_str(), f.size)).collect();
        let closed = ClosedDiscRecord {
            image: image_sectors(&sizes),
            closed: now,
            snapshot: seq,
            listings: ListingFlags::default(),
            listing: None,
            files,
        };
        catalog.stage_recovery_disc(self.set.id, &new, &numbers(group), &closed)?;
        self.context.monitor.disc(new.number, Reached::Staged);
        let made = catalog.disc(self.set.id, new.number)?.and_then(DiscInfo::closed);
        made.ok_or_else(|| FlowError::NothingStaged(format!(" as disc {}", new.number)))
    }

    fn write_stripes(
        &self,
        group: &OpenGroup,
        exponent: u32,
        dir: &Path,
    ) -> Result<Vec<DiscFileRecord>, FlowError> {
        let mut files = Vec::new();
        for number in 0..group.stripes() {
            self.context.stop.check()?;
            let content = group.recovery_file(number, exponent).map_err(trouble(dir))?;
            files.push(put(dir, &recovery_path(number, exponent), &content)?);
        }
        Ok(files)
    }

    fn texts_of(
        &self,
        group: &OpenGroup,
        exponent: u32,
        new: &NewDisc,
        covered: Vec<(DiscNo, Sectors)>,
        now: Moment,
        snapshot: SnapshotSeq,
    ) -> [(&'static str, String); 3] {
        let facts = &self.set.facts;
        let (member, of, stripe) = (exponent + 1, group.ratio.recovery, group.stripe);
        let discs = covered.iter().map(|(disc, _)| *disc).collect();
        let disc_txt = DiscTxt {
            format: new.format,
            id: facts.identity(new.number, new.uuid),
            snapshot,
            date: now.to_string(),
            coldcut: env!("CARGO_PKG_VERSION").to_owned(),
            encryption: facts.encryption,
            compression: facts.compression,
            parity: 0,
            listings: ListingFlags::default(),
            description: self.set.description.clone(),
            group: Some(disc_txt::RecoveryRole { discs, member, of, stripe }),
        };
        let readme = recovery_readme(&GroupFacts {
            id: facts.identity(new.number, new.uuid),
            snapshot,
            date: now.to_string(),
            member,
            of,
            stripe,
            discs: covered,
        });
        [
            ("DISC.txt", disc_txt.to_text()),
            ("FORMAT.txt", format_txt().to_owned()),
            ("README.txt", readme + "\n" + &disc_txt.repeated()),
        ]
    }
}

fn newest_snapshot(catalog: &Catalog, set: &KnownSet) -> Result<SnapshotSeq, FlowError> {
    let snapshots = catalog.snapshots(set.id)?;
    Ok(snapshots.last().map_or(SnapshotSeq(1), |snapshot| snapshot.seq))
}

/// The discs of a group, in the order in which they came.
fn numbers(group: &OpenGroup) -> Vec<DiscNo> {
    group.members.iter().map(|member| member.disc).collect()
}

fn is_full(group: &OpenGroup) -> bool {
    let whole = group.members.iter().filter(|member| member.is_whole).count();
    whole >= group.ratio.data as usize
}

fn put(dir: &Path, path: &str, content: &[u8]) -> Result<DiscFileRecord, FlowError> {
    let file = dir.join(path);
    let parent = file.parent().unwrap_or(dir);
    make_private_dir(parent)
        .and_then(|()| write_atomic(&file, content, 0o600))
        .map_err(trouble(&file))?;
    let sha256 = Digest(Sha256::digest(content).into());
    Ok(DiscFileRecord { path: path.to_owned(), size: Bytes(content.len() as u64), sha256 })
}

fn read_whole(medium: &dyn DiscReader, at: u64, buf: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buf.len() {
        match medium.read_image(Bytes(at + filled as u64), &mut buf[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

fn trouble(path: &Path) -> impl Fn(io::Error) -> FlowError + use<> {
    let path: PathBuf = path.to_owned();
    move |source| FlowError::Staging {
        path: path.clone(),
        what: "cannot be used for recovery discs",
        source,
    }
}
