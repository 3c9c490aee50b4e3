//! An SQLite file that takes forever to open.

use std::fs;

/// The table of tables has a page of nothing but references to the next page, and so on: as many
/// rows as there are ways through five such pages.
pub fn endless() -> Vec<u8> {
    const PAGE: usize = 4096;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let leaf = bytes[100..PAGE].to_vec();
    bytes.resize(7 * PAGE, 0);
    bytes[28..32].copy_from_slice(&7_u32.to_be_bytes());
    for page in 0..6 {
        let (start, header) = (page * PAGE, if page == 0 { 100 } else { 0 });
        bytes[start + header..start + PAGE].fill(0);
        fill_with_references(&mut bytes[start..start + PAGE], header, page as u32 + 2);
    }
    // The cells of a leaf stand where they stood on the first page.
    let at = 6 * PAGE;
    bytes[at + 100..at + PAGE].copy_from_slice(&leaf);
    bytes.copy_within(at + 100..at + 110, at);
    bytes
}

fn fill_with_references(page: &mut [u8], header: usize, next: u32) {
    let cells = (page.len() - header - 12) / 7;
    page[header] = 5; // an inner page of a table
    page[header + 3..header + 5].copy_from_slice(&(cells as u16).to_be_bytes());
    let content = page.len() - 5 * cells;
    page[header + 5..header + 7].copy_from_slice(&(content as u16).to_be_bytes());
    page[header + 8..header + 12].copy_from_slice(&next.to_be_bytes());
    for cell in 0..cells {
        let at = content + 5 * cell;
        page[at..at + 4].copy_from_slice(&next.to_be_bytes());
        page[at + 4] = 1; // its key, which nobody compares
        let pointer = header + 12 + 2 * cell;
        page[pointer..pointer + 2].copy_from_slice(&(at as u16).to_be_bytes());
    }
}
