//! Feeds `adit_fuzz::witness`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::witness(data));
