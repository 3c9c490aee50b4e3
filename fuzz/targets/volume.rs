//! The directory of a volume, from its descriptor on: sector 16 and what follows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coldcut::fuzzing::volume(data));
