//! What a disc carries beside its archives: listings, catalog, texts and sums; written last,
//! and measured before, so that their room is known while the disc is filled.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::codec::bzip2_frames::Bzip2Frames;
use crate::codec::frames::{FRAME_BYTES, LineFrames, worst_listing};
use crate::codec::openpgp::{Sealer, Signer};
use crate::codec::spool::Spool;
use crate::format::by_hand::{self, Facts};
use crate::format::companions::{SMALLEST_DISC, companions};
use crate::format::disc_txt::DiscTxt;
use crate::format::listed_line;
use crate::format::sums::list_sums;
use crate::model::rows::ListedRow;
use crate::model::{Bytes, Digest, Format, ListingFlags, Sectors};
use crate::port::clock::Moment;
use crate::port::files::{
    make_private_dir, open_own_to_read, scratch_name, unless_missing, write_atomic,
};
use crate::port::stop::{Heeding, Stop};

use super::filler::{DiscInWork, Headers};
use super::protecting::{self, Watchers};
use super::rows::{ROWS, rows_files};
use super::sealing::write_sealed;
use super::staged::{ListingSizes, StagedFile};
use super::{Ledger, PackError};

/// The signature of SHA256SUMS, which does not list it.
pub const SIGNATURE: &str = "SHA256SUMS.sig";
/// The certificate that it is checked by.
pub const SIGNER: &str = "SIGNER.asc";

/// A disc that is packed: everything that will be burned, and the size of its image.
#[derive(Debug)]
pub struct ClosedDisc {
    pub files: Vec<StagedFile>,
    pub sectors: Sectors,
    pub listings: ListingFlags,
}

/// What closing needs to know beside the disc itself.
pub struct ClosingContext<'a> {
    pub facts: Facts,
    pub disc_txt: DiscTxt,
    /// As they are now: what could not be read while the disc was filled is among them.
    pub headers: Headers,
    pub sealer: Option<&'a Sealer>,
    /// Who signs SHA256SUMS, and when.
    pub signer: Option<(&'a Signer, Moment)>,
    pub scratch: &'a Path,
    /// Who hears of the recovery data's progress, and may stop it.
    pub watchers: Watchers<'a>,
    /// The archives that are on the disc already.
    pub archives: Vec<StagedFile>,
}

/// Whether this is what a disc carries beside archives and recovery data.
pub fn is_text(path: &str) -> bool {
    let listings = ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "HISTORY.tsv.bz2", "catalog.sqlite.bz2"];
    let texts =
        ["DISC.txt", "FORMAT.txt", "README.txt", "restore.sh", "SHA256SUMS", SIGNATURE, SIGNER];
    ["README.intl.txt", "simple-restore.sh"].contains(&path)
        || path.starts_with("format/")
        || texts.contains(&path)
        || listings.contains(&path.trim_end_matches(".gpg"))
}

/// What the listings take at most as they are now. Their text is counted, nothing is compressed:
/// for a disc with room enough, that is all that need be known.
pub fn bounds(
    disc: &DiscInWork,
    ledger: &mut dyn Ledger,
    stop: &Stop,
) -> Result<ListingSizes, PackError> {
    let dir = disc.dir.join(ROWS);
    let rows = rows_files(&dir)
        .and_then(|files| {
            files.iter().map(|file| Ok(file.symlink_metadata()?.len())).sum::<io::Result<u64>>()
        })
        .map_err(PackError::staging(&dir))?;
    let index = worst_listing(rows + disc.headers.index.len() as u64);
    let mut sizes = ListingSizes { index, ..ListingSizes::default() };
    if disc.carries_listings {
        let count = |which: Which, ledger: &mut dyn Ledger| {
            let mut text = which.header(&disc.headers).len() as u64;
            let line = |line: &[u8]| {
                text += line.len() as u64;
                Ok(())
            };
            listed_lines(which, disc, ledger, stop, line)?;
            Ok::<u64, PackError>(worst_listing(text))
        };
        sizes.snapshot = count(Which::Snapshot, ledger)?;
        if carries_history(disc, ledger)? {
            sizes.history = count(Which::History, ledger)?;
        }
        sizes.catalog = worst_listing(ledger.catalog_bytes().map_err(PackError::Ledger)?);
    }
    Ok(sizes)
}

/// Bytes by which the catalog on a disc may grow between being measured and being written, because
/// other discs are burned and verified meanwhile: about 200 for each of them, compressed.
const RECORDS_MEANWHILE: u64 = 4096;

/// Compresses the listings as they would be now and keeps only their sizes.
pub fn measure(
    disc: &DiscInWork,
    scratch: &Path,
    ledger: &mut dyn Ledger,
    stop: &Stop,
) -> Result<ListingSizes, PackError> {
    let headers = &disc.headers;
    let index = write_index(disc, headers, io::sink(), stop)?.1;
    let mut sizes = ListingSizes { index, ..ListingSizes::default() };
    if disc.carries_listings {
        sizes.snapshot =
            write_listed((Which::Snapshot, headers), disc, ledger, io::sink(), stop)?.1;
        if carries_history(disc, ledger)? {
            sizes.history =
                write_listed((Which::History, headers), disc, ledger, io::sink(), stop)?.1;
        }
        let now = write_catalog(disc, scratch, ledger, &mut Counter(0), stop)?;
        sizes.catalog = now + RECORDS_MEANWHILE;
    }
    Ok(sizes)
}

/// Writes INDEX from the rows that were kept, in the order of archives.
fn write_index<W: Write>(
    disc: &DiscInWork,
    headers: &Headers,
    out: W,
    stop: &Stop,
) -> Result<(W, u64), PackError> {
    let dir = disc.dir.join(ROWS);
    let failed = PackError::staging(&dir);
    let write = || -> io::Result<(W, u64)> {
        let mut lines = LineFrames::new(out, &disc.bzip2);
        put_lines(&mut lines, &headers.index)?;
        for path in rows_files(&dir)? {
            let mut rows = BufReader::new(Heeding::new(open_own_to_read(&path)?, stop));
            let mut line = Vec::new();
            while rows.read_until(b'\n', &mut line)? > 0 {
                lines.line(&line)?;
                line.clear();
            }
        }
        lines.finish()
    };
    write().map_err(failed).map_err(|error| error.unless_stopped(stop))
}

fn put_lines<W: Write>(lines: &mut LineFrames<W>, text: &[u8]) -> io::Result<()> {
    text.split_inclusive(|&b| b == b'\n').try_for_each(|line| lines.line(line))
}

/// One of the listings that tell of the whole set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Snapshot,
    History,
}

impl Which {
    fn header(self, headers: &Headers) -> &[u8] {
        match self {
            Which::Snapshot => &headers.snapshot,
            Which::History => &headers.history,
        }
    }
}

/// Whether there is something to be in a HISTORY, and the disc can have one.
fn carries_history(disc: &DiscInWork, ledger: &mut dyn Ledger) -> Result<bool, PackError> {
    match disc.format {
        Format::One => Ok(false),
        Format::Two => ledger.has_history().map_err(PackError::Ledger),
    }
}

fn write_listed<W: Write>(
    (which, headers): (Which, &Headers),
    disc: &DiscInWork,
    ledger: &mut dyn Ledger,
    out: W,
    stop: &Stop,
) -> Result<(W, u64), PackError> {
    let failed = || PackError::staging(&disc.dir);
    let mut lines = LineFrames::new(out, &disc.bzip2);
    put_lines(&mut lines, which.header(headers)).map_err(failed())?;
    listed_lines(which, disc, ledger, stop, |line| lines.line(line))?;
    lines.finish().map_err(failed())
}

fn listed_lines(
    which: Which,
    disc: &DiscInWork,
    ledger: &mut dyn Ledger,
    stop: &Stop,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), PackError> {
    let mut text = Vec::new();
    let mut line = |mut listed: ListedRow| {
        stop.check().map_err(io::Error::other)?;
        if disc.format == Format::One {
            listed.life = None;
        }
        text.clear();
        listed_line(&listed, &mut text);
        take(&text)
    };
    let rows = match which {
        Which::Snapshot => ledger.snapshot_rows(&mut line),
        Which::History => ledger.history_rows(&mut line),
    };
    rows.map_err(|error| PackError::Ledger(error).unless_stopped(stop))
}

/// Exports the catalog and compresses it in frames, so that both are parallel and bounded.
fn write_catalog(
    disc: &DiscInWork,
    scratch: &Path,
    ledger: &mut dyn Ledger,
    out: &mut dyn Write,
    stop: &Stop,
) -> Result<u64, PackError> {
    let export = scratch.join(scratch_name(".export"));
    let remove = || unless_missing(fs::remove_file(&export));
    remove().map_err(PackError::staging(&export))?;
    let exported = ledger.export_catalog(&export, stop).map_err(PackError::Ledger);
    let written = exported.and_then(|()| {
        let packed = open_own_to_read(&export)
            .and_then(|file| compress_frames(&disc.bzip2, Heeding::new(file, stop), out));
        packed.map_err(PackError::staging(&export))
    });
    // It is in clear: it goes even where the run ends here.
    let removed = remove().map_err(PackError::staging(&export));
    let written = written.map_err(|error| error.unless_stopped(stop))?;
    removed.map(|()| written)
}

fn compress_frames(
    bzip2: &Bzip2Frames,
    mut from: impl Read,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let mut written = 0;
    loop {
        let mut batch = Vec::new();
        (&mut from)
            .take((FRAME_BYTES * rayon::current_num_threads()) as u64)
            .read_to_end(&mut batch)?;
        let frames: Vec<Vec<u8>> =
            batch.par_chunks(FRAME_BYTES).map(|raw| bzip2.compress(raw)).collect();
        if frames.is_empty() {
            return Ok(written);
        }
        for frame in frames {
            out.write_all(&frame)?;
            written += frame.len() as u64;
        }
    }
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 += data.len() as u64;
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A spool as a sink; its error keeps the staging directory's name.
struct SpoolWriter(Spool);

impl Write for SpoolWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.append(data).map_err(io::Error::other)?;
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sizes of the texts at most, for the room that is kept for them.
pub fn text_sizes(facts: &Facts, disc_txt: &DiscTxt, capacity: Sectors) -> Vec<(String, u64)> {
    let most = Facts { zstd: true, long_paths: true, has_snapshot: true, ..facts.clone() };
    let least = Facts { has_snapshot: false, ..most.clone() };
    texts(&most, disc_txt, capacity)
        .into_iter()
        .zip(texts(&least, disc_txt, capacity))
        .map(|((path, one), (_, other))| {
            // Numbers may grow by some digits until the disc is closed.
            (path, one.len().max(other.len()) as u64 + 64)
        })
        .collect()
}

/// `capacity`: what the disc can hold.
fn texts(facts: &Facts, disc_txt: &DiscTxt, capacity: Sectors) -> Vec<(String, String)> {
    let is_new = disc_txt.format != Format::One;
    let is_roomy = is_new && capacity.bytes().0 >= SMALLEST_DISC;
    let companions = companions().into_iter().filter(|_| is_roomy);
    let others = [
        ("README.intl.txt", by_hand::readme_intl().to_owned()),
        ("simple-restore.sh", by_hand::simple_restore_sh(facts)),
    ];
    [
        ("DISC.txt", disc_txt.to_text()),
        ("FORMAT.txt", by_hand::format_txt().to_owned()),
        ("README.txt", by_hand::readme(facts) + "\n" + &disc_txt.repeated()),
        ("restore.sh", by_hand::restore_sh(facts)),
    ]
    .into_iter()
    .chain(others.into_iter().filter(|_| is_new))
    .chain(companions.map(|(path, text)| (path, text.to_owned())))
    .map(|(path, text)| (path.to_owned(), text))
    .collect()
}

/// Writes everything that the disc still lacks. The disc is whole, durable and of known size then.
pub fn close(
    disc: &DiscInWork,
    mut closing: ClosingContext<'_>,
    ledger: &mut dyn Ledger,
) -> Result<ClosedDisc, PackError> {
    let stop = closing.watchers.stop;
    let mut files = std::mem::take(&mut closing.archives);
    let mut listings = ListingFlags { index: true, ..ListingFlags::default() };
    files.push(listing(disc, &closing, "INDEX.tsv.bz2", |out| {
        Ok(write_index(disc, &closing.headers, out, stop)?.0)
    })?);
    if disc.carries_listings {
        let listed = |name, which, ledger: &mut dyn Ledger| {
            listing(disc, &closing, name, |out| {
                Ok(write_listed((which, &closing.headers), disc, ledger, out, stop)?.0)
            })
        };
        let snapshot = listed("SNAPSHOT.tsv.bz2", Which::Snapshot, ledger)?;
        let history = match carries_history(disc, ledger)? {
            true => Some(listed("HISTORY.tsv.bz2", Which::History, ledger)?),
            false => None,
        };
        let catalog = listing(disc, &closing, "catalog.sqlite.bz2", |mut out| {
            write_catalog(disc, closing.scratch, ledger, &mut out, stop)?;
            Ok(out)
        })?;
        // Without HISTORY the disc would not tell all that its SNAPSHOT seems to: it goes first.
        let mut fits = |listing| keep_if_fits(disc, &mut files, listing);
        let owes_history = history.is_some();
        listings.history = history.is_some_and(&mut fits);
        listings.snapshot = owes_history == listings.history && fits(snapshot);
        listings.catalog = keep_if_fits(disc, &mut files, catalog);
    }
    closing.disc_txt.listings = listings;
    closing.disc_txt.parity = protecting::percent(disc, &files);
    closing.facts.parity = closing.disc_txt.parity;
    closing.facts.has_snapshot = listings.snapshot;
    for (path, text) in texts(&closing.facts, &closing.disc_txt, disc.room.capacity()) {
        files.push(text_file(disc, &path, text.as_bytes())?);
    }
    if let Some((signer, _)) = closing.signer.filter(|_| disc.format != Format::One) {
        files.push(text_file(disc, SIGNER, signer.certificate())?);
    }
    let protected = protecting::protect(disc, &files, closing.watchers);
    files.extend(protected.map_err(|error| error.unless_stopped(stop))?);
    let list = sums(&files);
    files.push(text_file(disc, "SHA256SUMS", &list)?);
    if let Some((signer, now)) = closing.signer {
        let signature = signer.sign(&list, now).map_err(PackError::Sign)?;
        files.push(text_file(disc, SIGNATURE, &signature)?);
    }
    let sizes: Vec<(&str, Bytes)> =
        files.iter().map(|file| (file.path.as_str(), Bytes(file.size))).collect();
    Ok(ClosedDisc { sectors: crate::drive::image_sectors(&sizes), files, listings })
}

/// The listings' room was reckoned as an upper bound. Should it ever be exceeded, the disc stays
/// within its capacity and the listing goes onto the next one. Recovery data takes what is left.
fn keep_if_fits(disc: &DiscInWork, files: &mut Vec<StagedFile>, listing: StagedFile) -> bool {
    let mut room = disc.room.clone().with_recovery(0);
    for file in files.iter().chain([&listing]) {
        room.put(&file.path, file.size);
    }
    let sums = [("SHA256SUMS".to_owned(), super::room::sums_size(room.files()))];
    let fits = room.left_with(&sums).is_some();
    if fits {
        files.push(listing);
    }
    fits
}

fn sums(files: &[StagedFile]) -> Vec<u8> {
    list_sums(files.iter().map(|file| (file.path.as_str(), file.sha256)))
}

fn listing(
    disc: &DiscInWork,
    closing: &ClosingContext<'_>,
    name: &str,
    write: impl FnOnce(SpoolWriter) -> Result<SpoolWriter, PackError>,
) -> Result<StagedFile, PackError> {
    let spool = Spool::new(closing.scratch, closing.sealer.is_some())?;
    let spool = write(SpoolWriter(spool))?.0;
    let gpg = if closing.sealer.is_some() { ".gpg" } else { "" };
    let path = format!("{name}{gpg}");
    let stop = closing.watchers.stop;
    let mut spooled = Heeding::new(spool.reader(), stop);
    let file = disc.dir.join(&path);
    let (size, sha256) = write_sealed(&file, &mut spooled, spool.len(), closing.sealer)
        .map_err(|error| error.unless_stopped(stop))?;
    Ok(StagedFile { path, size, sha256 })
}

fn text_file(disc: &DiscInWork, path: &str, text: &[u8]) -> Result<StagedFile, PackError> {
    let file = disc.dir.join(path);
    make_private_dir(file.parent().unwrap_or(&disc.dir))
        .and_then(|()| write_atomic(&file, text, 0o600))
        .map_err(PackError::staging(&file))?;
    let sha256 = Digest(Sha256::digest(text).into());
    Ok(StagedFile { path: path.to_owned(), size: text.len() as u64, sha256 })
}
