//! What the process writes that reads a stranger's catalog, should a stranger have taken it over.
#![no_main]

use coldcut::fuzzing::Catalog;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("coldcut-fuzz-rows-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    if let Ok(catalog) = Catalog::from_rows(&path, data) {
        let _ = catalog.sets();
    }
    let _ = std::fs::remove_file(&path);
});
