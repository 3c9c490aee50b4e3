//! `coldcut locate`: where copies are kept, as a person says it.

use std::path::Path;

use crate::catalog::{Copy, CopyNo, CopyState, Finding, KnownSet};
use crate::model::{DiscNo, SetName};

use super::turn::open_to_write;
use super::{Desk, FlowError, choose_set};

/// Remembers the place of these discs; all of them, or none.
pub fn locate(
    catalog: &Path,
    name: Option<&SetName>,
    discs: (DiscNo, DiscNo),
    copy: Option<CopyNo>,
    place: &str,
    desk: Desk,
) -> Result<(KnownSet, Vec<(DiscNo, CopyNo)>), FlowError> {
    let mut catalog = open_to_write(catalog, desk)?;
    let set = choose_set(catalog.sets()?, name)?;
    let known = catalog.discs(set.id)?;
    let mut meant = Vec::new();
    for number in (discs.0.0..=discs.1.0).map(DiscNo) {
        known.iter().find(|disc| disc.number == number).ok_or_else(|| no_disc(&set, number))?;
        let copies = catalog.copies(set.id, number)?;
        meant.push((number, the_copy(number, &copies, copy)?));
    }
    for &(disc, copy) in &meant {
        catalog.set_place(set.id, disc, copy, place)?;
    }
    Ok((set, meant))
}

pub fn no_disc(set: &KnownSet, disc: DiscNo) -> FlowError {
    FlowError::NoSuchDisc { set: set.facts.name.clone(), disc }
}

/// The copy that is meant: the named one, or the only one that somebody would put away.
fn the_copy(disc: DiscNo, copies: &[Copy], named: Option<CopyNo>) -> Result<CopyNo, FlowError> {
    if let Some(number) = named {
        let found = copies.iter().find(|copy| copy.number == number);
        return found.map(|copy| copy.number).ok_or(FlowError::NoSuchCopy {
            disc,
            copy: number.0,
            known: numbers(copies),
        });
    }
    let spoilt = |copy: &&Copy| {
        matches!(copy.state, CopyState::Found(Finding::Damaged | Finding::Unreadable))
    };
    let kept: Vec<&Copy> = copies.iter().filter(|copy| copy.is_kept()).collect();
    let sound: Vec<&Copy> = kept.iter().copied().filter(|copy| !spoilt(copy)).collect();
    match if sound.is_empty() { &kept[..] } else { &sound[..] } {
        [one] => Ok(one.number),
        [] => Err(FlowError::NoCopyYet(disc)),
        several => {
            let known: Vec<String> = several.iter().map(|c| c.number.0.to_string()).collect();
            Err(FlowError::SeveralCopies { disc, known: known.join(", ") })
        }
    }
}

fn numbers(copies: &[Copy]) -> String {
    match copies {
        [] => "none".to_owned(),
        copies => {
            let numbers: Vec<String> = copies.iter().map(|c| c.number.0.to_string()).collect();
            numbers.join(", ")
        }
    }
}
