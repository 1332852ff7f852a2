//! What `ringway tap` prints of the frames that it reads along: text, lines of JSON, or a table (CSV); and what it says of those that it lost.
//!
//! Absent on purpose: where the frames come from, the clock and standard output, which are handed in.

mod args;
mod csv;
mod idle;
mod pace;
mod render;
#[cfg(test)]
mod tests;
mod watch;
#[cfg(test)]
mod watched;
