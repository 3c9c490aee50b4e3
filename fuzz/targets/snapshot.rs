//! SNAPSHOT and HISTORY: rows that are understood are written as they were read, and the reader ends.
#![no_main]

use coldcut::fuzzing::{ListingReader, listed_line, parse_listed_line};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let size = data.len() as u64;
    let readers = [ListingReader::new(data, size), ListingReader::history(data, size)];
    for row in readers.into_iter().flatten().flatten().flatten() {
        let mut line = Vec::new();
        listed_line(&row, &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(parse_listed_line(&line).unwrap(), row);
    }
});
