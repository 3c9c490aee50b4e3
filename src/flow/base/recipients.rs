//! For whom a set is encrypted: every run that makes discs of it says so, and one for others than
//! the last is asked about.

use crate::catalog::{Catalog, KnownSet};
use crate::codec::openpgp::{Locks, Sealer};
use crate::port::notice::SetNotice;
use crate::port::question::{Answer, Question};

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
        let (name, before, names) = (set.facts.name.clone(), before.clone(), locks.names());
        let who = names.join(", ");
        let question =
            Question::NewRecipients { set: name.clone(), before: before.clone(), now: names };
        if !agreed && context.operator.ask(question) != Answer::Yes {
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
