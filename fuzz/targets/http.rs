//! Heads of requests, forms, queries, and what runs report to the service.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coldcut::fuzzing::http(data));
