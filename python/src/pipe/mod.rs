//! What `ringway.multiprocessing` asks of the halves besides what everybody may: a message is pickled and sent, or received and unpickled, in one call, whatever its length.
//!
//! A message that is short is one frame, whose kind says what it is. A longer one is a head, and its bytes in frames behind it, which the receiver copies while further ones are written.
//! Long `bytes` in an object do not pass through its pickle: the pickler hands them out as they are, and the receiver's unpickler is given the object that they were received into.

mod ends;
mod message;
mod pickling;
mod plain;
mod receiving;
mod room;
mod sending;

pub(crate) use message::Message;
pub(crate) use pickling::{_pipe_dump, _pipe_load};
pub(crate) use receiving::{_pipe_poll, RecvBytes, RecvObject};
pub(crate) use sending::{Progress, SendBytes, SendObject, SendPieces};

/// Kinds of messages: what `send_bytes` sends.
const BYTES: u16 = 1;
/// An object, pickled.
const PICKLE: u16 = 2;
/// An object of type `bytes`: itself.
const RAW: u16 = 3;
/// An object of plain types, as `plain` writes it.
const PLAIN: u16 = 4;

/// Kinds of frames, besides those of messages that are one frame: the head of a longer message, whose kind is added to it.
const LONG: u16 = 0x100;
/// A piece of its bytes.
const DATA: u16 = 0x200;
/// The end of what was not finished.
const ABORT: u16 = 0x300;

/// Bytes of a word of a head.
const WORD: usize = 8;
/// In the length of a payload beside a pickle: it is `bytes`, and otherwise a `bytearray`.
const CONSTANT: u64 = 1 << 63;
/// In a pickle: the next of the payloads beside it comes here.
const NEXT_BUFFER: u8 = 0x97;
