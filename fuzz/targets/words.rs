//! `src/fuzz/words.rs`, as libFuzzer calls it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway::fuzz("words", ringway_fuzz::planted(), bytes));
