//! `src/fuzz/tables.rs`, as libFuzzer calls it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway::fuzz("tables", ringway_fuzz::planted(), bytes));
