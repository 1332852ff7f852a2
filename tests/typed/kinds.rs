//! The messages of these tests: every type that a field can have.

use ringway::typed::{Bytes, Enumeration, Maybe, Message, Received, Text};
use ringway::zerocopy::{FromZeros, Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Which way.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Enumeration, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(u8)]
pub(crate) enum Side {
    Buy = 1,
    Sell = 2,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Enumeration, FromZeros, IntoBytes, Immutable, KnownLayout,
)]
#[repr(i32)]
pub(crate) enum Level {
    Low = -70_000,
    Middle = 0,
    High,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Leg {
    pub(crate) price: f64,
    pub(crate) count: u32,
    pub(crate) side: Side,
    pub(crate) hidden: bool,
    pub(crate) _pad: [u8; 2],
}

/// One field of each type.
#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Everything {
    pub(crate) huge: u128,
    pub(crate) wide: i64,
    pub(crate) real: f64,
    /// What is asked for.
    pub(crate) legs: [Leg; 2],
    pub(crate) limit: Maybe<f64>,
    pub(crate) short: f32,
    pub(crate) level: Level,
    pub(crate) maybe_level: Maybe<Level>,
    pub(crate) small: [i16; 3],
    pub(crate) yes: bool,
    pub(crate) name: Text<9>,
    pub(crate) key: Bytes<6>,
    pub(crate) flags: [bool; 2],
    pub(crate) maybe_name: Maybe<Text<3>>,
    pub(crate) last: [u8; 2],
}

/// With a list.
#[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Order {
    pub(crate) number: u64,
    pub(crate) side: Side,
    pub(crate) _pad: [u8; 7],
    /// As many as there are.
    pub(crate) legs: [Leg],
}

/// With a text; its length need not suit the alignment.
#[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Note {
    pub(crate) number: u64,
    pub(crate) text: str,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Cancel {
    pub(crate) number: u64,
}

/// What a lane carries.
#[derive(Clone, Debug, PartialEq, Message)]
pub(crate) enum Request {
    #[message(kind = 9)]
    Order(Received<Order>),
    #[message(kind = 2)]
    Cancel(Cancel),
    #[message(kind = 5)]
    Note(Received<Note>),
    #[message(kind = 7)]
    Everything(Everything),
}
