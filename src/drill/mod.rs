//! The promise of plain tools, tried on a real disc: bash, tar, bzip2 and gpg read it, and what comes
//! out is what the catalog says.
//!
//! [`sample`] takes INDEX and some frames of two archives; [`whole`] lets a script of the discs do
//! all of it. Nothing that was in clear is written anywhere by `sample`: it runs through pipes.

mod choice;
mod comparing;
mod error;
mod listed;
mod sampling;
mod tools;
mod whole;

pub use error::DrillError;
pub use listed::{ListingKind, oddity};
pub use sampling::{Depth, Files, InPlace, KnownFile, SampleKey, Sampling};
pub use tools::check_tools;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::codec::frames::{FRAME_BYTES, first_frame_len};
use crate::codec::openpgp::{OpenError, Opener, Unlocked};
use crate::model::ArchiveNo;
use crate::model::disc::{Compression, archive_path};
use crate::port::cause::Cause;
use crate::port::command::Program;
use crate::port::files::{digest, open_own_to_read};
use crate::port::notice::Untested;
use crate::port::passphrase::Secret;
use crate::port::stop::Stop;

use choice::{ArchiveSampler, RandomBelow, Unit};
use comparing::Comparison;
use tools::Tools;
pub use whole::{Whole, whole};

/// An INDEX that is longer than this is opened wholly and expanded only so far, where time counts.
const QUICK_INDEX: u64 = 6 << 20;

/// What a drill saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drilled {
    pub files: u64,
    pub bytes: u64,
    pub faults: Vec<DrillFault>,
    /// What could not be tried, and why; no fault of the disc.
    pub skipped: Vec<Untested>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillFault {
    pub path: String,
    pub what: Cause,
}

impl DrillFault {
    pub fn new(path: impl Into<String>, what: impl Into<Cause>) -> DrillFault {
        DrillFault { path: path.into(), what: what.into() }
    }
}

/// Reads INDEX, and the first frame, the last one and one between of two archives.
pub fn sample(sampling: &Sampling) -> Result<Drilled, DrillError> {
    let mut drill = SampleDrill { on: sampling, seen: Drilled::default() };
    for (archive, units) in drill.index(&mut random)? {
        drill.archive(archive, &units)?;
    }
    Ok(drill.seen)
}

fn random(below: u64) -> Result<u64, DrillError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| DrillError::Random(e.into()))?;
    Ok(u64::from_le_bytes(bytes) % below.max(1))
}

struct SampleDrill<'a> {
    on: &'a Sampling<'a>,
    seen: Drilled,
}

/// An archive's file and how to read it.
struct OpenArchive {
    path: String,
    place: PathBuf,
    file: File,
    compression: Compression,
    encrypted: bool,
}

impl SampleDrill<'_> {
    fn fault(&mut self, path: &str, what: impl Into<Cause>) {
        self.seen.faults.push(DrillFault::new(path, what));
    }

    fn known(&self, wanted: &[&str]) -> Option<KnownFile> {
        self.on.known.iter().find(|file| wanted.contains(&file.path.as_str())).cloned()
    }

    /// INDEX, opened and expanded by the tools; what of it is tried further.
    fn index(
        &mut self,
        random: &mut RandomBelow,
    ) -> Result<Vec<(ArchiveNo, Vec<Unit>)>, DrillError> {
        let Some(known) = self.known(&["INDEX.tsv.bz2", "INDEX.tsv.bz2.gpg"]) else {
            self.fault("INDEX.tsv.bz2", "the catalog does not list one");
            return Ok(Vec::new());
        };
        let path = &known.path;
        let Some((place, file)) = self.bring(path) else { return Ok(Vec::new()) };
        match digest(&file) {
            Ok((_, found)) if found == known.sha256 => {}
            Ok(_) => self.fault(path, "content differs from the catalog (SHA-256 mismatch)"),
            Err(error) => self.fault(path, format!("cannot be read: {error}")),
        }
        // Without a key there are no rows, and so no frames to choose from.
        let Some(tools) = self.tools(path, &file) else { return Ok(Vec::new()) };
        let is_cut = self.on.depth == Depth::Quick && known.size > QUICK_INDEX;
        let mut choice = ArchiveSampler::new(random);
        let program = tools.listing(&place, is_cut.then_some(QUICK_INDEX));
        let failure = stream(&program, self.on.stop, &mut |piece| choice.take(piece))?;
        self.judge_index(path, failure, &choice);
        if is_cut {
            self.seen.skipped.push(Untested::EndOfIndex { path: path.clone() });
        }
        choice.finish(self.on.depth, is_cut)
    }

    fn judge_index(&mut self, path: &str, failure: Option<String>, choice: &ArchiveSampler) {
        if let Some(words) = failure {
            self.fault(path, format!("cannot be opened with standard tools: {words}"));
        }
        match choice.disc() {
            Ok(Some(disc)) if disc == self.on.disc => {}
            Ok(None) => self.fault(path, "does not say which disc it belongs to"),
            Ok(Some(_)) => self.fault(path, "belongs to another disc"),
            Err(error) => self.fault(path, error.to_string()),
        }
        if choice.bad > 0 {
            self.fault(path, format!("{} of its lines cannot be understood", choice.bad));
        }
    }

    fn archive(&mut self, number: ArchiveNo, units: &[Unit]) -> Result<(), DrillError> {
        let Some(archive) = self.open_archive(number) else { return Ok(()) };
        for row in units.iter().flat_map(|unit| &unit.rows) {
            if row.span.part == 0 && row.sha256.is_some() && row.size > 0 && !(self.on.knows)(row) {
                let what = format!("{}: the catalog has no content with its checksum", row.path);
                self.fault(&archive.path, what);
            }
        }
        let Some(tools) = self.tools(&archive.path, &archive.file) else { return Ok(()) };
        match self.on.depth {
            Depth::Thorough => self.by_tools_alone(&archive, &tools, units),
            Depth::Quick => self.by_pieces(&archive, &tools, units),
        }
    }

    fn open_archive(&mut self, number: ArchiveNo) -> Option<OpenArchive> {
        let kinds = [Compression::None, Compression::Bzip2, Compression::Zstd];
        let named = kinds.iter().flat_map(|&kind| [false, true].map(|sealed| (kind, sealed)));
        let found = named
            .map(|(kind, sealed)| (archive_path(number, kind, sealed), kind, sealed))
            .find(|(path, ..)| self.on.known.iter().any(|file| file.path == *path));
        let Some((path, compression, encrypted)) = found else {
            self.fault(
                "INDEX.tsv.bz2",
                format!("lists archive {number}, which is not on the disc"),
            );
            return None;
        };
        let (place, file) = self.bring(&path)?;
        Some(OpenArchive { path, place, file, compression, encrypted })
    }

    fn bring(&mut self, path: &str) -> Option<(PathBuf, File)> {
        let opened = self.on.files.bring(path).and_then(|place| {
            open_own_to_read(&place).map(|file| (place, file)).map_err(|error| error.to_string())
        });
        match opened {
            Ok(opened) => Some(opened),
            Err(what) => {
                self.fault(path, what);
                None
            }
        }
    }

    /// The tools with what opens this file; `None` if nobody has that.
    fn tools(&mut self, path: &str, file: &File) -> Option<Tools> {
        if !path.ends_with(".gpg") {
            return Some(Tools::plain());
        }
        match self.on.key {
            SampleKey::None => {
                self.fault(path, "is encrypted, but the set is not");
                None
            }
            SampleKey::Passphrase(secret) => Some(Tools::with_passphrase(secret)),
            SampleKey::Files(find) => match find(file) {
                Ok(Some(key)) => Some(Tools::with_session_key(&key)),
                Ok(None) => {
                    self.seen.skipped.push(Untested::SessionKey { path: path.to_owned() });
                    None
                }
                Err(error) => {
                    self.fault(path, error.to_string());
                    None
                }
            },
        }
    }

    /// One run of the tools over the archive, which is decrypted once and wholly.
    fn by_tools_alone(
        &mut self,
        archive: &OpenArchive,
        tools: &Tools,
        units: &[Unit],
    ) -> Result<(), DrillError> {
        let pieces: Vec<(u64, u64)> = units.iter().map(|unit| (unit.offset, unit.length)).collect();
        let program = tools.archive(&archive.place, archive.compression, &pieces);
        let members = units.iter().flat_map(|unit| &unit.rows);
        self.compare(&archive.path, &program, Comparison::new(members))
    }

    /// gpg opens the archive's beginning; each frame then goes through bzip2 and tar.
    fn by_pieces(
        &mut self,
        archive: &OpenArchive,
        tools: &Tools,
        units: &[Unit],
    ) -> Result<(), DrillError> {
        let unlocked = match self.unlock(archive) {
            Ok(unlocked) => unlocked,
            Err(error) => {
                self.fault(&archive.path, error.to_string());
                return Ok(());
            }
        };
        for unit in units {
            let piece = match cut(archive, unlocked.as_ref(), unit) {
                Ok(piece) => piece,
                Err(error) => {
                    self.fault(&archive.path, format!("cannot be read: {error}"));
                    continue;
                }
            };
            if archive.encrypted && unit.offset == 0 {
                self.beginning(archive, tools, &piece)?;
            }
            if unit.is_long() {
                self.long_member(archive, unit, piece)?;
            } else {
                let unpack = Tools::frames(archive.compression, piece);
                self.compare(&archive.path, &unpack, Comparison::new(&unit.rows))?;
            }
        }
        Ok(())
    }

    fn unlock(&self, archive: &OpenArchive) -> Result<Option<Unlocked>, OpenError> {
        match (archive.encrypted, self.on.key) {
            (true, SampleKey::Passphrase(secret)) => {
                Opener::passphrase(secret).unlock(&archive.file).map(Some)
            }
            (true, SampleKey::Files(find)) => match find(&archive.file)? {
                Some(key) => key.unlock(&archive.file).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// What gpg makes of the message's beginning is what our own reader makes of it.
    fn beginning(
        &mut self,
        archive: &OpenArchive,
        tools: &Tools,
        piece: &Secret,
    ) -> Result<(), DrillError> {
        let wanted = piece.bytes();
        let ran =
            run(&tools.head(&archive.place, wanted.len() as u64), self.on.stop, wanted.len())?;
        if ran.output != wanted {
            let words = ran.failure.unwrap_or_else(|| "its output differs".to_owned());
            self.fault(&archive.path, format!("gpg decrypts it differently from coldcut: {words}"));
        }
        Ok(())
    }

    /// Of a member that is too long to be unpacked in time: its first frame expands to its full
    /// size, and tar finds the member in it.
    fn long_member(
        &mut self,
        archive: &OpenArchive,
        unit: &Unit,
        piece: Secret,
    ) -> Result<(), DrillError> {
        let stop = self.on.stop;
        let cut = first_frame_len(archive.compression, piece.bytes())
            .map(|length| Secret::new(piece.bytes()[..length].to_vec()));
        let frame = match cut {
            Ok(frame) => run(&Tools::frame(archive.compression, frame), stop, FRAME_BYTES)?,
            Err(error) => Ran { output: Vec::new(), failure: Some(error.to_string()) },
        };
        let enough = if unit.length > unit.quick_length() { FRAME_BYTES } else { 1 };
        if frame.failure.is_some() || frame.output.len() < enough {
            let words = frame.failure.unwrap_or_else(|| "it is too short".to_owned());
            let what = format!("the first frame of a long member does not expand: {words}");
            self.fault(&archive.path, what);
            return Ok(());
        }
        let names = run(&Tools::names(Secret::new(frame.output)), stop, 1 << 20)?;
        let found = names.output.iter().filter(|&&byte| byte == b'\n').count();
        match (1..=unit.rows.len()).contains(&found) {
            true => self.seen.files += 1,
            false => self.fault(&archive.path, "tar finds no name at the front of a long member"),
        }
        Ok(())
    }

    fn compare(
        &mut self,
        path: &str,
        program: &Program,
        mut comparison: Comparison,
    ) -> Result<(), DrillError> {
        let failure = stream(program, self.on.stop, &mut |piece| comparison.take(piece))?;
        let compared = comparison.finish();
        self.seen.files += compared.files;
        self.seen.bytes += compared.bytes;
        for what in compared.wrong {
            self.fault(path, what);
        }
        if let Some(words) = failure {
            self.fault(path, format!("standard tools cannot read it: {words}"));
        }
        Ok(())
    }
}

/// A unit's bytes, decrypted; of a long one the beginning.
fn cut(archive: &OpenArchive, unlocked: Option<&Unlocked>, unit: &Unit) -> io::Result<Secret> {
    let length = unit.quick_length();
    let mut bytes = zeroize::Zeroizing::new(vec![0; usize::try_from(length).unwrap_or(0)]);
    match unlocked {
        Some(unlocked) => {
            unlocked.range(&archive.file, unit.offset, length).read_exact(&mut bytes)?;
        }
        None => archive.file.read_exact_at(&mut bytes, unit.offset)?,
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// What a program printed, and why it is not to be trusted.
struct Ran {
    output: Vec<u8>,
    failure: Option<String>,
}

fn run(program: &Program, stop: &Stop, limit: usize) -> Result<Ran, DrillError> {
    let mut output = Vec::new();
    let mut too_much = false;
    let failure = stream(program, stop, &mut |piece| {
        too_much |= output.len() + piece.len() > limit;
        if !too_much {
            output.extend_from_slice(piece);
        }
    })?;
    let failure =
        failure.or_else(|| too_much.then(|| "there was more output than expected".to_owned()));
    Ok(Ran { output, failure })
}

/// Runs a script of [`tools`]; its failure in the tools' own words.
fn stream(
    program: &Program,
    stop: &Stop,
    out: &mut dyn FnMut(&[u8]),
) -> Result<Option<String>, DrillError> {
    let mut words = Vec::new();
    let exit = program.stream(stop, out, &mut |line| {
        if words.len() < 5 {
            words.push(crate::model::path::shown(line));
        }
    })?;
    if exit == tools::NO_TOOL {
        return Err(DrillError::NoTool(words.pop().unwrap_or_default()));
    }
    Ok((!exit.is_success()).then(|| match words.is_empty() {
        true => exit.to_string(),
        false => words.join("; "),
    }))
}

#[cfg(test)]
mod tests;
