//! A content on its way into the target: one temporary file, hashed as it grows, copied to the
//! other paths that it goes to, and given its name only if its hash is right.

use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::index::Fetch;
use super::place::{Complaint, PlaceError, Target, TempFile};
use super::plan::{PlannedItem, RestorePlan};
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

pub struct Assembly {
    temp: TempFile,
    /// Whose place the temporary file is beside.
    leader: usize,
    hasher: Sha256,
    /// Bytes of the content so far.
    at: u64,
    /// How far bytes were written: after it the file is to be made longer by a hole.
    written: u64,
    has_holes: bool,
    /// The part that comes next; 1 for a file that was not split.
    pub next_part: u32,
}

impl Assembly {
    /// Begins the file beside the first path that lets it; the others' errors are given back.
    pub fn begin(
        plan: &RestorePlan,
        content: usize,
        target: &Target,
    ) -> (Option<Assembly>, Vec<Landed>) {
        let mut barred = Vec::new();
        for &leader in &plan.contents[content].targets {
            match target.begin_file(&plan.items[leader].row.path) {
                Err(error) => barred.push((leader, Err(error))),
                Ok(temp) => {
                    let hasher = Sha256::new();
                    let (at, written, has_holes, next_part) = (0, 0, false, 1);
                    let new = Assembly { temp, leader, hasher, at, written, has_holes, next_part };
                    return (Some(new), barred);
                }
            }
        }
        (None, barred)
    }

    /// Adds the content of one member. After a failure all is as before, and the member may be
    /// taken from another copy of the disc.
    pub fn take(
        &mut self,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
        stop: &Stop,
    ) -> Result<(), MemberFailure> {
        let (before, at) = (self.hasher.clone(), self.at);
        let taken = self.take_checked(fetch, member, input, stop);
        if taken.is_err() {
            (self.hasher, self.at, self.written) = (before, at, at);
            // Else what was written would stand where the other copy's member has holes.
            self.temp.set_len(at)?;
        }
        taken
    }

    fn take_checked(
        &mut self,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
        stop: &Stop,
    ) -> Result<(), MemberFailure> {
        let disc = |why: &str| Err(MemberFailure::Disc(why.to_owned()));
        if member.kind != Kind::File || member.size != fetch.size {
            return disc("the archive has another member where the listing says that it is");
        }
        if fetch.part != 0 && (fetch.part != self.next_part || fetch.file_offset != self.at) {
            return Err(MemberFailure::Disc(format!("part {} of it is missing", self.next_part)));
        }
        // A part is checked by itself: so it is known which disc is at fault.
        let mut part = (fetch.part != 0).then(Sha256::new);
        let end = self.pour(member, input, stop, &mut part)?;
        self.fill_hole(end, stop, &mut part)?;
        let found = part.map(|hasher| Digest(hasher.finalize().into()));
        if found.zip(fetch.sha256).is_some_and(|(found, wanted)| found != wanted) {
            return disc("a part of it does not match its hash");
        }
        self.next_part += 1;
        Ok(())
    }

    fn pour(
        &mut self,
        member: &ReadMember,
        mut input: &mut dyn Read,
        stop: &Stop,
        part: &mut Option<Sha256>,
    ) -> Result<u64, MemberFailure> {
        let (base, end) = (self.at, self.at + member.size);
        self.has_holes |= member.sparse.is_some();
        let mut pieces = member.pieces();
        let mut buffer = vec![0; BUFFER.min(member.data_len.max(1) as usize)];
        while let Some((place, length)) = pieces.next(&mut input, &mut buffer)? {
            stop.check()?;
            self.fill_hole(base + place, stop, part)?;
            let piece = &buffer[..length];
            self.temp.write_at(piece, self.at)?;
            self.hash(piece, part);
            self.written = self.at;
        }
        Ok(end)
    }

    fn fill_hole(
        &mut self,
        until: u64,
        stop: &Stop,
        part: &mut Option<Sha256>,
    ) -> Result<(), MemberFailure> {
        while self.at < until {
            stop.check()?;
            let zeros = (until - self.at).min(ZEROS.len() as u64) as usize;
            self.hash(&ZEROS[..zeros], part);
        }
        Ok(())
    }

    fn hash(&mut self, piece: &[u8], part: &mut Option<Sha256>) {
        self.hasher.update(piece);
        if let Some(part) = part {
            part.update(piece);
        }
        self.at += piece.len() as u64;
    }

    /// Puts the content in place under all its paths, if it is what it must be.
    pub fn finish(
        self,
        plan: &RestorePlan,
        content: usize,
        target: &Target,
        stop: &Stop,
    ) -> Result<Vec<Landed>, MemberFailure> {
        let wanted = &plan.contents[content];
        let found = Digest(self.hasher.clone().finalize().into());
        if self.at != wanted.size || found != wanted.sha256 {
            return Err(MemberFailure::Disc("what was read does not match its hash".to_owned()));
        }
        if self.written != self.at {
            self.temp.set_len(self.at)?;
        }
        let mut landed = Vec::new();
        for &other in wanted.targets.iter().filter(|&&other| other > self.leader) {
            stop.check()?;
            landed.push((other, self.copy_to(&plan.items[other], target)));
        }
        let PlannedItem { row, replace, .. } = &plan.items[self.leader];
        landed.push((self.leader, self.temp.commit(&row.meta, *replace)));
        Ok(landed)
    }

    fn copy_to(&self, item: &PlannedItem, target: &Target) -> Result<Vec<Complaint>, PlaceError> {
        let path = &item.row.path;
        let copy = target.begin_file(path)?;
        let mut buffer = vec![0; BUFFER.min(self.at.max(1) as usize)];
        let mut at = 0;
        while at < self.at {
            let doing = "reading back what was written";
            let failed = |source| PlaceError::Failed { path: path.clone(), doing, source };
            let read = self.temp.read_at(&mut buffer, at).map_err(failed)?;
            if read == 0 {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.write_copy(&copy, &buffer[..read], at)?;
            at += read as u64;
        }
        copy.set_len(self.at)?;
        copy.commit(&item.row.meta, item.replace)
    }

    fn write_copy(&self, copy: &TempFile, bytes: &[u8], at: u64) -> Result<(), PlaceError> {
        if !self.has_holes {
            return copy.write_at(bytes, at);
        }
        for (number, page) in bytes.chunks(PAGE).enumerate() {
            if page.iter().any(|&byte| byte != 0) {
                copy.write_at(page, at + (number * PAGE) as u64)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::sparse::SparseMap;
    use crate::model::rows::{FrameSpan, Note, SnapshotRow, Where};
    use crate::model::{ArchiveNo, Meta, RelPath};
    use crate::restore::plan::PlannedContent;

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
        let (assembly, _) = Assembly::begin(&plan, 0, &target);
        let mut assembly = assembly.unwrap();
        let damaged = member(&[(8192, 4096)]);
        let taken = assembly.take(&fetch, &damaged, &mut &[7; 4096][..], &stop);
        assert!(matches!(taken, Err(MemberFailure::Disc(_))), "{taken:?}");
        assembly.take(&fetch, &member(&[(0, 4096)]), &mut &[7; 4096][..], &stop).unwrap();
        assembly.finish(&plan, 0, &target, &stop).unwrap();
        assert!(std::fs::read(temp.path().join("a")).unwrap() == content);
    }
}
