//! What burning programs print, and what a volume is called.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coldcut::drive::fuzzing::words(data);
    coldcut::drive::fuzzing::descriptor(data);
});
