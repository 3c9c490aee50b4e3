//! Streams of bzip2 from strangers: the same bytes and the same verdict as the crate's.
#![no_main]

use coldcut::fuzzing::bzip2_agrees_with_the_crate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bzip2_agrees_with_the_crate(data));
