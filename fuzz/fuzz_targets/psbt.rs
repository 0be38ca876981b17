//! Feeds `adit_fuzz::psbt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::psbt(data));
