//! Whether anybody vouches for what a listing says of set-id programs, capabilities and devices: our
//! own catalog, a signature, or the person. Root restores what a stranger's disc says of them only
//! if asked to.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::model::Meta;
use crate::port::notice::RestoreNotice;
use crate::port::question::{Answer, Question};
use crate::restore::privileges::{Privileges, keep_target, withhold};
use crate::restore::select::Selection;

use crate::flow::Context;

/// What becomes of metadata that gives rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// Restored where the catalog or a signature vouches for them; else the person is asked.
    #[default]
    Vouched,
    Restore,
    LeaveOut,
}

/// What was taken out of the selection.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::flow) struct Withheld {
    pub what: Privileges,
    /// Nobody decided that: the restore is not complete.
    pub is_doubt: bool,
}

/// Takes out of the selection what nobody vouches for. `is_vouched`: the listing is our catalog's,
/// or signed. `stands`: the target, if it was there before.
pub(in crate::flow) fn withhold_rights(
    rights: Rights,
    dry_run: bool,
    is_vouched: bool,
    stands: Option<&Path>,
    selection: &mut Selection,
    context: Context,
) -> Withheld {
    let what = Privileges::of(selection);
    let is_root = rustix::process::geteuid().is_root();
    if rights == Rights::LeaveOut {
        return take_out(selection, what, false, context);
    }
    if !is_root || is_vouched || rights == Rights::Restore {
        return Withheld::default();
    }
    if let Some(found) = stands.and_then(|target| fs::metadata(target).ok()) {
        let (mode, uid, gid) = (found.mode() & 0o7777, found.uid(), found.gid());
        keep_target(selection, &Meta { mode, uid, gid, ..Meta::default() });
    }
    if what.is_empty() {
        return Withheld::default();
    }
    let Privileges { set_id, attributes, devices } = what;
    let answer = match dry_run {
        true => Answer::NobodyThere,
        false => context.operator.ask(Question::RestorePrivileges { set_id, attributes, devices }),
    };
    match answer {
        Answer::Yes => Withheld::default(),
        answer => take_out(selection, what, answer == Answer::NobodyThere, context),
    }
}

fn take_out(
    selection: &mut Selection,
    what: Privileges,
    is_doubt: bool,
    context: Context,
) -> Withheld {
    withhold(selection);
    if !what.is_empty() {
        let Privileges { set_id, attributes, devices } = what;
        let notice = RestoreNotice::RightsLeftOut { set_id, attributes, devices, is_doubt };
        context.monitor.note(notice.into());
    }
    Withheld { what, is_doubt: is_doubt && !what.is_empty() }
}
