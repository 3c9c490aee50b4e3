//! What is below `/format/` on a disc: nothing of it is needed to restore anything, and all of it is for
//! whoever has to write a reader.

/// Discs that hold so much have it: smaller ones are for tests, or need the room.
pub const SMALLEST_DISC: u64 = 8_000_000;

/// Paths on the disc, and what is there.
pub fn companions() -> [(&'static str, &'static str); 4] {
    [
        ("format/CATALOG.txt", include_str!("by_hand/format/CATALOG.txt")),
        ("format/STANDARDS.txt", include_str!("by_hand/format/STANDARDS.txt")),
        ("format/bunzip2.c", include_str!("by_hand/format/bunzip2.c")),
        ("format/coldcut-reader.py", include_str!("by_hand/format/coldcut-reader.py")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_take_no_more_than_the_page_promises() {
        let bytes: usize = companions().iter().map(|(_, text)| text.len()).sum();
        assert!(bytes <= 300_000, "{bytes}");
        assert!(companions().iter().all(|(path, _)| path.starts_with("format/")));
    }
}
