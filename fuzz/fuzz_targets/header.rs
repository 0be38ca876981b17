//! Feeds `adit_fuzz::header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::header(data));
