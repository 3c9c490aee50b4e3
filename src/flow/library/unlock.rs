//! What opens a set's files, tried on the catalog's token and on the discs' listings before any work.

use crate::codec::openpgp::{OpenError, Opener};
use crate::drive::{DiscFile, DiscReader, FileReader};
use crate::model::{SetName, SnapshotSeq};
use crate::restore::index::{CATALOG, INDEX, SNAPSHOT};

use crate::flow::base::keys::KeyRing;
use crate::flow::library::inventory::FoundSet;
use crate::flow::library::listings::KnownIn;
use crate::flow::{FlowError, KeyError};

/// So many listings are tried before a passphrase counts as wrong: the first bytes of some may be
/// damaged, and each try takes a twentieth of a second.
const LISTINGS_TRIED: usize = 8;

/// What opens the set's files; a wrong passphrase is told before any work.
pub(in crate::flow) fn open_set(
    keys: &KeyRing,
    found_set: &FoundSet,
    known: Option<&(KnownIn, SnapshotSeq)>,
) -> Result<Option<Opener>, FlowError> {
    let encryption = found_set.encryption();
    let hint = match known {
        Some((known, _)) => known.catalog.sets()?.into_iter().find(|set| set.id == known.set),
        None => None,
    }
    .and_then(|set| set.hint);
    keys.opener((&found_set.name, hint.as_deref()), encryption, |opener| {
        check_token(opener, known, &found_set.name)?;
        check_listings(opener, found_set)
    })
}

fn check_token(
    opener: &Opener,
    known: Option<&(KnownIn, SnapshotSeq)>,
    name: &SetName,
) -> Result<(), FlowError> {
    let Some((known, _)) = known else { return Ok(()) };
    let sets = known.catalog.sets()?;
    let token = sets.iter().find(|set| set.id == known.set).and_then(|s| s.facts.token.as_deref());
    match token.map(|token| opener.opens(token)) {
        Some(Ok(false)) => Err(KeyError::WrongPassphrase(name.clone()).into()),
        // A damaged token proves nothing.
        _ => Ok(()),
    }
}

/// Opens the smallest listings until one opens.
pub(in crate::flow) fn check_listings(
    opener: &Opener,
    found_set: &FoundSet,
) -> Result<(), FlowError> {
    let mut listings: Vec<(u64, &dyn DiscReader, &DiscFile)> = Vec::new();
    for copy in found_set.all().flat_map(|found| &found.copies) {
        for name in [INDEX, SNAPSHOT, CATALOG] {
            if let Some(file) = copy.file(&format!("{name}.gpg")) {
                listings.push((file.size.0, &**copy, file));
            }
        }
    }
    listings.sort_by_key(|&(size, ..)| size);
    let mut refused = None;
    for (_, reader, file) in listings.into_iter().take(LISTINGS_TRIED) {
        match opener.open(FileReader::new(reader, file)) {
            Ok(_) => return Ok(()),
            Err(error @ (OpenError::Damaged(_) | OpenError::Read(_) | OpenError::NotOpenPgp)) => {
                drop(error);
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        None => Ok(()),
        Some(OpenError::WrongPassphrase) => {
            Err(KeyError::WrongPassphrase(found_set.name.clone()).into())
        }
        Some(error) => Err(error.into()),
    }
}
