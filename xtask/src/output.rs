//! Printing for a reader who may go away, as in `cargo verify | head`. `println!` would panic and say so.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::panic;
use std::process::ExitCode;

/// Prints a line.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::output::part(format_args!("{}\n", format_args!($($words)*)))
    };
}
/// Prints without ending the line.
macro_rules! draw {
    ($($words:tt)*) => {
        $crate::output::part(format_args!($($words)*))
    };
}
pub(crate) use {draw, say};

/// What unwinds when nobody reads any more: jobs are ended and directories removed on the way, and nothing is said.
struct ReaderGone;

/// What a shell reports for a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 141;

/// Behind the macros: prints all of it, now.
pub(crate) fn part(words: Arguments<'_>) {
    if cfg!(test) {
        // The test harness keeps what goes through this, and shows it when the test fails.
        print!("{words}");
        return;
    }
    let mut output = io::stdout().lock();
    match output.write_fmt(words).and_then(|()| output.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            // Not a panic: the hook that prints messages is not called.
            panic::resume_unwind(Box::new(ReaderGone))
        }
        Err(error) => panic!("cannot print: {error}"),
    }
}

/// Runs `task`, to its end or until nobody reads its output any more.
pub(crate) fn while_read(task: impl FnOnce() -> ExitCode + panic::UnwindSafe) -> ExitCode {
    match panic::catch_unwind(task) {
        Ok(code) => code,
        Err(reason) if reason.is::<ReaderGone>() => ExitCode::from(BROKEN_PIPE),
        Err(reason) => panic::resume_unwind(reason),
    }
}
