//! `src/fuzz/tap.rs`, as libFuzzer calls it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway::fuzz("tap", ringway_fuzz::planted(), bytes));
