//! How a command ends: the codes that a script can rely on, and the error that carries one.

use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use nix::libc;

/// The codes of `send`, `recv`, `bench` and `schema` beside 0. Each means the same for every command that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// This side could not start or go on: name, directory, permission, limits, reading or writing.
    Failed = 1,
    /// Bad usage; most of it clap reports.
    Usage = 2,
    /// The other process ended before the end of the stream.
    PeerDied = 3,
    /// The other side closed before the end of the stream.
    PeerClosed = 4,
    /// Nobody was there in time.
    NobodyThere = 5,
    /// The other side broke the protocol, or is not `ringway send` and `ringway recv`.
    Protocol = 6,
    /// A benchmark that was to be checked missed a target.
    Missed = 7,
    /// A benchmark that was to be checked missed none, but could not tell of every row.
    Unmeasured = 8,
    /// Two schemas differ, and programs with either understand each other.
    Differs = 9,
    /// Two schemas differ, and one side would not understand the other.
    Incompatible = 10,
    /// A load in which not every request was answered.
    Unanswered = 11,
    /// A tormented command that failed though we had not killed it.
    CommandFailed = 12,
    /// A labelled step that was not hit as often as asked.
    Unhit = 13,
    /// The reader of our output went away: 128 + SIGPIPE, what a shell reports for any program in a pipeline.
    BrokenPipe = 141,
}

/// The table in `--help` of `send` and `recv`; `docs/command.md` has it too, and a test compares them.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    everything arrived: the receiver wrote all of it and said so; send --json: every message was sent
  1    this side failed: name, permission, limits, reading or writing; send --json: a line is no message, or the listener takes none
  2    bad usage
  3    the other process died before the end
  4    the other side closed before the end
  5    nobody was there in time
  6    the other side broke the protocol
  141  the reader of our output went away (recv only)
  An interrupted command dies by its signal: 130 (Ctrl-C) or 143 (SIGTERM) in a shell.";

/// The same for `bench`.
pub(crate) const BENCH_TABLE: &str = "\
Exit codes:
  0    every row was tried; with --check: every target was met in enough rounds
  1    the benchmark could not run
  2    bad usage, or no such row
  7    with --check: a row missed its target
  8    with --check: no row missed, but one has no value or too few rounds
  141  the reader of our output went away";

/// The same for `schema`.
pub(crate) const SCHEMA_TABLE: &str = "\
Exit codes:
  0    show: printed; diff: the bytes are the same; check: the change is compatible
  1    a file cannot be read, or is no schema
  2    bad usage
  9    diff: they differ, and each side can read the other
  10   diff and check: one side cannot read the other
  141  the reader of our output went away";

/// The same for `list`.
pub(crate) const LIST_TABLE: &str = "\
Exit codes:
  0    listed, whether or not anybody listens
  1    they could not be asked
  2    bad usage
  141  the reader of our output went away";

/// The same for `inspect`.
pub(crate) const INSPECT_TABLE: &str = "\
Exit codes:
  0    shown; with --watch: until the process ended
  1    it could not be asked
  2    bad usage
  5    nobody listens there, or does not answer in time
  141  the reader of our output went away";

/// The same for `ping`.
pub(crate) const PING_TABLE: &str = "\
Exit codes:
  0    at least one answer came
  1    it could not be asked
  2    bad usage
  5    nobody listens there, or nobody answered in time
  141  the reader of our output went away";

/// The same for `load`.
pub(crate) const LOAD_TABLE: &str = "\
Exit codes:
  0    every request was answered, save those of clients that were killed on request
  1    it could not be driven
  2    bad usage
  5    nobody listens there
  11   a request was not answered, or not as it was asked
  141  the reader of our output went away";

/// The same for `echo`.
pub(crate) const ECHO_TABLE: &str = "\
Exit codes:
  0    with --clients: so many clients came and went
  1    it could not listen
  2    bad usage";

/// The same for `bridge`.
pub(crate) const BRIDGE_TABLE: &str = "\
Exit codes:
  1    it could not listen
  2    bad usage";

/// The same for `chaos`.
pub(crate) const CHAOS_TABLE: &str = "\
Exit codes:
  0    the command ended well, the time was up, or we killed it and were not to restart it
  1    the command cannot be started or may not be signalled, or the report not be written
  2    bad usage
  12   the command failed by itself: another exit code than 0, or a signal that was not ours
  13   a label of --at was not hit as often as asked, or the command never came to that of --from
  141  the reader of our output went away
  An interrupted one ends the command first, reports, and dies by its signal.";

/// The same for `tap`.
pub(crate) const TAP_TABLE: &str = "\
Exit codes:
  0    shown: enough messages, the time was up, or the listener and its connections ended
  1    it could not be asked, or does not allow a tap
  2    bad usage, or several messages for one table
  5    nobody listens there, or does not answer in time
  141  the reader of our output went away";

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    words: String,
}

impl Failure {
    /// A failure that prints `words`.
    pub(crate) fn new(code: Code, words: impl Display) -> Self {
        Self {
            code,
            words: words.to_string(),
        }
    }

    /// The reader of our output went away, which is no news to anybody.
    pub(crate) fn broken_pipe() -> Self {
        Self {
            code: Code::BrokenPipe,
            words: String::new(),
        }
    }
}

/// Our output could not be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::broken_pipe(),
            _ => Self::new(Code::Failed, error),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// A failure of what takes a descriptor, with the cure if there was none left.
pub(crate) fn no_descriptor(doing: &str, error: &io::Error) -> Failure {
    let cure = match error.raw_os_error() {
        Some(libc::EMFILE) => "this process has no descriptor left; raise `ulimit -n`: ",
        _ => "",
    };
    Failure::new(Code::Failed, format!("{doing}: {cure}{error}"))
}

/// Prints what went wrong, if there is something to say, and turns the outcome into an exit code.
pub(crate) fn report(command: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.words.is_empty() {
                crate::standard::remark(command, &failure);
            }
            ExitCode::from(failure.code as u8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_code() {
        let document = include_str!("../../docs/command.md");
        let tables = [
            TABLE,
            BENCH_TABLE,
            SCHEMA_TABLE,
            LIST_TABLE,
            INSPECT_TABLE,
            PING_TABLE,
            TAP_TABLE,
            LOAD_TABLE,
            ECHO_TABLE,
            BRIDGE_TABLE,
            CHAOS_TABLE,
        ];
        for line in tables
            .iter()
            .flat_map(|table| table.lines())
            .filter(|line| line.starts_with("  ") && !line.contains("An interrupted"))
        {
            let (code, meaning) = line.trim().split_once(' ').expect("a code and its meaning");
            let row = format!("| {code} | {} |", meaning.trim());
            assert!(
                document.contains(&row),
                "docs/command.md has no row {row:?}"
            );
        }
    }
}
