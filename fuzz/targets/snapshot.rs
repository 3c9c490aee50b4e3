//! SNAPSHOT: rows that are understood are written as they were read, and the reader ends.
#![no_main]

use coldcut::format::{ListingReader, parse_snapshot_line, snapshot_line};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(reader) = ListingReader::new(data, data.len() as u64) else { return };
    for row in reader.flatten() {
        let mut line = Vec::new();
        snapshot_line(&row, &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(parse_snapshot_line(&line).unwrap(), row);
    }
});
