//! Feeds `adit_fuzz::subscriber`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::subscriber(data));
