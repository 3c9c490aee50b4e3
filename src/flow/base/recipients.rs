//! For whom a set is encrypted: every run that makes discs of it says so, and one for others than
//! the last is asked about.

use crate::catalog::{Catalog, KnownSet};
use crate::codec::openpgp::{Locks, Sealer};
use crate::port::notice::SetNotice;
use crate::port::operator::Answer;

use crate::flow::{Context, FlowError, KeyError};

/// Says for whom the discs of this run are encrypted. Others than those of the last run are asked
/// about once; `agreed`: somebody said before that they are meant.
pub fn agree(
    catalog: &mut Catalog,
    set: &KnownSet,
    sealer: Option<&Sealer>,
    agreed: bool,
    context: Context,
) -> Result<(), FlowError> {
    let Some(sealer) = sealer else { return Ok(()) };
    let locks = sealer.locks();
    let recipients = (!locks.is_passphrase()).then(|| locks.names());
    context.monitor.note(SetNotice::Encrypted { recipients }.into());
    let now = fingerprints(locks);
    let (Some(now), false) = (now.clone(), set.sealed_for == now) else { return Ok(()) };
    if let Some(before) = &set.sealed_for {
        let (name, who) = (&set.facts.name, locks.names().join(", "));
        let question = format!(
            "Until now set {name} was encrypted for {before}. From now on it is encrypted for \
             {who}, and who could open the discs so far cannot open those to come. Is that meant?"
        );
        if !agreed && context.operator.confirm_in_person(&question) != Answer::Yes {
            let (name, before) = (name.clone(), before.clone());
            return Err(KeyError::NewRecipients { name, before, now: who }.into());
        }
    }
    Ok(catalog.set_sealed_for(set.id, &now)?)
}

/// Of the recipients, in an order that does not depend on how they were named; `None`: a passphrase.
pub fn fingerprints(locks: &Locks) -> Option<String> {
    let mut all = locks.fingerprints();
    all.sort_unstable();
    (!locks.is_passphrase()).then(|| all.join(" "))
}
