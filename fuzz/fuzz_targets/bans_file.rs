//! Feeds `adit_fuzz::bans_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::bans_file(data));
