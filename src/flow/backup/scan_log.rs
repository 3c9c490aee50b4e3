//! What a scan found to record, kept in a scratch file without a name until the whole of it was
//! judged: so the catalog is not locked for as long as the source is walked.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, ContentId, RowChange, SetId};
use crate::model::entry::Fingerprint;
use crate::model::rows::{Note, RunLine};
use crate::model::{Entry, Kind, Meta, Mtime, RelPath, SnapshotSeq, Xattr};
use crate::port::files::unnamed_file;

use crate::flow::FlowError;

/// Rows are recorded in transactions of so many.
pub(super) const BATCH: usize = 5_000;

/// One thing that a scan records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScanRecord {
    Row(RowChange),
    Failed { path: RelPath, what: String },
    Skipped { path: RelPath, why: String },
    SawTrusted,
}

/// Records in the order in which they came.
pub struct ScanLog {
    file: BufWriter<File>,
    dir: PathBuf,
}

impl ScanLog {
    pub fn new(scratch: &Path) -> Result<ScanLog, FlowError> {
        let file = unnamed_file(scratch).map_err(trouble(scratch))?;
        Ok(ScanLog { file: BufWriter::new(file), dir: scratch.to_owned() })
    }

    pub(super) fn put(&mut self, record: &ScanRecord) -> Result<(), FlowError> {
        write_record(&mut self.file, record).map_err(trouble(&self.dir))
    }

    /// Records all of it, as if the scan had done so itself; as often as it is called.
    pub fn apply(
        &mut self,
        catalog: &mut Catalog,
        set: SetId,
        seq: SnapshotSeq,
    ) -> Result<(), FlowError> {
        let failed = trouble(&self.dir);
        self.file.flush().map_err(&failed)?;
        let mut file = self.file.get_ref();
        file.rewind().map_err(&failed)?;
        let mut records = BufReader::new(file);
        let mut rows = Vec::new();
        while let Some(record) = read_record(&mut records).map_err(&failed)? {
            match record {
                ScanRecord::Row(row) => rows.push(row),
                other => record_in(catalog, set, seq, other)?,
            }
            if rows.len() == BATCH {
                catalog.put_rows(set, seq, &std::mem::take(&mut rows))?;
            }
        }
        Ok(catalog.put_rows(set, seq, &rows)?)
    }
}

/// Puts one record into the catalog.
pub(super) fn record_in(
    catalog: &mut Catalog,
    set: SetId,
    seq: SnapshotSeq,
    record: ScanRecord,
) -> Result<(), FlowError> {
    match record {
        ScanRecord::Row(row) => catalog.put_rows(set, seq, &[row])?,
        ScanRecord::Failed { path, what } => catalog.note_failure(set, seq, &path, &what)?,
        ScanRecord::Skipped { path, why } => {
            catalog.say_of_run(set, seq, &[RunLine::Skipped { path, why }])?;
        }
        ScanRecord::SawTrusted => catalog.saw_trusted(set, seq)?,
    }
    Ok(())
}

fn trouble(dir: &Path) -> impl Fn(io::Error) -> FlowError + use<> {
    let path = dir.to_owned();
    move |source| FlowError::Staging { path: path.clone(), what: "cannot be written to", source }
}

// Numbers are little-endian; bytes come after their length.

fn write_record(to: &mut impl Write, record: &ScanRecord) -> io::Result<()> {
    match record {
        ScanRecord::Row(RowChange::Put { entry, content, note }) => {
            to.write_all(b"+")?;
            write_entry(to, entry)?;
            write_i64(to, content.map_or(-1, ContentId::number))?;
            match note {
                Note::None => write_bytes(to, b""),
                Note::Changed => write_bytes(to, b"c"),
                Note::Stale(since) => write_bytes(to, &[b"s", since.as_bytes()].concat()),
            }
        }
        ScanRecord::Row(RowChange::Remove(path)) => {
            to.write_all(b"-")?;
            write_bytes(to, path.as_bytes())
        }
        ScanRecord::Failed { path, what } => {
            to.write_all(b"f")?;
            write_bytes(to, path.as_bytes())?;
            write_bytes(to, what.as_bytes())
        }
        ScanRecord::Skipped { path, why } => {
            to.write_all(b"s")?;
            write_bytes(to, path.as_bytes())?;
            write_bytes(to, why.as_bytes())
        }
        ScanRecord::SawTrusted => to.write_all(b"t"),
    }
}

/// `None` at the end.
fn read_record(from: &mut impl Read) -> io::Result<Option<ScanRecord>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    Ok(Some(match kind[0] {
        b'+' => {
            let entry = Box::new(read_entry(from)?);
            let content = read_i64(from)?;
            let content = (content >= 0).then(|| ContentId::numbered(content));
            let note = read_bytes(from)?;
            let note = match note.split_first() {
                None => Note::None,
                Some((b's', since)) => Note::Stale(words(since.to_vec())?),
                Some(_) => Note::Changed,
            };
            ScanRecord::Row(RowChange::Put { entry, content, note })
        }
        b'-' => ScanRecord::Row(RowChange::Remove(read_path(from)?)),
        b'f' => ScanRecord::Failed { path: read_path(from)?, what: words(read_bytes(from)?)? },
        b's' => ScanRecord::Skipped { path: read_path(from)?, why: words(read_bytes(from)?)? },
        b't' => ScanRecord::SawTrusted,
        _ => return Err(damaged()),
    }))
}

fn write_entry(to: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let Entry { path, kind, size, meta, print } = entry;
    write_bytes(to, path.as_bytes())?;
    write_u64(to, u64::from(u32::from(kind.letter())))?;
    write_u64(to, *size)?;
    let Meta { mode, uid, gid, user, group, mtime, link, device, xattrs } = meta;
    for number in [mode, uid, gid] {
        write_u64(to, u64::from(*number))?;
    }
    for bytes in [user, group, link] {
        write_bytes(to, bytes)?;
    }
    write_time(to, *mtime)?;
    write_u64(to, u64::from(device.is_some()))?;
    let (major, minor) = device.unwrap_or_default();
    write_u64(to, u64::from(major) << 32 | u64::from(minor))?;
    write_u64(to, xattrs.len() as u64)?;
    for Xattr { name, value } in xattrs {
        write_bytes(to, name)?;
        write_bytes(to, value)?;
    }
    let Fingerprint { dev, inode, ctime, nlink, occupied } = print;
    write_time(to, *ctime)?;
    [dev, inode, nlink, occupied].into_iter().try_for_each(|number| write_u64(to, *number))
}

fn read_entry(from: &mut impl Read) -> io::Result<Entry> {
    let path = read_path(from)?;
    let letter = char::from_u32(read_u32(from)?).and_then(Kind::from_letter);
    let kind = letter.ok_or_else(damaged)?;
    let size = read_u64(from)?;
    let (mode, uid, gid) = (read_u32(from)?, read_u32(from)?, read_u32(from)?);
    let (user, group, link) = (read_bytes(from)?, read_bytes(from)?, read_bytes(from)?);
    let mtime = read_time(from)?;
    let (has_device, device) = (read_u64(from)? == 1, read_u64(from)?);
    let device = has_device.then_some(((device >> 32) as u32, device as u32));
    let mut xattrs = Vec::new();
    for _ in 0..read_u64(from)? {
        xattrs.push(Xattr { name: read_bytes(from)?, value: read_bytes(from)? });
    }
    let meta = Meta { mode, uid, gid, user, group, mtime, link, device, xattrs };
    let ctime = read_time(from)?;
    let (dev, inode) = (read_u64(from)?, read_u64(from)?);
    let (nlink, occupied) = (read_u64(from)?, read_u64(from)?);
    let print = Fingerprint { dev, inode, ctime, nlink, occupied };
    Ok(Entry { path, kind, size, meta, print })
}

fn write_u64(to: &mut impl Write, number: u64) -> io::Result<()> {
    to.write_all(&number.to_le_bytes())
}

fn write_i64(to: &mut impl Write, number: i64) -> io::Result<()> {
    to.write_all(&number.to_le_bytes())
}

fn write_time(to: &mut impl Write, time: Mtime) -> io::Result<()> {
    write_i64(to, time.sec)?;
    write_u64(to, u64::from(time.nsec))
}

fn write_bytes(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write_u64(to, bytes.len() as u64)?;
    to.write_all(bytes)
}

fn read_u64(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn read_i64(from: &mut impl Read) -> io::Result<i64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(i64::from_le_bytes(bytes))
}

fn read_u32(from: &mut impl Read) -> io::Result<u32> {
    u32::try_from(read_u64(from)?).map_err(|_| damaged())
}

fn read_time(from: &mut impl Read) -> io::Result<Mtime> {
    Ok(Mtime { sec: read_i64(from)?, nsec: read_u32(from)? })
}

fn read_bytes(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = read_u64(from)?;
    let mut bytes = Vec::new();
    let read = from.take(length).read_to_end(&mut bytes)?;
    if read as u64 == length { Ok(bytes) } else { Err(damaged()) }
}

/// It was a path when it was written.
fn read_path(from: &mut impl Read) -> io::Result<RelPath> {
    let bytes = read_bytes(from)?;
    if bytes.is_empty() { Ok(RelPath::root()) } else { RelPath::new(&bytes).ok_or_else(damaged) }
}

fn words(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| damaged())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what was written there came back changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..20)
    }

    fn path() -> impl Strategy<Value = RelPath> {
        prop_oneof![
            Just(RelPath::root()),
            prop::collection::vec(1..=255u8, 1..40)
                .prop_filter_map("no path", |b| RelPath::new(&b)),
        ]
    }

    fn time() -> impl Strategy<Value = Mtime> {
        (any::<i64>(), any::<u32>()).prop_map(|(sec, nsec)| Mtime { sec, nsec })
    }

    fn meta() -> impl Strategy<Value = Meta> {
        let xattr = (bytes(), bytes()).prop_map(|(name, value)| Xattr { name, value });
        let names = (bytes(), bytes(), bytes());
        let xattrs = prop::collection::vec(xattr, 0..3);
        (any::<[u32; 3]>(), names, time(), any::<Option<(u32, u32)>>(), xattrs).prop_map(
            |([mode, uid, gid], (user, group, link), mtime, device, xattrs)| Meta {
                mode,
                uid,
                gid,
                user,
                group,
                mtime,
                link,
                device,
                xattrs,
            },
        )
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let kind = prop::sample::select(vec!['f', 'd', 'l', 'h', 'p', 'c', 'b']);
        (path(), kind, any::<u64>(), meta(), time(), any::<[u64; 4]>()).prop_map(
            |(path, letter, size, meta, ctime, [dev, inode, nlink, occupied])| Entry {
                path,
                kind: Kind::from_letter(letter).unwrap(),
                size,
                meta,
                print: Fingerprint { dev, inode, ctime, nlink, occupied },
            },
        )
    }

    fn record() -> impl Strategy<Value = ScanRecord> {
        let note = prop_oneof![
            Just(Note::None),
            Just(Note::Changed),
            any::<String>().prop_map(Note::Stale),
        ];
        let content = prop::option::of((0..i64::MAX).prop_map(ContentId::numbered));
        prop_oneof![
            (entry(), content, note).prop_map(|(entry, content, note)| {
                ScanRecord::Row(RowChange::Put { entry: Box::new(entry), content, note })
            }),
            path().prop_map(|path| ScanRecord::Row(RowChange::Remove(path))),
            (path(), any::<String>()).prop_map(|(path, what)| ScanRecord::Failed { path, what }),
            (path(), any::<String>()).prop_map(|(path, why)| ScanRecord::Skipped { path, why }),
            Just(ScanRecord::SawTrusted),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(records in prop::collection::vec(record(), 0..20)) {
            let mut file = Vec::new();
            for record in &records {
                write_record(&mut file, record).unwrap();
            }
            let (mut from, mut read) = (&file[..], Vec::new());
            while let Some(record) = read_record(&mut from).unwrap() {
                read.push(record);
            }
            prop_assert_eq!(&read, &records);
            // A file that ends too early is not taken for a shorter one.
            if let Some(last) = file.len().checked_sub(1).filter(|_| file.len() > 1) {
                let mut from = &file[..last];
                let mut count = 0;
                let end = loop {
                    match read_record(&mut from) {
                        Ok(Some(_)) => count += 1,
                        end => break end,
                    }
                };
                prop_assert!(end.is_err() || count == records.len() - 1);
            }
        }
    }
}
