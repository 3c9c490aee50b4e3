//! A content on its way into the target: one temporary file, copied to the other paths that it goes
//! to, and given its name only if its hash is right. Its parts may come in any order, and from
//! several threads: what comes in order is hashed on the way, the rest is read back for it.

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::index::Fetch;
use super::place::{Complaint, PlaceError, Target, TempFile};
use super::plan::{PlannedContent, PlannedItem, RestorePlan};
use crate::codec::read_member::{MemberError, ReadMember};
use crate::model::{Digest, Kind};
use crate::port::stop::{Stop, Stopped};

/// Bytes in hand.
const BUFFER: usize = 256 << 10;
/// A file with holes gets its holes back when it is copied: runs of zeros of this length.
const PAGE: usize = 4096;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Why a member could not be taken.
#[derive(Debug)]
pub enum MemberFailure {
    /// The disc is at fault: another copy of it may help.
    Disc(String),
    /// The target is.
    Target(PlaceError),
    Stopped,
}

impl From<Stopped> for MemberFailure {
    fn from(_: Stopped) -> MemberFailure {
        MemberFailure::Stopped
    }
}

impl From<PlaceError> for MemberFailure {
    fn from(error: PlaceError) -> MemberFailure {
        MemberFailure::Target(error)
    }
}

impl From<MemberError> for MemberFailure {
    fn from(error: MemberError) -> MemberFailure {
        MemberFailure::Disc(in_words(&error))
    }
}

/// An error and what it came from, on one line.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// What became of one path.
pub type Landed = (usize, Result<Vec<Complaint>, PlaceError>);

/// One file in progress, for one thread that reads it whole, or for several that read its parts.
pub struct Assembly {
    temp: TempFile,
    /// Whose place the temporary file is beside.
    leader: usize,
    size: u64,
    state: Mutex<AssemblyState>,
}

struct AssemblyState {
    parts: Vec<PartState>,
    /// Of the content up to a place in it; in hand while the part that begins there is read.
    hashed: Option<(Sha256, u64)>,
    has_holes: bool,
    /// The file is as long as the content.
    has_end: bool,
}

/// Where a part is in the content: it comes in its own time, not in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartState {
    Missing,
    /// A thread is at it.
    InHand,
    There(WholeRange),
}

/// Bytes of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WholeRange {
    begin: u64,
    end: u64,
}

/// One member on its way into the file.
struct Pouring<'p> {
    temp: &'p TempFile,
    stop: &'p Stop,
    /// Of the whole content, if all before is in it.
    whole: Option<Sha256>,
    /// Of the part. It is checked by itself: so it is known which disc is at fault.
    part: Option<Sha256>,
    /// The next byte of the content, and how far bytes were written.
    at: u64,
    written: u64,
}

impl Assembly {
    /// Begins the file, which comes in so many parts, beside the first path that lets it; the
    /// others' errors are given back.
    pub fn begin(
        plan: &RestorePlan,
        content: usize,
        parts: usize,
        target: &Target,
    ) -> (Option<Assembly>, Vec<Landed>) {
        let mut barred = Vec::new();
        let PlannedContent { size, targets, .. } = &plan.contents[content];
        for &leader in targets {
            match target.begin_file(&plan.items[leader].row.path) {
                Err(error) => barred.push((leader, Err(error))),
                Ok(temp) => {
                    let parts = vec![PartState::Missing; parts];
                    let hashed = Some((Sha256::new(), 0));
                    let state = AssemblyState { parts, hashed, has_holes: false, has_end: false };
                    let (size, state) = (*size, Mutex::new(state));
                    return (Some(Assembly { temp, leader, size, state }), barred);
                }
            }
        }
        (None, barred)
    }

    fn state(&self) -> MutexGuard<'_, AssemblyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the content of one member: a part of the file, or (0) all of it. After a failure all is
    /// as before, and the member may be taken from another copy of the disc.
    pub fn take(
        &self,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
        stop: &Stop,
    ) -> Result<(), MemberFailure> {
        let part = fetch.part.saturating_sub(1) as usize;
        let begin = if fetch.part == 0 { 0 } else { fetch.file_offset };
        let (before, mut pouring) = self.begin_part(part, begin, fetch, stop)?;
        let taken = pouring.take(fetch, member, input);
        let Pouring { whole, at, written, .. } = pouring;
        let erased = match &taken {
            Ok(()) => Ok(()),
            // Else what was written would stand where the other copy's member has holes.
            Err(_) => self.temp.erase(begin, written.saturating_sub(begin)),
        };
        let mut state = self.state();
        let is_taken = taken.is_ok();
        state.has_holes |= is_taken && member.sparse.is_some();
        state.has_end |= is_taken && written == self.size;
        state.parts[part] = match is_taken {
            true => PartState::There(WholeRange { begin, end: at }),
            false => PartState::Missing,
        };
        if let Some(before) = before {
            state.hashed =
                whole.filter(|_| is_taken).map(|hash| (hash, at)).or(Some((before, begin)));
        }
        drop(state);
        taken.and(erased.map_err(MemberFailure::from))
    }

    /// Nobody else is at the part, and the hash of all before it, if that is known, is with it.
    fn begin_part<'p>(
        &'p self,
        part: usize,
        begin: u64,
        fetch: &Fetch,
        stop: &'p Stop,
    ) -> Result<(Option<Sha256>, Pouring<'p>), MemberFailure> {
        let mut state = self.state();
        if begin.checked_add(fetch.size).is_none_or(|end| end > self.size) {
            return Err(MemberFailure::Disc("it is longer than the listing says".to_owned()));
        }
        match state.parts.get_mut(part) {
            Some(known @ PartState::Missing) => *known = PartState::InHand,
            _ => return Err(MemberFailure::Disc(format!("part {} of it is not one", part + 1))),
        }
        let whole = state.hashed.take_if(|(_, at)| *at == begin).map(|(hasher, _)| hasher);
        let own = (fetch.part != 0).then(Sha256::new);
        let pouring = Pouring {
            temp: &self.temp,
            stop,
            whole: whole.clone(),
            part: own,
            at: begin,
            written: begin,
        };
        Ok((whole, pouring))
    }

    /// Whether this part, from 1, was taken.
    pub fn has(&self, part: u32) -> bool {
        let part = part.saturating_sub(1) as usize;
        matches!(self.state().parts.get(part), Some(PartState::There(_)))
    }

    pub fn is_whole(&self) -> bool {
        self.state().parts.iter().all(|part| matches!(part, PartState::There(_)))
    }

    /// Puts the content in place under all its paths, if it is what it must be.
    pub fn finish(
        self,
        plan: &RestorePlan,
        content: usize,
        target: &Target,
        stop: &Stop,
    ) -> Result<Vec<Landed>, MemberFailure> {
        let Assembly { temp, leader, size, state } = self;
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let wanted = &plan.contents[content];
        let is_as_long = state.is_in_one_row(size);
        // Not before it is known: the listing's word for the size may be a lie.
        if is_as_long && !state.has_end {
            temp.set_len(size)?;
        }
        let has_holes = state.has_holes;
        if !is_as_long || state.hash(&temp, size, stop)? != wanted.sha256 {
            return Err(MemberFailure::Disc("what was read does not match its hash".to_owned()));
        }
        let mut landed = Vec::new();
        for &other in wanted.targets.iter().filter(|&&other| other > leader) {
            stop.check()?;
            let copied = copy(&temp, size, has_holes, &plan.items[other], target);
            landed.push((other, copied));
        }
        let PlannedItem { row, replace, .. } = &plan.items[leader];
        landed.push((leader, temp.commit(&row.meta, *replace)));
        Ok(landed)
    }
}

impl AssemblyState {
    /// Whether each part begins where the one before it ends.
    fn is_in_one_row(&self, size: u64) -> bool {
        let mut at = 0;
        let follows = |part: &PartState| match part {
            PartState::There(stretch) => stretch.begin == std::mem::replace(&mut at, stretch.end),
            _ => false,
        };
        self.parts.iter().all(follows) && at == size
    }

    /// What came before its turn is read back.
    fn hash(self, temp: &TempFile, size: u64, stop: &Stop) -> Result<Digest, MemberFailure> {
        let (mut hasher, at) = self.hashed.unwrap_or_default();
        read_back(temp, at, size, |piece, _| {
            stop.check()?;
            hasher.update(piece);
            Ok::<(), MemberFailure>(())
        })?;
        Ok(Digest(hasher.finalize().into()))
    }
}

impl Pouring<'_> {
    fn take(
        &mut self,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
    ) -> Result<(), MemberFailure> {
        let disc = |why: &str| Err(MemberFailure::Disc(why.to_owned()));
        if member.kind != Kind::File || member.size != fetch.size {
            return disc("the archive has another member where the listing says that it is");
        }
        let end = self.pour(member, input)?;
        self.fill_hole(end)?;
        let found = self.part.take().map(|hasher| Digest(hasher.finalize().into()));
        if found.zip(fetch.sha256).is_some_and(|(found, wanted)| found != wanted) {
            return disc("a part of it does not match its hash");
        }
        Ok(())
    }

    fn pour(
        &mut self,
        member: &ReadMember,
        mut input: &mut dyn Read,
    ) -> Result<u64, MemberFailure> {
        let (base, end) = (self.at, self.at + member.size);
        let mut pieces = member.pieces();
        let mut buffer = vec![0; BUFFER.min(member.data_len.max(1) as usize)];
        while let Some((place, length)) = pieces.next(&mut input, &mut buffer)? {
            self.stop.check()?;
            self.fill_hole(base + place)?;
            let piece = &buffer[..length];
            self.temp.write_at(piece, self.at)?;
            self.hash(piece);
            self.written = self.at;
        }
        Ok(end)
    }

    fn fill_hole(&mut self, until: u64) -> Result<(), MemberFailure> {
        while self.at < until {
            self.stop.check()?;
            let zeros = (until - self.at).min(ZEROS.len() as u64) as usize;
            self.hash(&ZEROS[..zeros]);
        }
        Ok(())
    }

    fn hash(&mut self, piece: &[u8]) {
        for hasher in self.whole.iter_mut().chain(&mut self.part) {
            hasher.update(piece);
        }
        self.at += piece.len() as u64;
    }
}

/// Passes on what was written, from `at` up to `end`, with the place of each piece.
fn read_back<E: From<PlaceError>>(
    temp: &TempFile,
    mut at: u64,
    end: u64,
    mut take: impl FnMut(&[u8], u64) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = vec![0; BUFFER.min(end.saturating_sub(at).max(1) as usize)];
    while at < end {
        let most = (end - at).min(buffer.len() as u64) as usize;
        let read = temp.read_back(&mut buffer[..most], at)?;
        take(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

fn copy(
    temp: &TempFile,
    size: u64,
    has_holes: bool,
    item: &PlannedItem,
    target: &Target,
) -> Result<Vec<Complaint>, PlaceError> {
    let copy = target.begin_file(&item.row.path)?;
    read_back(temp, 0, size, |piece, at| write_copy(&copy, piece, at, has_holes))?;
    copy.set_len(size)?;
    copy.commit(&item.row.meta, item.replace)
}

fn write_copy(copy: &TempFile, bytes: &[u8], at: u64, has_holes: bool) -> Result<(), PlaceError> {
    if !has_holes {
        return copy.write_at(bytes, at);
    }
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        if page.iter().any(|&byte| byte != 0) {
            copy.write_at(page, at + (number * PAGE) as u64)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::sparse::SparseMap;
    use crate::model::rows::{FrameSpan, Note, SnapshotRow, Where};
    use crate::model::{ArchiveNo, Meta, RelPath};

    const SIZE: u64 = 16 << 10;

    /// A member of [`SIZE`] bytes whose data stands at these places.
    fn member(regions: &[(u64, u64)]) -> ReadMember {
        let sparse = SparseMap::new(SIZE, regions).unwrap();
        let data_len = regions.iter().map(|(_, length)| length).sum();
        let (name, meta) = (RelPath::new(b"a").unwrap(), Meta::default());
        ReadMember { name, kind: Kind::File, size: SIZE, meta, sparse: Some(sparse), data_len }
    }

    fn planned(content: &[u8]) -> RestorePlan {
        let path = RelPath::new(b"a").unwrap();
        let sha256 = Digest(Sha256::digest(content).into());
        let row = SnapshotRow {
            kind: Kind::File,
            path: path.clone(),
            size: SIZE,
            sha256: Some(sha256),
            place: Where::nothing(),
            meta: Meta { mode: 0o644, ..Meta::default() },
            note: Note::None,
        };
        let (places, targets) = (Vec::new(), vec![0]);
        RestorePlan {
            items: vec![PlannedItem { row, replace: false, chosen: true }],
            contents: vec![PlannedContent { size: SIZE, sha256, places, member: path, targets }],
            ..RestorePlan::default()
        }
    }

    #[test]
    fn what_a_damaged_copy_wrote_is_gone_when_another_copy_has_a_hole_there() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::open(temp.path(), false).unwrap();
        let mut content = vec![0; SIZE as usize];
        content[..4096].fill(7);
        let plan = planned(&content);
        let part = Digest(Sha256::digest(&content).into());
        let frames = FrameSpan { offset: 0, length: 1, tar_offset: 0 };
        let fetch = Fetch {
            content: 0,
            archive: ArchiveNo(1),
            frames,
            size: SIZE,
            sha256: Some(part),
            part: 1,
            file_offset: 0,
        };
        let stop = Stop::new();
        let (assembly, _) = Assembly::begin(&plan, 0, 1, &target);
        let assembly = assembly.unwrap();
        let damaged = member(&[(8192, 4096)]);
        let taken = assembly.take(&fetch, &damaged, &mut &[7; 4096][..], &stop);
        assert!(matches!(taken, Err(MemberFailure::Disc(_))), "{taken:?}");
        assembly.take(&fetch, &member(&[(0, 4096)]), &mut &[7; 4096][..], &stop).unwrap();
        assembly.finish(&plan, 0, &target, &stop).unwrap();
        assert!(std::fs::read(temp.path().join("a")).unwrap() == content);
    }
}
