//! Step 4: a medium is read back and compared with what is known of it.
//!
//! It knows nothing of how the medium was made: proof shares no memory with the writer. The only
//! way to a [`Proof`], and so to a disc that counts as safe, is through [`verify`].

use std::collections::BTreeMap;

use crate::codec::openpgp::Opener;
use crate::drive::{DiscFile, DiscReader};
use crate::model::{Digest, DiscUuid, Sectors, Strain};
use crate::port::monitor::Monitor;
use crate::port::notice::OpenedFiles;
use crate::port::stop::Stop;

mod error;
mod outcome;
mod outlook;
mod pace;
mod reading;
mod seals;

pub use error::Unfinished;
pub use outcome::damaged;
pub use outlook::outlook;
use reading::{DiscReading, Passed};
pub use seals::is_sealed;

/// A file as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFile {
    pub path: String,
    pub size: u64,
    pub sha256: Digest,
}

/// A file of the disc that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    pub path: String,
    pub what: String,
}

/// What the medium turned out to be.
#[derive(Debug)]
pub enum Verdict {
    Sound(Proof),
    Damaged(Vec<FileFault>),
}

/// Every file of this disc was read and its hash agreed. Made in this module only.
#[derive(Debug)]
pub struct Proof {
    disc: DiscUuid,
    files: usize,
    bytes: u64,
    strain: Strain,
}

/// A verdict, and how hard it was to come to it.
#[derive(Debug)]
pub struct Examined {
    pub verdict: Verdict,
    pub strain: Strain,
    /// Of its encrypted files.
    pub seals: OpenedFiles,
}

impl Proof {
    pub fn disc(&self) -> DiscUuid {
        self.disc
    }
}

/// Reads every file of the medium in the order in which it is there, and compares.
/// `image` is the size that the medium must have, where it is known.
pub fn verify(
    reader: &dyn DiscReader,
    disc: DiscUuid,
    expected: &[ExpectedFile],
    image: Option<Sectors>,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Verdict, Unfinished> {
    Ok(examine(reader, disc, expected, image, None, monitor, stop)?.verdict)
}

/// The same, and how the medium took it: for whoever watches it grow old. With `opener` encrypted
/// files are opened as they pass by; one that is not what was encrypted is a fault.
pub fn examine(
    reader: &dyn DiscReader,
    disc: DiscUuid,
    expected: &[ExpectedFile],
    image: Option<Sectors>,
    opener: Option<&Opener>,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Examined, Unfinished> {
    let mut reading = DiscReading::of(reader, opener, monitor, stop);
    let (mut faults, seals) = faults_of(&mut reading, expected)?;
    faults.extend(size_fault(reader, image));
    faults.extend(reader.flaw().map(|what| fault("the disc", what)));
    let DiscReading { done, pace, unreadable, .. } = reading;
    let strain = pace.strain(unreadable);
    if let Some(notice) = pace.notice(reader.title()) {
        monitor.note(notice.into());
    }
    if faults.is_empty() && !expected.is_empty() {
        let proof = Proof { disc, files: expected.len(), bytes: done, strain };
        return Ok(Examined { verdict: Verdict::Sound(proof), strain, seals });
    }
    if expected.is_empty() {
        faults.push(fault("this disc", "no checksums are known for it".to_owned()));
    }
    Ok(Examined { verdict: Verdict::Damaged(faults), strain, seals })
}

/// What the files of a disc are not as they must be: each is read, and at the end what was skipped
/// next to bad sectors.
fn faults_of(
    reading: &mut DiscReading,
    expected: &[ExpectedFile],
) -> Result<(Vec<FileFault>, OpenedFiles), Unfinished> {
    let mut wanted: BTreeMap<&str, &ExpectedFile> =
        expected.iter().map(|file| (file.path.as_str(), file)).collect();
    let (mut faults, mut hurt) = (Vec::new(), Vec::new());
    let mut opened = OpenedFiles::default();
    for file in reading.reader.files() {
        let Some(expected) = wanted.remove(file.path.as_str()) else {
            faults.push(fault(&file.path, "does not belong on this disc".to_owned()));
            continue;
        };
        let found = reading.digest(file)?;
        if let (Err(_), Some(absence)) = (&found, reading.reader.absence()) {
            return Err(absence.into());
        }
        match found {
            Err(damage) => {
                hurt.push((faults.len(), file, damage));
                faults.push(fault(&file.path, String::new()));
            }
            Ok(Passed { sha256, seal }) => {
                let broken = seal.and_then(|seal| seals::count(seal, &mut opened));
                let what = disagreement(expected, file, sha256).or(broken);
                faults.extend(what.map(|what| fault(&file.path, what)));
            }
        }
    }
    for (number, file, mut damage) in hurt {
        reading.try_skipped(file, &mut damage)?;
        faults[number].what = damage.words(file);
    }
    faults.extend(wanted.keys().map(|path| fault(path, "is missing".to_owned())));
    Ok((faults, opened))
}

fn fault(path: &str, what: String) -> FileFault {
    FileFault { path: path.to_owned(), what }
}

fn size_fault(reader: &dyn DiscReader, image: Option<Sectors>) -> Option<FileFault> {
    let (found, wanted) = (reader.image_sectors()?, image?);
    let what = format!("has {} sectors instead of {}", found.0, wanted.0);
    (found < wanted).then(|| fault("the image", what))
}

fn disagreement(expected: &ExpectedFile, file: &DiscFile, found: Digest) -> Option<String> {
    if file.size.0 != expected.size {
        return Some(format!("has {} bytes instead of {}", file.size.0, expected.size));
    }
    (found != expected.sha256).then(|| "content differs (SHA-256 mismatch)".to_owned())
}
