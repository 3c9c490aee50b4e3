//! Listings and archives of a disc, row by row.

use std::path::{Path, PathBuf};

use super::{Columns, Owner};

/// One line of a listing, split at its tabs.
pub type ListingFields = Vec<Vec<u8>>;

/// Both listings of a disc, as names and columns.
pub fn both(owner: &Owner) -> [(&'static str, &'static Columns); 2] {
    [("INDEX", &owner.version.index), ("SNAPSHOT", &owner.version.snapshot)]
}

/// Where a listing is, encrypted or not.
pub fn path(owner: &Owner, disc: &Path, name: &str) -> PathBuf {
    disc.join(format!("{name}.tsv.bz2{}", owner.how.suffix()))
}

/// Changes the rows of a listing. Lines that begin with `#` are rows, too.
pub fn change(
    owner: &Owner,
    disc: &Path,
    name: &str,
    change: impl FnOnce(&mut Vec<ListingFields>),
) {
    let path = path(owner, disc, name);
    let text = owner.unpack(&path);
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let split = |line: &[u8]| line.split(|&byte| byte == b'\t').map(<[u8]>::to_vec).collect();
    let mut rows: Vec<ListingFields> = lines.map(split).collect();
    change(&mut rows);
    let lines: Vec<Vec<u8>> = rows.iter().map(|row| row.join(&b'\t')).collect();
    owner.pack(&path, &[lines.join(&b'\n'), b"\n".to_vec()].concat());
}

/// The first row of a path that is stored on disc 2.
pub fn find<'a>(
    rows: &'a mut [ListingFields],
    columns: &Columns,
    path: &str,
) -> &'a mut ListingFields {
    let is_it = |row: &&mut ListingFields| {
        row.get(columns.path).is_some_and(|found| found == path.as_bytes())
    };
    rows.iter_mut().find(is_it).unwrap()
}

/// A row in walk order, which is that of the components of its path.
pub fn insert(rows: &mut Vec<ListingFields>, columns: &Columns, row: ListingFields) {
    let key = |row: &ListingFields| {
        let path = row[columns.path].clone();
        match path == b"." {
            true => Vec::new(),
            false => path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>(),
        }
    };
    let new = key(&row);
    let is_after = |old: &ListingFields| !old[0].starts_with(b"#") && key(old) > new;
    let at = rows.iter().position(is_after).unwrap_or(rows.len());
    rows.insert(at, row);
}
