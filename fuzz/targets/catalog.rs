//! A catalog from a stranger's disc: an SQLite file that may hold anything, read as the process
//! without rights reads it, and its rows taken as coldcut takes them.
#![no_main]

use coldcut::fuzzing::{Catalog, CatalogError};

fn read_all(catalog: &Catalog) -> Result<(), CatalogError> {
    for set in catalog.sets()? {
        let set = set.id;
        catalog.status(set)?;
        catalog.known_sizes(set)?;
        for disc in catalog.discs(set)? {
            catalog.disc_files(set, disc.number)?;
            catalog.archives_of_disc(set, disc.number)?;
            catalog.copies(set, disc.number)?;
            catalog.verifications(set, disc.number)?;
            catalog.drills(set, disc.number)?;
        }
        for snapshot in catalog.snapshots(set)? {
            catalog.snapshot_rows(set, snapshot.seq, |listed| {
                catalog.resolve(set, snapshot.seq, &listed.row.path)?;
                listed.content.map_or(Ok(Vec::new()), |id| catalog.parts_of(set, id))?;
                Ok::<(), CatalogError>(())
            })?;
        }
    }
    Ok(())
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("coldcut-fuzz-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&path);
    // SAFETY: whoever reads these bytes has ended when `rows_of` returns.
    let bytes: &'static [u8] = unsafe { std::mem::transmute(data) };
    let mut lines = vec![0_u8; 16 * data.len() + (1 << 20)];
    let mut room = &mut lines[..];
    if Catalog::rows_of(bytes, &mut room).is_err() {
        return;
    }
    let left = room.len();
    lines.truncate(lines.len() - left);
    if let Ok(catalog) = Catalog::from_rows(&path, &lines) {
        let _ = read_all(&catalog);
    }
    let _ = std::fs::remove_file(&path);
});
