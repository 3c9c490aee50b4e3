//! What one disc tells of itself: who it is, which files it carries, and what its archives hold; by
//! its INDEX, and where that is damaged, by the archives.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::catalog::{AdoptedDisc, ArchiveRecord, DiscFileRecord, FoundMember, PartsId};
use crate::codec::openpgp::IntegrityError;
use crate::drive::{DiscReader, FileReader};
use crate::format::members::part_id;
use crate::model::disc::{Compression, parse_archive_path};
use crate::model::rows::IndexRow;
use crate::model::{ArchiveNo, Bytes, Digest, Kind, Sectors};
use crate::pack::closing::SIGNATURE;
use crate::port::cause::Cause;
use crate::port::clock::Moment;
use crate::port::notice::ListingNotice;
use crate::restore::index::{ListingError, each_index_row};
use crate::restore::unlisted::{UnlistedError, read_archive};

use crate::flow::base::own_list::{LONGEST_SUMS, SUMS, own_sums, read_small};
use crate::flow::care::rebuild::Rebuilder;
use crate::flow::care::rebuild::archive_contents::ArchiveContents;
use crate::flow::library::inventory::FoundDisc;
use crate::flow::library::repair::Repairer;
use crate::flow::{FlowError, chain};

/// An archive by its file on the disc.
struct ArchiveFile {
    number: ArchiveNo,
    compression: Compression,
    encrypted: bool,
    path: String,
    size: u64,
}

impl<'a> Rebuilder<'a> {
    /// Records a disc that is here, and what only it knows.
    pub fn adopt(
        &mut self,
        found: &'a FoundDisc,
        archive_contents: &mut ArchiveContents,
    ) -> Result<(), FlowError> {
        let Some(copy) = found.copies.first() else { return Ok(()) };
        let sums = self.sums(found);
        let repairable = self.repairable(found);
        // Recovery data knows files that are gone from the directory.
        let listed = repairable.as_ref().map_or(&**copy, |disc| disc as &dyn DiscReader);
        self.catalog.adopt_disc(self.set, &adopted(found, &**copy, listed.files(), &sums))?;
        if let Some(group) = &found.txt.group {
            self.catalog.record_recovery_disc(self.set, found.txt.id.number, &group.discs)?;
        }
        let mut unknown = Vec::new();
        for archive in archives(listed) {
            if !self.catalog.knows_archive(self.set, archive.number)? {
                unknown.push(archive);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let copies = Repairer::copies(found, repairable.as_ref());
        let mut rows = self.rows_of(found, &copies, &unknown)?;
        self.repairer.inspect(|repairer| repairer.forget(found));
        for archive in &unknown {
            let of_it = rows.remove(&archive.number).unwrap_or_default();
            let record = self.record(found, &**copy, archive, &of_it, &sums)?;
            let members: Vec<FoundMember> = of_it.iter().filter_map(member).collect();
            self.catalog.adopt_archive(self.set, &record, &members)?;
            of_it.into_iter().for_each(|row| archive_contents.take(row));
        }
        Ok(())
    }

    /// The sums that the disc lists, from the first copy that has them sound.
    fn sums(&mut self, found: &FoundDisc) -> HashMap<String, Digest> {
        let mut why = String::new();
        for copy in &found.copies {
            match own_sums(&**copy) {
                Ok(sums) => return sums,
                Err(what) => why = what,
            }
        }
        self.trouble(found.label().to_string(), why);
        HashMap::new()
    }

    /// Rows of the disc's INDEX by archive, completed by what the archives hold where it is
    /// damaged on every copy.
    fn rows_of(
        &mut self,
        found: &FoundDisc,
        copies: &[&dyn DiscReader],
        unknown: &[ArchiveFile],
    ) -> Result<BTreeMap<ArchiveNo, Vec<IndexRow>>, FlowError> {
        let wanted: HashSet<ArchiveNo> = unknown.iter().map(|archive| archive.number).collect();
        let mut rows: BTreeMap<ArchiveNo, Vec<IndexRow>> = BTreeMap::new();
        let mut seen = HashSet::new();
        let mut take = |row: IndexRow| {
            if wanted.contains(&row.archive) && seen.insert((row.archive, row.member.clone())) {
                rows.entry(row.archive).or_default().push(row);
            }
        };
        let mut trouble = None;
        for &copy in copies {
            let label = found.label();
            match each_index_row(copy, self.opener(), &label, self.context.reading(), &mut take) {
                Ok(None) => return Ok(rows),
                Err(ListingError::Stopped(stopped)) => return Err(stopped.into()),
                Ok(Some(error)) | Err(error) => trouble = Some((copy.title(), error)),
            }
        }
        if let Some((title, error)) = trouble {
            self.tell_index(title, error);
        }
        for archive in unknown {
            for row in self.read_unlisted(found, copies, archive)? {
                take(row);
            }
        }
        Ok(rows)
    }

    /// What cannot be read of it the archives tell; what was changed nothing tells.
    fn tell_index(&mut self, title: String, error: ListingError) {
        if error.is_of_integrity() || matches!(error, ListingError::Elsewhere { .. }) {
            let what = format!("{}; reading its archives completely", chain(&error));
            return self.trouble(title, what);
        }
        let why = Cause::of(error);
        self.context.monitor.note(ListingNotice::ArchivesRead { medium: title, why }.into());
    }

    /// What an archive holds, from the copy of which most can be read.
    fn read_unlisted(
        &mut self,
        found: &FoundDisc,
        copies: &[&dyn DiscReader],
        archive: &ArchiveFile,
    ) -> Result<Vec<IndexRow>, FlowError> {
        let mut best = Vec::new();
        let mut why = None;
        for &copy in copies {
            let (number, of) = (archive.number, found.txt.snapshot);
            match read_archive(copy, number, self.opener(), of, self.context.stop) {
                Ok(read) if read.lost == 0 && !read.is_changed => return Ok(read.rows),
                Ok(read) => {
                    why = Some(match read.is_changed {
                        true => Cause::of(IntegrityError),
                        false => format!("{} bytes of it cannot be read", read.lost).into(),
                    });
                    if read.rows.len() > best.len() {
                        best = read.rows;
                    }
                }
                Err(UnlistedError::Stopped(stopped)) => return Err(stopped.into()),
                Err(error) => why = Some(Cause::of(error)),
            }
        }
        if let Some(why) = why {
            self.trouble(format!("{}: {}", found.label(), archive.path), why);
        }
        Ok(best)
    }

    fn record(
        &self,
        found: &FoundDisc,
        copy: &dyn DiscReader,
        archive: &ArchiveFile,
        rows: &[IndexRow],
        sums: &HashMap<String, Digest>,
    ) -> Result<ArchiveRecord, FlowError> {
        let sha256 = match sums.get(&archive.path) {
            Some(sum) => *sum,
            None => self.hash(copy, &archive.path)?,
        };
        let end = rows.iter().map(|row| row.frames.offset.saturating_add(row.frames.length)).max();
        Ok(ArchiveRecord {
            number: archive.number,
            disc: found.txt.id.number,
            snapshot: rows.iter().map(|row| row.snapshot).max().unwrap_or(found.txt.snapshot),
            compression: archive.compression,
            encrypted: archive.encrypted,
            size: Bytes(archive.size),
            plain: Bytes(if archive.encrypted { end.unwrap_or(0) } else { archive.size }),
            sha256,
            content: Bytes(rows.iter().map(|row| row.size).fold(0, u64::saturating_add)),
        })
    }

    /// What the archive is now; if it is damaged, nothing better is known of it.
    fn hash(&self, copy: &dyn DiscReader, path: &str) -> Result<Digest, FlowError> {
        let mut hasher = Sha256::new();
        if let Some(file) = copy.file(path) {
            let mut reader = FileReader::new(copy, file);
            let mut buf = vec![0; 1 << 20];
            while let Ok(read @ 1..) = std::io::Read::read(&mut reader, &mut buf) {
                self.context.stop.check()?;
                hasher.update(&buf[..read]);
            }
        }
        Ok(Digest(hasher.finalize().into()))
    }
}

fn adopted(
    found: &FoundDisc,
    copy: &dyn DiscReader,
    files: &[crate::drive::DiscFile],
    sums: &HashMap<String, Digest>,
) -> AdoptedDisc {
    let txt = &found.txt;
    let bytes: u64 = copy.files().iter().map(|file| file.size.0).sum();
    AdoptedDisc {
        number: txt.id.number,
        uuid: txt.id.uuid,
        format: txt.format,
        image: copy.image_sectors().unwrap_or(Sectors(Bytes(bytes).sectors().0)),
        closed: Moment::parse(&txt.date),
        snapshot: txt.snapshot,
        listings: txt.listings,
        listing: txt.listings.snapshot.then_some(txt.snapshot),
        files: files.iter().filter_map(|file| disc_file(copy, file, sums)).collect(),
    }
}

/// A file that the disc's own list names, and that list itself with its signature.
fn disc_file(
    copy: &dyn DiscReader,
    file: &crate::drive::DiscFile,
    sums: &HashMap<String, Digest>,
) -> Option<DiscFileRecord> {
    let sha256 = match sums.get(&file.path) {
        Some(sum) => *sum,
        None if [SUMS, SIGNATURE].contains(&file.path.as_str()) && !sums.is_empty() => {
            Digest(Sha256::digest(read_small(copy, &file.path, LONGEST_SUMS).ok()?).into())
        }
        None => return None,
    };
    Some(DiscFileRecord { path: file.path.clone(), size: file.size, sha256 })
}

fn archives(copy: &dyn DiscReader) -> Vec<ArchiveFile> {
    let archive = |file: &crate::drive::DiscFile| {
        let (number, compression, encrypted) = parse_archive_path(&file.path)?;
        let (path, size) = (file.path.clone(), file.size.0);
        Some(ArchiveFile { number, compression, encrypted, path, size })
    };
    let mut archives: Vec<_> = copy.files().iter().filter_map(archive).collect();
    archives.sort_by_key(|archive| archive.number);
    archives
}

fn member(row: &IndexRow) -> Option<FoundMember> {
    let sha256 = row.sha256.filter(|_| row.kind == Kind::File && row.size > 0)?;
    let part = match row.span.part {
        0 => None,
        part => {
            // An archive that is read alone does not tell where its parts belong.
            let told = row.path != row.member || part == 1;
            Some((PartsId(part_id(&row.member)?), part, told.then_some(row.span.file_offset)))
        }
    };
    let (member, size, frames) = (row.member.clone(), row.size, row.frames);
    Some(FoundMember { member, size, sha256, frames, part })
}
