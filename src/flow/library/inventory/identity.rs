//! Who a disc is: as DISC.txt says; where that is damaged, README.txt; and where both are, the
//! descriptor of its volume, if a catalog knows a disc with such a one.

use sha2::{Digest as _, Sha256};

use crate::catalog::{DiscInfo, SetFacts};
use crate::drive::DiscReader;
use crate::flow::base::own_list::{own_sums, read_small};
use crate::flow::library::inventory::group::group_told_by;
use crate::flow::library::inventory::problem::{Problem, ProblemKind};
use crate::format::by_hand::title;
use crate::format::volume::APPLICATION;
use crate::format::{DiscTxt, FormatError};
use crate::model::disc::{Compression, Description, Encryption, parse_archive_path};
use crate::model::{Format, ListingFlags, SnapshotSeq};
use crate::port::cause::Cause;
use crate::port::notice::{DiscNotice, IdentifiedBy};
use crate::restore::index::{CATALOG, HISTORY, INDEX, SNAPSHOT, listing_file};

/// Longer files of these names are not ours.
const LONGEST_TEXT: usize = 64 << 10;

/// Which disc this is: as DISC.txt says, or, where that is damaged, README.txt.
pub fn identify(reader: &dyn DiscReader) -> Result<(DiscTxt, Option<DiscNotice>), Problem> {
    let read = |name: &str| read_small(reader, name, LONGEST_TEXT);
    let told =
        read("DISC.txt").map_err(|what| (what.into(), ProblemKind::Damage)).and_then(|text| {
            let txt = DiscTxt::parse(&text).map_err(|error| {
                let newer = matches!(error, FormatError::Newer { .. });
                let kind = if newer { ProblemKind::Newer } else { ProblemKind::Damage };
                (Cause::of(error).about(reader.title()), kind)
            })?;
            Ok((txt, has_its_sum(reader, "DISC.txt", &text)))
        });
    match told {
        Ok((txt, true)) => Ok((txt, None)),
        Err((why, kind @ ProblemKind::Newer)) => Err(Problem::Unusable { kind, why }),
        told => {
            let by_readme = |text: Vec<u8>| {
                DiscTxt::of_readme(&text).or_else(|| {
                    let title = title::read(&text).filter(|_| is_of_format_1(reader))?;
                    Some(from_title(reader, title))
                })
            };
            match (read("README.txt").ok().and_then(by_readme), told) {
                // The list of sums may be what is damaged.
                (Some(txt), Ok((same, _))) if is_same_disc(&txt, &same) => Ok((same, None)),
                (Some(txt), told) => {
                    let why = told.err().map_or_else(
                        || format!("{}: DISC.txt is damaged", reader.title()).into(),
                        |(what, _)| what,
                    );
                    let by = IdentifiedBy::Readme;
                    Ok((txt, Some(DiscNotice::IdentifiedOtherwise { by, why })))
                }
                (None, Ok((txt, _))) => Ok((txt, None)),
                (None, Err((why, kind))) => Err(Problem::Unusable { kind, why }),
            }
        }
    }
}

/// Only there the title of README.txt is for programs, too. Later discs have a script more, and volumes
/// with an identifier.
fn is_of_format_1(reader: &dyn DiscReader) -> bool {
    let is_named = reader.volume().is_some_and(|it| it.application.starts_with(APPLICATION));
    !is_named && reader.file("simple-restore.sh").is_none()
}

fn is_same_disc(a: &DiscTxt, b: &DiscTxt) -> bool {
    (&a.id, a.snapshot) == (&b.id, b.snapshot)
}

/// Whether a file has the sum that the disc's list says; true where the list says nothing.
fn has_its_sum(reader: &dyn DiscReader, name: &str, text: &[u8]) -> bool {
    let Ok(sums) = own_sums(reader) else { return true };
    sums.get(name).is_none_or(|digest| digest.0[..] == Sha256::digest(text)[..])
}

/// What README.txt does not tell can be seen by the names of the disc's files.
fn from_title(reader: &dyn DiscReader, title: title::Title) -> DiscTxt {
    let archives = || reader.files().iter().filter_map(|file| parse_archive_path(&file.path));
    let is_closed = |name| reader.file(&format!("{name}.gpg")).is_some();
    let encrypted = archives().any(|(.., closed)| closed)
        || [INDEX, SNAPSHOT, CATALOG].into_iter().any(is_closed);
    let compression = archives().map(|(_, compression, _)| compression);
    DiscTxt {
        format: Format::One,
        id: title.id,
        snapshot: title.snapshot,
        date: title.date,
        coldcut: String::new(),
        encryption: match encrypted {
            false => Encryption::None,
            true if is_for_a_passphrase(reader) => Encryption::Passphrase,
            true => Encryption::Recipients,
        },
        compression: compression
            .max_by_key(|kind| *kind != Compression::None)
            .unwrap_or(Compression::None),
        parity: 0, // README.txt does not tell; whoever repairs looks at what is there
        listings: listings_on(reader),
        description: Description::default(),
        group: group_told_by(reader),
    }
}

fn listings_on(reader: &dyn DiscReader) -> ListingFlags {
    let has = |name: &str| listing_file(reader, name).is_some();
    ListingFlags {
        index: has(INDEX),
        snapshot: has(SNAPSHOT),
        history: has(HISTORY),
        catalog: has(CATALOG),
    }
}

/// An OpenPGP message for a passphrase begins with a packet of kind 3 (format 4), one for recipients
/// with one of kind 1.
pub(super) fn is_for_a_passphrase(reader: &dyn DiscReader) -> bool {
    let sealed = reader.files().iter().filter(|file| file.path.ends_with(".gpg"));
    let first = sealed.take(3).filter_map(|file| {
        let mut byte = [0];
        let is_there = reader.read_at(file, 0, &mut byte).is_ok_and(|read| read == 1);
        is_there.then_some(byte[0])
    });
    let mut kinds = first.map(|byte| if byte & 0x40 != 0 { byte & 0x3f } else { byte >> 2 & 0xf });
    kinds.find(|kind| [1, 3].contains(kind)) == Some(3)
}

/// A disc that does not say who it is.
pub struct Unnamed {
    pub reader: Box<dyn DiscReader>,
    pub why: Cause,
}

pub(super) fn from_catalog(reader: &dyn DiscReader, facts: &SetFacts, disc: &DiscInfo) -> DiscTxt {
    let closed = disc.closing.and_then(|closing| closing.at);
    DiscTxt {
        format: disc.format,
        id: facts.identity(disc.number, disc.uuid),
        snapshot: disc.closing.map_or(SnapshotSeq(1), |closing| closing.snapshot),
        date: closed.map_or_else(String::new, |closed| closed.to_string()),
        coldcut: String::new(),
        encryption: facts.encryption,
        compression: facts.compression,
        parity: facts.parity,
        listings: listings_on(reader),
        description: Description::default(),
        group: group_told_by(reader),
    }
}
