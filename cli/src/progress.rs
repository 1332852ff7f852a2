//! The progress bar on standard error: bytes and rate, and how much is left where the input's size is known.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that draws itself on a terminal and is silent anywhere else.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for `total` bytes, where that is known; none when `quiet` or where standard error is no terminal.
    pub(crate) fn new(quiet: bool, total: Option<u64>) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self {
                bar: ProgressBar::hidden(),
            };
        }
        let (bar, template) = match total.filter(|&total| total > 0) {
            Some(total) => (
                ProgressBar::new(total),
                "{wide_bar} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left",
            ),
            None => (
                ProgressBar::no_length(),
                "{spinner} {binary_bytes}  {binary_bytes_per_sec}  {elapsed}",
            ),
        };
        // A template that does not parse falls back on the library's own bar: a test holds ours to parse.
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.set_draw_target(ProgressDrawTarget::stderr());
        Self { bar }
    }

    /// So many bytes more went by.
    pub(crate) fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Leaves the last state on the terminal, and the cursor on the next line, where a message or the shell goes on.
    pub(crate) fn finish(&self) {
        self.bar.abandon();
        if !self.bar.is_hidden() {
            // The bar ends its last state without a line feed. A terminal that has gone away needs none.
            let _ = writeln!(std::io::stderr());
        }
    }
}
