//! `src/fuzz/program.rs`, as libFuzzer calls it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway::fuzz(
    "program",
    ringway_fuzz::planted(),
    bytes
));
