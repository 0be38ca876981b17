//! Feeds `adit_fuzz::script`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::script(data));
