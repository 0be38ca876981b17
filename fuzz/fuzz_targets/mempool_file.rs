//! Feeds `adit_fuzz::mempool_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit_fuzz::mempool_file(data));
