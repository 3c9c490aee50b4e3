//! Puts one thing into an archive: an entry without content, a whole file, or the part of a file
//! that still fits.

use crate::codec::frames::FRAME_BYTES;
use crate::codec::member::{MemberHead, padding};
use crate::codec::sparse::SparseMap;
use crate::format::{member_name, part_name};
use crate::model::rows::{FrameSpan, IndexRow, Note, PartSpan};
use crate::model::{ArchiveNo, Digest, Entry, Kind, Meta, RelPath};
use crate::port::event::Progress;

use super::archive::ArchiveBuilder;
use super::filler::{CurrentFile, Filler, Lane, Placement};
use super::reader::FileBlock;
use super::space::growth_of;
use super::{Ledger, PackError, PackedMember};

/// A part is not made smaller than this, except where archives themselves are.
const SMALLEST_PART: u64 = 32 << 10;

impl Filler<'_> {
    /// A directory, symbolic link, device, or empty file; or another name of one of these.
    pub(super) fn put_plain(
        &mut self,
        entry: &Entry,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        let lane = self.lane_of_plain();
        if entry.kind == Kind::Hardlink {
            if let Some(&archive) = self.linked.get(entry.meta.link.as_slice()) {
                self.put_link(entry, lane, archive, ledger)?;
            }
            return Ok(Placement::In);
        }
        let name = member_name(&entry.path);
        let meta = &entry.meta;
        let head = MemberHead { name: &name, kind: entry.kind, size: 0, meta, sparse: None };
        let tar = head.head_bytes();
        let member = self.member(entry, name.clone(), PartSpan::whole(0), Some(Digest::EMPTY));
        let put = self.put_small(lane, &tar, 0, member, ledger)?;
        if put == Placement::In && entry.print.nlink > 1 && entry.kind != Kind::Dir {
            let archive = self.builders[lane as usize].as_ref().map(ArchiveBuilder::number);
            self.linked.extend(archive.map(|archive| (entry.path.as_bytes().to_vec(), archive)));
        }
        Ok(put)
    }

    /// Another name of what is in this archive already, after it. Where that was closed meanwhile,
    /// or nothing more fits, it stays a row: SNAPSHOT has it, and tar could not make it.
    fn put_link(
        &mut self,
        entry: &Entry,
        lane: Lane,
        archive: ArchiveNo,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        let name = member_name(&entry.path);
        let meta = Meta { link: link_member(&entry.meta.link), ..entry.meta.clone() };
        let head = MemberHead { name: &name, kind: entry.kind, size: 0, meta: &meta, sparse: None };
        let tar = head.head_bytes();
        let mut member = self.member(entry, name.clone(), PartSpan::whole(0), None);
        member.row.archive = archive;
        let (growth, size) = (growth_of(&member), tar.len() as u64);
        let is_open = |filler: &Self| {
            filler.builders[lane as usize].as_ref().is_some_and(|b| b.number() == archive)
        };
        if !is_open(self) || !self.ensure(lane, size, growth, ledger)? || !is_open(self) {
            return Ok(());
        }
        self.builder(lane, ledger)?.put_small(&tar, 0, member)?;
        self.spend(lane, size, growth, ledger)
    }

    /// Headers compress well: they go beside the files that do, if such an archive is made at all.
    fn lane_of_plain(&self) -> Lane {
        match self.config.compression {
            crate::model::disc::Compression::None => Lane::AsIs,
            _ => Lane::Compressed,
        }
    }

    /// As much of the file as goes into the open archive.
    pub(super) fn put_file(
        &mut self,
        current: &mut CurrentFile,
        last: bool,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        let data = current.reading.data_bytes();
        if current.at == 0 && data <= self.config.archive_size {
            self.make_way(current.lane, data, ledger)?;
            if !(last && self.must_leave_something()) {
                let put = match current.reading.whole() {
                    Some(_) => self.put_held(current, ledger)?,
                    None => self.put_long(current, ledger)?,
                };
                if put != Placement::Edge {
                    return Ok(put);
                }
            }
        }
        self.put_part(current, last, ledger)
    }

    /// Where the listings were left out because this is not the last disc, it must not become it.
    fn must_leave_something(&self) -> bool {
        !self.disc.carries_listings
    }

    /// A small file, held in memory and hashed.
    fn put_held(
        &mut self,
        current: &mut CurrentFile,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        let (Some(content), Some(digest)) = (current.reading.whole(), current.reading.digest())
        else {
            return Ok(Placement::Edge);
        };
        let name = member_name(&current.reading.entry.path);
        let map = sparse_map(current);
        let mut tar = file_head(&name, current, current.reading.size(), map.as_ref()).head_bytes();
        for &(offset, length) in current.reading.map().regions() {
            tar.extend_from_slice(&content[offset as usize..(offset + length) as usize]);
        }
        tar.resize(tar.len() + padding(current.reading.data_bytes()), 0);
        if tar.len() > FRAME_BYTES {
            return self.put_long(current, ledger);
        }
        let span = PartSpan::whole(current.reading.size());
        let note = if current.reading.is_unchanged().unwrap_or(false) {
            Note::None
        } else {
            Note::Changed
        };
        let mut member = self.member(&current.reading.entry, name, span, Some(digest));
        member.row.file_sha256 = Some(digest);
        member.row.note = note.clone();
        let data = current.reading.data_bytes();
        let put = self.put_small(current.lane, &tar, data, member, ledger)?;
        if put == Placement::In {
            self.finished(current, digest, &note, ledger)?;
        }
        Ok(put)
    }

    /// A whole file with frames of its own.
    fn put_long(
        &mut self,
        current: &mut CurrentFile,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        let size = current.reading.size();
        let name = member_name(&current.reading.entry.path);
        self.put_frames(current, name, size, PartSpan::whole(size), ledger)
    }

    /// The next part of a file that does not fit whole.
    fn put_part(
        &mut self,
        current: &mut CurrentFile,
        last: bool,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        let rest = current.reading.size() - current.at;
        if current.at > 0 || current.reading.data_bytes() > self.config.archive_size {
            self.make_way(current.lane, self.config.archive_size.min(rest), ledger)?;
        }
        let name = part_name(current.id(), current.parts + 1);
        let Some(room) = self.room_for_part(current, &name, ledger)? else {
            return Ok(Placement::Edge);
        };
        let mut len = span_of(current, room);
        if last && self.must_leave_something() {
            len = len.min(rest.saturating_sub(512) / 512 * 512);
        }
        let smallest = SMALLEST_PART.min(self.config.archive_size).min(rest);
        if len < smallest || len == 0 {
            return Ok(Placement::Edge);
        }
        let part = current.parts + 1;
        let ends = len == rest;
        let span = PartSpan {
            part,
            parts: ends.then_some(part),
            file_offset: current.at,
            file_size: current.reading.size(),
        };
        self.put_frames(current, name, len, span, ledger)
    }

    /// Streams `len` bytes of the file from where it stands into frames of their own.
    fn put_frames(
        &mut self,
        current: &mut CurrentFile,
        name: RelPath,
        len: u64,
        span: PartSpan,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        let slice = current.reading.slice(current.at, len);
        let data = slice.data_len();
        let map = (data < len).then_some(&slice);
        let head = file_head(&name, current, len, map).head_bytes();
        let mut member = self.member(&current.reading.entry, name, span, None);
        member.parts_id = (span.part > 0).then(|| current.id());
        member.row.size = len;
        let growth = growth_of(&member);
        let tar = head.len() as u64 + data + padding(data) as u64;
        if !self.ensure(current.lane, tar, growth, ledger)? {
            return Ok(Placement::Edge);
        }
        let at = current.at;
        let mark = self.builder(current.lane, ledger)?.begin_long()?;
        let read = self.stream(current, &head, at, len, data, ledger)?;
        let digest = match read {
            Ok(digest) => digest,
            Err(error) => {
                self.builder(current.lane, ledger)?.cut_back(mark)?;
                let entry = current.reading.entry.clone();
                let links = std::mem::take(&mut current.links);
                self.unreadable(&entry, &links, &error.to_string(), ledger)?;
                return Ok(Placement::In);
            }
        };
        let ends = at + len == current.reading.size();
        let changed = ends && !current.reading.is_unchanged().unwrap_or(false);
        let note = if changed { Note::Changed } else { Note::None };
        if changed && span.part <= 1 && self.try_again(current) {
            self.builder(current.lane, ledger)?.cut_back(mark)?;
            return Ok(Placement::In);
        }
        member.row.sha256 = Some(digest);
        if ends {
            member.row.file_sha256 = current.reading.digest();
            self.unsealed.extend(current.reading.digest());
            member.row.note = note.clone();
        }
        member.row.archive = self.builder(current.lane, ledger)?.number();
        self.builder(current.lane, ledger)?.end_long(mark, data, member)?;
        self.spend(current.lane, tar, growth, ledger)?;
        if span.part == 0 {
            let digest = current.reading.digest().unwrap_or(digest);
            self.finished(current, digest, &note, ledger)?;
            return Ok(Placement::In);
        }
        current.at += len;
        current.parts += 1;
        if !ends {
            return Ok(Placement::Piece);
        }
        self.end_split(current, &note);
        Ok(Placement::In)
    }

    fn stream(
        &mut self,
        current: &mut CurrentFile,
        head: &[u8],
        at: u64,
        len: u64,
        data: u64,
        ledger: &mut dyn Ledger,
    ) -> Result<std::io::Result<Digest>, PackError> {
        self.builder(current.lane, ledger)?;
        let Some(builder) = self.builders[current.lane as usize].as_mut() else {
            return Ok(Err(std::io::Error::other("no open archive")));
        };
        builder.write_long(head)?;
        let (task, stop) = (&self.task, self.config.stop);
        let (done, written) = (&mut self.done, self.written);
        let read = current.reading.read_slice(at, len, &mut |block| {
            stop.check()?;
            ledger.breathe().map_err(PackError::Ledger)?;
            *done += block.bytes();
            let written = Some(written + builder.bound());
            task.progress(Progress { done: *done, written });
            match block {
                FileBlock::Data(data) => builder.write_long(data),
                FileBlock::Hole(_) => Ok(()),
            }
        })?;
        if read.is_ok() {
            builder.write_long(&vec![0; padding(data)])?;
        }
        Ok(read)
    }

    /// A whole file is in: its other names follow it, where they fit.
    fn finished(
        &mut self,
        current: &mut CurrentFile,
        digest: Digest,
        note: &Note,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        self.unsealed.insert(digest);
        self.end_split(current, note);
        if current.reading.whole().is_some() {
            self.count(current.reading.size());
        }
        let lane = current.lane;
        let archive = self.builders[lane as usize].as_ref().map(ArchiveBuilder::number);
        let links = std::mem::take(&mut current.links).into_iter().zip(archive.into_iter().cycle());
        for (link, archive) in links {
            self.put_link(&link, lane, archive, ledger)?;
        }
        Ok(())
    }

    fn end_split(&mut self, current: &CurrentFile, note: &Note) {
        self.packed.files += 1;
        self.packed.bytes += current.reading.size();
        if *note == Note::Changed {
            self.packed.changed_while_read += 1;
        }
    }

    /// A member of at most one frame.
    fn put_small(
        &mut self,
        lane: Lane,
        tar: &[u8],
        content: u64,
        mut member: PackedMember,
        ledger: &mut dyn Ledger,
    ) -> Result<Placement, PackError> {
        if content == 0 {
            self.make_way(lane, 0, ledger)?;
        }
        let growth = growth_of(&member);
        let fits = self.ensure(lane, tar.len() as u64, growth, ledger)?;
        let room = if fits { None } else { self.room_in(lane, growth, ledger)? };
        let builder = self.builder(lane, ledger)?;
        member.row.archive = builder.number();
        if fits {
            builder.put_small(tar, content, member)?;
        } else {
            let Some(room) = room else { return Ok(Placement::Edge) };
            if builder.put_if_fits(tar, content, member, room)?.is_some() {
                return Ok(Placement::Edge);
            }
        }
        self.spend(lane, tar.len() as u64, growth, ledger)?;
        Ok(Placement::In)
    }

    /// The largest sum of data that a part of this name may have here, or `None` at the edge.
    fn room_for_part(
        &mut self,
        current: &CurrentFile,
        name: &RelPath,
        ledger: &mut dyn Ledger,
    ) -> Result<Option<u64>, PackError> {
        let span = PartSpan { part: current.parts + 1, ..PartSpan::whole(current.reading.size()) };
        let member = self.member(&current.reading.entry, name.clone(), span, None);
        let growth = growth_of(&member);
        // Asking for a whole cluster takes the true sizes first, if the bounds say "full".
        self.ensure(current.lane, SMALLEST_PART * 2, growth, ledger)?;
        let limit = self.archive_room(current.lane);
        let mut room = self.room_in(current.lane, growth, ledger)?;
        let wanted = limit.min(current.reading.size() - current.at);
        if room.is_none_or(|room| room < wanted) && !self.disc.measured {
            self.measure(ledger)?;
            room = self.room_in(current.lane, growth, ledger)?;
        }
        let Some(room) = room else { return Ok(None) };
        let head = file_head(name, current, 0, None).stored_len() + 1024;
        let fits = |data: u64| self.cost(current.lane, head + data + 512) <= room;
        let mut data = room.min(limit);
        while data > 0 && !fits(data) {
            data = data.saturating_sub((data / 200).max(512));
        }
        Ok(Some(data.min(limit)))
    }

    /// What the row says before the member's place is known.
    fn member(
        &self,
        entry: &Entry,
        name: RelPath,
        span: PartSpan,
        digest: Option<Digest>,
    ) -> PackedMember {
        let has_content = entry.kind == Kind::File;
        let digest = digest.filter(|_| has_content);
        let row = IndexRow {
            snapshot: self.config.snapshot,
            kind: entry.kind,
            path: entry.path.clone(),
            member: name,
            size: if has_content { entry.size } else { 0 },
            sha256: digest,
            archive: ArchiveNo(0),
            frames: FrameSpan { offset: 0, length: 0, tar_offset: 0 },
            span,
            file_sha256: digest,
            meta: entry.meta.clone(),
            note: Note::None,
        };
        PackedMember { row, entry: entry.clone(), parts_id: None }
    }
}

impl PartSpan {
    /// All of a file of this size.
    pub fn whole(size: u64) -> PartSpan {
        PartSpan { part: 0, parts: None, file_offset: 0, file_size: size }
    }
}

fn link_member(target: &[u8]) -> Vec<u8> {
    match RelPath::new(target) {
        Some(path) => member_name(&path).as_bytes().to_vec(),
        None => target.to_vec(),
    }
}

fn file_head<'a>(
    name: &'a RelPath,
    current: &'a CurrentFile,
    size: u64,
    sparse: Option<&'a SparseMap>,
) -> MemberHead<'a> {
    MemberHead { name, kind: Kind::File, size, meta: &current.reading.entry.meta, sparse }
}

fn sparse_map(current: &CurrentFile) -> Option<SparseMap> {
    current.reading.is_sparse().then(|| current.reading.map().clone())
}

/// How far a part reaches that may hold `data` bytes which are not holes.
fn span_of(current: &CurrentFile, data: u64) -> u64 {
    let rest = current.reading.size() - current.at;
    let mut left = data;
    let mut end = 0;
    for &(offset, length) in current.reading.slice(current.at, rest).regions() {
        if length > left {
            end = if left > 0 { offset + left } else { end };
            return cut(end, rest);
        }
        left -= length;
        end = offset + length;
    }
    rest
}

/// Parts end at tar blocks, so that no part needs padding but the last.
fn cut(end: u64, rest: u64) -> u64 {
    if end >= rest { rest } else { end / 512 * 512 }
}
