//! Feeds `adit_fuzz::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::request(data));
