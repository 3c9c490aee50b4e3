//! `coldcut keysheet`: what must be known on the day of a restore, for the drawer: the set, its
//! discs and where they are, what opens them. The passphrase itself is never on it.

use std::path::Path;

use crate::catalog::{Access, Catalog, KnownSet, SnapshotInfo};
use crate::codec::openpgp::{Locks, Opener};
use crate::model::SetName;
use crate::port::clock::Moment;
use crate::port::passphrase::Secret;

use crate::flow::base::turn::{hold_chosen, open_to_record};
use crate::flow::library::known_discs::{KnownDisc, known_discs};
use crate::flow::status::query::finished;
use crate::flow::{Context, FlowError, KeyError, choose_set};

/// So many words of a hint are tried as passphrases; each try takes a twentieth of a second.
const WORDS_TRIED: usize = 16;

pub struct Keysheet {
    pub set: KnownSet,
    pub newest: Option<SnapshotInfo>,
    pub discs: Vec<KnownDisc>,
    /// Of the secret keys that open the set, unless they are hidden.
    pub key_ids: Vec<String>,
}

/// Gathers the sheet; with a hint, remembers that first (an empty one is forgotten).
pub fn keysheet(
    path: &Path,
    name: Option<&SetName>,
    hint: Option<&str>,
    context: Context,
) -> Result<Keysheet, FlowError> {
    if let Some(hint) = hint {
        let mut catalog = open_to_record(path, context)?;
        let (set, _held) = hold_chosen(&catalog, name, context)?;
        remember_hint(&mut catalog, &set, hint)?;
    }
    let catalog = Catalog::open(path, Access::Read)?;
    let set = choose_set(catalog.sets()?, name)?;
    Ok(Keysheet {
        newest: finished(&catalog, &set)?.pop(),
        discs: known_discs(&catalog, &set)?,
        key_ids: key_ids(&set),
        set,
    })
}

/// Certificates that expired since name their keys all the same, if they can be read at all.
fn key_ids(set: &KnownSet) -> Vec<String> {
    let Some(certs) = set.facts.certs.as_ref().filter(|_| !set.facts.hidden) else {
        return Vec::new();
    };
    let locks = Locks::recipients(std::slice::from_ref(certs), false, Moment::now());
    locks.map(|locks| locks.key_ids()).unwrap_or_default()
}

pub fn remember_hint(catalog: &mut Catalog, set: &KnownSet, hint: &str) -> Result<(), FlowError> {
    let hint = hint.trim();
    if is_passphrase(set, hint) {
        return Err(KeyError::HintIsPassphrase.into());
    }
    Ok(catalog.set_hint(set.id, (!hint.is_empty()).then_some(hint))?)
}

/// A sheet with the passphrase on it would open the discs that it lies beside.
fn is_passphrase(set: &KnownSet, hint: &str) -> bool {
    let Some(token) = &set.facts.token else { return false };
    let words = std::iter::once(hint).chain(hint.split_whitespace().take(WORDS_TRIED));
    words.filter(|word| !word.is_empty()).any(|word| {
        let opener = Opener::passphrase(&Secret::new(word.as_bytes().to_vec()));
        opener.opens(token).unwrap_or(false)
    })
}
