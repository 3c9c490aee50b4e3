//! Looks at the target before anything is done: what is there already needs no disc.

use super::place::{Existing, OverwritePolicy, PlaceDecision, PlaceError, Target};
use super::plan::TargetState;
use crate::model::Kind;
use crate::model::rows::SnapshotRow;
use crate::port::beneath::BeneathError;
use crate::port::stop::Stop;

/// How the target is looked at.
#[derive(Clone, Copy)]
pub struct Survey<'a> {
    /// `None`: it does not exist yet.
    target: Option<&'a Target>,
    overwrite: OverwritePolicy,
    /// A restore into it did not come to its end.
    is_begun: bool,
    stop: &'a Stop,
}

impl<'a> Survey<'a> {
    pub fn new(
        target: Option<&'a Target>,
        overwrite: OverwritePolicy,
        stop: &'a Stop,
    ) -> Survey<'a> {
        let is_begun = target.is_some_and(Target::is_begun);
        Survey { target, overwrite, is_begun, stop }
    }

    /// Whether what an earlier restore left is read, and not only looked at.
    pub fn reads(&self) -> bool {
        self.is_begun && self.overwrite != OverwritePolicy::Always
    }

    /// How the target stands to a row; without a target, nothing is there.
    pub fn standing(&self, row: &SnapshotRow) -> TargetState {
        let Some(target) = self.target else { return TargetState::Free };
        let size = if row.kind == Kind::File { row.size } else { 0 };
        let wanted = Existing { kind: Some(row.kind), size, mtime: row.meta.mtime };
        match target.existing(&row.path) {
            Ok(Some(existing)) if self.reads() && is_left_in_part(&existing, &wanted) => {
                TargetState::Replace
            }
            Ok(existing) => match decided(self.overwrite, existing.as_ref(), &wanted) {
                TargetState::There if self.reads() && !self.is_whole(target, row) => {
                    TargetState::Replace
                }
                state => state,
            },
            // What bars the way gives way itself, when its own row is restored.
            Err(PlaceError::Way {
                source: BeneathError::Symlink(_) | BeneathError::NotDirectory(_),
                ..
            }) if self.overwrite != OverwritePolicy::Never => TargetState::Free,
            Err(error) => TargetState::Barred(error.in_words()),
        }
    }

    fn is_whole(&self, target: &Target, row: &SnapshotRow) -> bool {
        match (row.kind, &row.sha256) {
            // What cannot be read is restored again.
            (Kind::File, Some(sum)) => {
                target.has_content(&row.path, sum, self.stop).unwrap_or(false)
            }
            _ => true,
        }
    }
}

/// A file that has the wanted time has it from a restore; a power cut may have left it short.
fn is_left_in_part(existing: &Existing, wanted: &Existing) -> bool {
    let is_file = |one: &Existing| one.kind == Some(Kind::File);
    is_file(existing)
        && is_file(wanted)
        && existing.mtime == wanted.mtime
        && existing.size < wanted.size
}

fn decided(
    overwrite: OverwritePolicy,
    existing: Option<&Existing>,
    wanted: &Existing,
) -> TargetState {
    let is_dir = |existing: &Existing| existing.kind == Some(Kind::Dir);
    match overwrite.verdict(existing, wanted) {
        PlaceDecision::Place => TargetState::Free,
        PlaceDecision::Replace => TargetState::Replace,
        PlaceDecision::Keep if existing == Some(wanted) => TargetState::There,
        PlaceDecision::Keep if existing.is_some_and(is_dir) && is_dir(wanted) => TargetState::There,
        PlaceDecision::Keep => TargetState::Kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mtime;

    fn file(size: u64, sec: i64) -> Existing {
        Existing { kind: Some(Kind::File), size, mtime: Mtime { sec, nsec: 0 } }
    }

    #[test]
    fn the_policy_decides_what_stays() {
        use OverwritePolicy::{Always, Changed, Never};
        let wanted = file(3, 5);
        let dir = |sec| Existing { kind: Some(Kind::Dir), ..file(0, sec) };
        for (overwrite, existing, expected) in [
            (Never, None, TargetState::Free),
            (Never, Some(file(3, 5)), TargetState::There),
            (Never, Some(file(3, 6)), TargetState::Kept),
            (Changed, Some(file(3, 5)), TargetState::There),
            (Changed, Some(file(4, 5)), TargetState::Replace),
            (Always, Some(file(3, 5)), TargetState::Replace),
            (Never, Some(dir(5)), TargetState::Kept),
            (Always, Some(dir(5)), TargetState::Replace),
        ] {
            assert_eq!(decided(overwrite, existing.as_ref(), &wanted), expected, "{existing:?}");
        }
        for overwrite in [Never, Changed, Always] {
            assert_eq!(decided(overwrite, Some(&dir(1)), &dir(2)), TargetState::There);
            assert_eq!(decided(overwrite, None, &dir(2)), TargetState::Free);
        }
    }
}
