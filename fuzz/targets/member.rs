//! Members of archives, as they come out of frames.
#![no_main]

use std::io::Read;

use coldcut::fuzzing::read_member;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = data;
    while let Ok(Some(member)) = read_member(&mut input) {
        assert!(member.size < 1 << 62 || member.size == 1 << 62);
        if let Some(map) = &member.sparse {
            assert!(map.data_len() <= member.size);
        }
        let skip = member.data_len.saturating_add((512 - member.data_len % 512) % 512);
        if (&mut input).take(skip).read_to_end(&mut Vec::new()).is_err() {
            return;
        }
    }
});
