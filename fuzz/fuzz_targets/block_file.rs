//! Feeds `adit_fuzz::block_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::block_file(data));
