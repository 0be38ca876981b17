//! Feeds `adit_fuzz::peers_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::peers_file(data));
