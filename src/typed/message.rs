//! What a message is, and what a lane of messages carries. The derive macro implements all of these.

use core::fmt;
use std::time::Instant;

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::error::RecvError;
use super::field::{Field, each};
use super::inbox::{Inbox, Parcel};
use super::invalid::{Fault, Invalid};
use crate::schema::{Content, Field as Layout, Record, Schema, Shared, Tail, fingerprint};

/// A type whose values travel as the payload of a frame, with its layout.
pub trait Message: 'static {
    /// The type's name.
    const NAME: &'static str;
    /// Its doc comment.
    const DOC: &'static str;
    /// Its fields, in the order of their offsets, without gaps.
    const FIELDS: &'static [Layout];
    /// Its variable part.
    const TAIL: Option<Tail>;
    /// Bytes of the fixed part.
    const SIZE: usize;
    /// What its address is a multiple of.
    const ALIGN: usize;
    /// All of it, as the only type of a lane: of kind 0.
    const RECORD: &'static Record = &record::<Self>(0);
}

/// A message's layout, under the number that its frames have in a lane.
pub const fn record<T: Message + ?Sized>(kind: u16) -> Record {
    Record {
        kind,
        name: Shared::Static(T::NAME),
        doc: Shared::Static(T::DOC),
        size: T::SIZE as u32,
        align: T::ALIGN as u32,
        fields: Shared::Static(T::FIELDS),
        tail: T::TAIL,
    }
}

/// A message without a variable part. It can be a field of another one.
pub trait Fixed: Message + Field {
    /// An array of as many bytes as the message has.
    type Image: AsRef<[u8]> + AsMut<[u8]>;
    /// The bytes of the defaults, and zeros: what a field holds that the sender does not know.
    const DEFAULT: Self::Image;
}

/// A message whose last field is of a variable length.
pub trait Tailed:
    Message + TryFromBytes + KnownLayout<PointerMetadata = usize> + Immutable
{
    /// The fields before it.
    type Head: Fixed;
    /// It: `[T]` or `str`.
    type Tail: Part + ?Sized;
    /// The name of that field.
    const TAIL_NAME: &'static str;
}

/// What a variable part can be: `str`, and `[T]` of any [`Field`] type.
pub trait Part: IntoBytes + Immutable + 'static {
    /// What it is made of.
    const CONTENT: Content;
    /// Bytes of an element.
    const ELEMENT: usize;
    /// What its place is a multiple of.
    const ALIGN: usize;

    /// Looks at all of its bytes.
    ///
    /// # Errors
    /// What is wrong, and in which element.
    fn check(bytes: &[u8]) -> Result<(), Invalid>;
}

impl Part for str {
    const CONTENT: Content = Content::Text;
    const ELEMENT: usize = 1;
    const ALIGN: usize = 1;

    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        match core::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(Invalid::new(Fault::Text)),
        }
    }
}

impl<T: Field> Part for [T] {
    const CONTENT: Content = Content::Elements(T::TYPE, size_of::<T>() as u32);
    const ELEMENT: usize = size_of::<T>();
    const ALIGN: usize = align_of::<T>();

    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        let element = const {
            assert!(
                size_of::<T>() > 0,
                "elements without bytes cannot be counted"
            );
            size_of::<T>()
        };
        if bytes.len() % element != 0 {
            let len = bytes.len();
            return Err(Invalid::new(Fault::Elements { len, element }));
        }
        each::<T>(bytes)
    }
}

/// How long a call waits: `None` does not, `Some(None)` as long as it takes.
pub(crate) type Patience = Option<Option<Instant>>;

/// What one lane carries: a message, or an enum of several.
///
/// `#[derive(Message)]` implements it for a struct, whose frames then have kind 0, and for an enum whose variants each hold one message and
/// have a number, `#[message(kind = 3)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a lane can carry",
    note = "use a struct or an enum with #[derive(Message)], or Nothing for a lane without messages"
)]
pub trait Messages: 'static {
    /// What receiving gives: the type itself, or [`Received`](super::Received) of one with a variable part.
    type Received;
    /// The layouts of all messages, by ascending kind.
    const RECORDS: &'static [Record];
    /// The same, as a schema.
    const SCHEMA: &'static Schema = &Schema {
        records: Shared::Static(Self::RECORDS),
    };
    /// What is equal where two schemas mean the same bytes.
    const FINGERPRINT: [u8; 16] = fingerprint(Self::SCHEMA);

    /// The kind and the bytes of one.
    #[doc(hidden)]
    fn encode(message: &Self::Received) -> (u16, &[u8]);

    /// Takes the next one from a lane.
    #[doc(hidden)]
    fn take(inbox: &mut Inbox, wait: Option<Option<Instant>>) -> Result<Self::Received, RecvError>;
}

/// That a lane carries a message, and as which kind.
#[diagnostic::on_unimplemented(
    message = "a lane of `{Self}` does not carry `{T}`",
    note = "an enum of messages carries the types that its variants hold"
)]
pub trait Carries<T: Message + ?Sized>: Messages {
    /// The number in the headers of its frames.
    const KIND: u16;
    /// Its place in [`Messages::RECORDS`].
    const INDEX: usize;
}

/// What a variant of an enum of messages can hold: a message, or [`Received`](super::Received) of one with a variable part.
#[diagnostic::on_unimplemented(
    message = "a variant cannot hold `{Self}`",
    note = "use a struct with #[derive(Message)], or Received<..> of one with a variable part"
)]
pub trait Payload: Sized {
    /// The message.
    type Message: Message + ?Sized;

    /// Its bytes, as they travel.
    #[doc(hidden)]
    fn encoded(&self) -> &[u8];

    /// Copies it out of a frame.
    #[doc(hidden)]
    fn decode(parcel: &Parcel<'_>, index: usize) -> Result<Self, RecvError>;
}

/// What a lane carries that is not used: no message at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {}

impl Messages for Nothing {
    type Received = Self;
    const RECORDS: &'static [Record] = &[];

    fn encode(message: &Self) -> (u16, &[u8]) {
        match *message {}
    }

    fn take(inbox: &mut Inbox, wait: Option<Option<Instant>>) -> Result<Self, RecvError> {
        Err(inbox.next(wait)?.unknown())
    }
}

/// What was to be put in a place of bounded size does not fit, or is a text with a zero in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes that there were.
    pub len: usize,
    /// Bytes that there is room for.
    pub room: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, room } = self;
        if len > room {
            write!(out, "{len} bytes do not fit into {room}")
        } else {
            out.write_str("a text that is filled up with zeros cannot hold one")
        }
    }
}

impl std::error::Error for TooLong {}
