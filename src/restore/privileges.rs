//! Metadata that gives rights to whoever reaches the restored tree: set-id programs, capabilities
//! and other attributes that only root may set, devices. In a listing of one's own they are what
//! was backed up; in a stranger's they are a way to become root.

use std::fmt;

use super::select::Selection;
use crate::model::rows::SnapshotRow;
use crate::model::{Kind, Meta};

/// Set-user-id and set-group-id (inode(7)). On a directory the latter only hands its group down.
const SET_ID: u32 = 0o6000;
/// Attributes that only root may set (xattr(7)).
const OF_ROOT: [&[u8]; 2] = [b"security.", b"trusted."];
/// Permissions beside the mode (acl(5)).
const ACL: &[u8] = b"system.posix_acl_";

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    pub set_id: u64,
    pub attributes: u64,
    pub devices: u64,
}

impl Privileges {
    pub fn of(selection: &Selection) -> Privileges {
        let mut found = Privileges::default();
        for row in selection.rows.iter().chain(&selection.above).chain(selection.firsts.values()) {
            found.set_id += u64::from(is_set_id(row));
            found.attributes +=
                u64::from(row.meta.xattrs.iter().any(|xattr| is_roots(&xattr.name)));
            found.devices += u64::from(is_device(row));
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        *self == Privileges::default()
    }
}

/// `12 set-id programs, 3 paths with capabilities or other attributes of root, 2 devices`.
impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.set_id, "set-id program", "set-id programs"),
            (
                self.attributes,
                "path with capabilities or other attributes of root",
                "paths with capabilities or other attributes of root",
            ),
            (self.devices, "device", "devices"),
        ];
        let there = kinds.iter().filter(|(count, ..)| *count > 0);
        let words = there.map(|(count, one, more)| match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {more}"),
        });
        f.write_str(&words.collect::<Vec<_>>().join(", "))
    }
}

/// Takes them out: the files stay, without these rights; devices go.
pub fn withhold(selection: &mut Selection) {
    selection.rows.retain(|row| !is_device(row));
    let Selection { rows, above, firsts, .. } = selection;
    for row in rows.iter_mut().chain(above).chain(firsts.values_mut()) {
        if row.kind != Kind::Dir {
            row.meta.mode &= !SET_ID;
        }
        row.meta.xattrs.retain(|xattr| !is_roots(&xattr.name));
    }
}

/// The target keeps its owner, and nobody gets into it who could not before.
pub fn keep_target(selection: &mut Selection, standing: &Meta) {
    let rows = selection.rows.iter_mut().chain(&mut selection.above);
    for row in rows.filter(|row| row.path.is_root()) {
        row.meta.mode &= standing.mode;
        (row.meta.uid, row.meta.gid) = (standing.uid, standing.gid);
        row.meta.xattrs.retain(|xattr| !xattr.name.starts_with(ACL));
    }
}

fn is_set_id(row: &SnapshotRow) -> bool {
    row.kind == Kind::File && row.meta.mode & SET_ID != 0
}

fn is_device(row: &SnapshotRow) -> bool {
    matches!(row.kind, Kind::CharDevice | Kind::BlockDevice)
}

fn is_roots(name: &[u8]) -> bool {
    OF_ROOT.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rows::{Note, Where};
    use crate::model::{RelPath, Xattr};

    fn row(kind: Kind, path: &str, mode: u32, xattrs: &[&str]) -> SnapshotRow {
        let one = |name: &&str| Xattr { name: name.as_bytes().to_vec(), value: b"x".to_vec() };
        let xattrs = xattrs.iter().map(one).collect();
        SnapshotRow {
            kind,
            path: RelPath::new(path.as_bytes()).unwrap(),
            size: 0,
            sha256: None,
            place: Where::nothing(),
            meta: Meta { mode, xattrs, ..Meta::default() },
            note: Note::None,
        }
    }

    fn selection() -> Selection {
        let rows = vec![
            row(Kind::Dir, ".", 0o777, &["system.posix_acl_access", "user.a"]),
            row(Kind::Dir, "d", 0o2775, &[]),
            row(Kind::File, "d/su", 0o4755, &["security.capability", "user.a"]),
            row(Kind::File, "d/plain", 0o644, &["user.a"]),
            row(Kind::File, "d/odd", 0o644, &["trusted.evil"]),
            row(Kind::BlockDevice, "sda", 0o666, &[]),
            row(Kind::CharDevice, "mem", 0o666, &[]),
        ];
        Selection { rows, ..Selection::default() }
    }

    #[test]
    fn they_are_counted_and_named() {
        let found = Privileges::of(&selection());
        assert_eq!(found, Privileges { set_id: 1, attributes: 2, devices: 2 });
        let words =
            "1 set-id program, 2 paths with capabilities or other attributes of root, 2 devices";
        assert_eq!(found.to_string(), words);
        assert_eq!(Privileges { devices: 1, ..Privileges::default() }.to_string(), "1 device");
    }

    #[test]
    fn without_them_the_files_are_there_and_all_else_of_their_metadata() {
        let mut selection = selection();
        withhold(&mut selection);
        assert!(Privileges::of(&selection).is_empty());
        let paths: Vec<String> = selection.rows.iter().map(|row| row.path.to_string()).collect();
        assert_eq!(paths, [".", "d", "d/su", "d/plain", "d/odd"]);
        let modes: Vec<u32> = selection.rows.iter().map(|row| row.meta.mode).collect();
        assert_eq!(modes, [0o777, 0o2775, 0o755, 0o644, 0o644]);
        assert_eq!(selection.rows[2].meta.xattrs.len(), 1);
    }

    #[test]
    fn a_target_that_was_there_opens_to_nobody() {
        let mut selection = selection();
        let standing = Meta { mode: 0o750, uid: 7, gid: 8, ..Meta::default() };
        keep_target(&mut selection, &standing);
        let root = &selection.rows[0].meta;
        assert_eq!((root.mode, root.uid, root.gid, root.xattrs.len()), (0o750, 7, 8, 1));
        assert_eq!(selection.rows[1].meta.mode, 0o2775);
    }
}
