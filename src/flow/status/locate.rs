//! `coldcut locate`: where copies are kept, as a person says it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::catalog::{Catalog, Copy, CopyNo, CopyState, Finding, KnownSet};
use crate::model::{DiscList, DiscNo, SetName};
use crate::port::question::{Answer, Question};

use crate::flow::base::sets::no_disc;
use crate::flow::base::turn::open_to_record;
use crate::flow::{Context, FlowError, SelectionError, choose_set};

/// Remembers the place of these discs; all of them, or none.
pub fn locate(
    catalog: &Path,
    name: Option<&SetName>,
    discs: &DiscList,
    copy: Option<CopyNo>,
    place: &str,
    context: Context,
) -> Result<(KnownSet, Vec<(DiscNo, CopyNo)>), FlowError> {
    let mut catalog = open_to_record(catalog, context)?;
    let set = choose_set(catalog.sets()?, name)?;
    let known = known_copies(&catalog, &set, discs)?;
    let chosen = match copy {
        None => ask_for_the_copy(&set.facts.name, &known, context),
        Some(_) => None,
    };
    let meant: Vec<(DiscNo, CopyNo)> = known
        .iter()
        .map(|(disc, copies)| {
            let chosen = chosen.filter(|_| candidates(copies).len() > 1);
            Ok((*disc, the_copy(*disc, copies, copy.or(chosen))?))
        })
        .collect::<Result<_, FlowError>>()?;
    for &(disc, copy) in &meant {
        catalog.set_place(set.id, disc, copy, place)?;
    }
    Ok((set, meant))
}

fn known_copies(
    catalog: &Catalog,
    set: &KnownSet,
    discs: &DiscList,
) -> Result<Vec<(DiscNo, Vec<Copy>)>, FlowError> {
    let known = catalog.discs(set.id)?;
    let mut copies = Vec::new();
    for number in discs.iter() {
        known.iter().find(|disc| disc.number == number).ok_or_else(|| no_disc(set, number))?;
        copies.push((number, catalog.copies(set.id, number)?));
    }
    Ok(copies)
}

/// Asked once, however many discs have several copies.
fn ask_for_the_copy(
    set: &SetName,
    known: &[(DiscNo, Vec<Copy>)],
    context: Context,
) -> Option<CopyNo> {
    let several = known.iter().map(|(disc, copies)| (*disc, candidates(copies)));
    let several: Vec<_> = several.filter(|(_, copies)| copies.len() > 1).collect();
    let discs: Vec<DiscNo> = several.iter().map(|(disc, _)| *disc).collect();
    let numbers: BTreeSet<u32> =
        several.iter().flat_map(|(_, copies)| copies).map(|copy| copy.number.0).collect();
    let numbers: Vec<u32> = numbers.into_iter().collect();
    if numbers.is_empty() {
        return None;
    }
    let (set, discs) = (set.clone(), DiscList::of(&discs));
    match context.operator.ask(Question::WhichCopy { set, discs, copies: numbers }) {
        Answer::Copy(number) => Some(CopyNo(number)),
        _ => None,
    }
}

/// The copy that is meant: the named one, or the only one that somebody would put away.
fn the_copy(disc: DiscNo, copies: &[Copy], named: Option<CopyNo>) -> Result<CopyNo, FlowError> {
    if let Some(number) = named {
        let found = copies.iter().find(|copy| copy.number == number);
        return found.map(|copy| copy.number).ok_or_else(|| {
            SelectionError::NoSuchCopy { disc, copy: number.0, known: numbers(copies) }.into()
        });
    }
    match &candidates(copies)[..] {
        [one] => Ok(one.number),
        [] => Err(SelectionError::NoCopyYet(disc).into()),
        several => {
            let known: Vec<String> = several.iter().map(|c| c.number.0.to_string()).collect();
            Err(SelectionError::SeveralCopies { disc, known: known.join(", ") }.into())
        }
    }
}

/// The copies that somebody would put away: those that were not found damaged, if there are any.
fn candidates(copies: &[Copy]) -> Vec<&Copy> {
    let spoilt = |copy: &&Copy| {
        matches!(copy.state, CopyState::Found(Finding::Damaged | Finding::Unreadable))
    };
    let kept: Vec<&Copy> = copies.iter().filter(|copy| copy.is_kept()).collect();
    let sound: Vec<&Copy> = kept.iter().copied().filter(|copy| !spoilt(copy)).collect();
    if sound.is_empty() { kept } else { sound }
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
