//! Feeds `adit_fuzz::stratum`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::stratum(data));
