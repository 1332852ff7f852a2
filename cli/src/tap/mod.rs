//! What `ringway tap` prints of the frames that it reads along: text, lines of JSON, or a table (CSV); and what it says of those that it lost.
//!
//! Absent on purpose: where the frames come from, the clock and standard output, which are handed in.

mod csv;
mod idle;
mod pace;
mod render;
#[cfg(test)]
mod tests;

pub(crate) use csv::Table;
pub(crate) use idle::yield_to_all;
pub(crate) use pace::{Lost, Nap, Teller};
pub(crate) use render::{Content, Frame, Message, json_line, lost_line, messages, text_line};
