//! Messages as JSON, by the schema alone: what `send --json` takes.
//!
//! | in a frame | in JSON |
//! | --- | --- |
//! | integer | a number up to 2^53, which every reader of JSON has exactly; beyond it a text of decimal digits. Either is taken |
//! | number of IEEE 754 | a number; `"NaN"`, `"inf"`, `"-inf"`; `"NaN(7ff8000000000001)"`, with its bits, for a NaN that is not the usual one |
//! | truth value | `true`, `false` |
//! | enumeration | the name of the value |
//! | text | a text |
//! | bytes; an array or list of `u8` | a text of hexadecimal digits in lower case. A list of numbers is taken for an array or list too |
//! | array, list | a list |
//! | record | an object, keys in the order of the fields |
//! | absent | `null`; taken too: no such key |
//! | present | the value itself; where that is one that may be absent too, a list of it alone |
//!
//! A field that is left out has its default. Padding (a field whose name begins with `_`) is left out where it is zero.

mod read;
#[cfg(test)]
mod tests;
mod tree;
mod write;

pub(crate) use read::encode;
pub(crate) use tree::Tree;
pub(crate) use write::Shown;

/// Up to here, and down to its negative, every whole number is one of 64 bits of IEEE 754.
const EXACT: u128 = 1 << 53;
/// The NaN that arithmetic gives, without sign or note.
const NAN_32: u32 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;
