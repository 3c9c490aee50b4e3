//! A catalog from a stranger's disc: an SQLite file that may hold anything.
#![no_main]

use coldcut::catalog::{Catalog, CatalogError};

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
    std::fs::write(&path, data).unwrap();
    if let Ok(catalog) = Catalog::open_exported(&path) {
        let _ = read_all(&catalog);
    }
    let _ = std::fs::remove_file(&path);
});
