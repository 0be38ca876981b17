//! Feeds `adit_fuzz::output`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::output(data));
