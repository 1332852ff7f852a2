//! `src/fuzz/client.rs`, as libFuzzer calls it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway::fuzz("client", ringway_fuzz::planted(), bytes));
