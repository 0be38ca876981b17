//! Feeds `adit_fuzz::conf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::conf(data));
