//! DISC.txt, SHA256SUMS, escapes.
#![no_main]

use coldcut::fuzzing::{DiscTxt, parse_sums, write_sums};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(txt) = DiscTxt::parse(data) {
        let again = DiscTxt::parse(txt.to_text().as_bytes());
        assert_eq!(again.ok(), Some(txt), "what was understood is written so that it is again");
    }
    if let Ok(rows) = parse_sums(data) {
        let mut again = parse_sums(&write_sums(&rows)).unwrap();
        let mut rows = rows;
        rows.sort();
        again.sort();
        assert_eq!(again, rows);
    }
});
