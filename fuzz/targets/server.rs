//! `src/fuzz/server.rs`, as libFuzzer calls it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway::fuzz("server", ringway_fuzz::planted(), bytes));
