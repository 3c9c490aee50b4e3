//! What a drive answers to MMC commands.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coldcut::fuzzing::replies(data));
