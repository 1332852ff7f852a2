//! `ringway tap NAME`: what the connections of a listener carry, as text, lines of JSON, or a table (CSV); and how much of it was lost.
//!
//! Only `source` knows the library's tap, the clock and standard output: the rest gets them handed in, so that it can be tested in simulated time.

mod args;
mod csv;
mod idle;
mod pace;
mod render;
mod source;
#[cfg(test)]
mod tests;
mod watch;
#[cfg(test)]
mod watched;

pub(crate) use args::TapArgs;
pub(crate) use idle::yield_to_all;
pub(crate) use source::run;
