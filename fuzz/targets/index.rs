//! INDEX: rows that are understood are written as they were read, and the reader ends.
#![no_main]

use coldcut::fuzzing::{Format, IndexReader, index_line, parse_index_line};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(reader) = IndexReader::new(data, data.len() as u64) else { return };
    for row in reader.flatten() {
        let mut line = Vec::new();
        index_line(&row, Format::Two, &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(parse_index_line(&line).unwrap(), row);
    }
});
