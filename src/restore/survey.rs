//! Looks at the target before anything is done: what is there already needs no disc.

use super::place::{Existing, OverwritePolicy, PlaceDecision, PlaceError, Target};
use super::plan::TargetState;
use crate::model::Kind;
use crate::model::rows::SnapshotRow;
use crate::port::beneath::BeneathError;

/// How the target stands to a row; without a target (it does not exist yet), nothing is there.
pub fn standing(
    target: Option<&Target>,
    overwrite: OverwritePolicy,
    row: &SnapshotRow,
) -> TargetState {
    let Some(target) = target else { return TargetState::Free };
    let size = if row.kind == Kind::File { row.size } else { 0 };
    let wanted = Existing { kind: Some(row.kind), size, mtime: row.meta.mtime };
    match target.existing(&row.path) {
        Ok(existing) => decided(overwrite, existing.as_ref(), &wanted),
        // What bars the way gives way itself, when its own row is restored.
        Err(PlaceError::Way {
            source: BeneathError::Symlink(_) | BeneathError::NotDirectory(_),
            ..
        }) if overwrite != OverwritePolicy::Never => TargetState::Free,
        Err(error) => TargetState::Barred(error.in_words()),
    }
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
