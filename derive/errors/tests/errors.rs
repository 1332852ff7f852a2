//! What the macros refuse, and how they say it.

use std::process::Command;

#[test]
fn errors_say_what_to_change() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/errors/*.rs");
    // What the compiler says around the text of a failed assertion has been as it is expected here since 1.89.
    if minor_version() >= 89 {
        cases.compile_fail("tests/errors/layout/*.rs");
    }
}

/// 95 for `rustc 1.95.0 (..)`.
fn minor_version() -> u32 {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output();
    let printed = output.expect("the compiler that built this").stdout;
    let printed = String::from_utf8(printed).expect("a version is text");
    let minor = printed
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse().ok());
    minor.expect("a version has three parts")
}
