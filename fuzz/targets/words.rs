//! What burning programs print, and what a volume is called.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coldcut::fuzzing::words(data);
    coldcut::fuzzing::descriptor(data);
});
