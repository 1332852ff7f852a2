//! The two messages that every format is tried with: an order of ten fields, and a book with a list.

use ringway::typed::{self, Text};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// What any format can be derived for: as the user of that format would write it.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
pub(super) struct Order {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    account: u64,
    #[prost(string, tag = "3")]
    symbol: String,
    #[prost(double, tag = "4")]
    price: f64,
    #[prost(uint64, tag = "5")]
    quantity: u64,
    #[prost(uint64, tag = "6")]
    nanos: u64,
    #[prost(uint32, tag = "7")]
    venue: u32,
    #[prost(uint32, tag = "8")]
    flags: u32,
    #[prost(sint32, tag = "9")]
    offset: i32,
    #[prost(bool, tag = "10")]
    buy: bool,
}

/// A price and how much there is of it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Serialize,
    Deserialize,
    prost::Message,
    typed::Message,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub(super) struct Level {
    #[prost(double, tag = "1")]
    price: f64,
    #[prost(uint64, tag = "2")]
    quantity: u64,
}

/// A record with a list.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
pub(super) struct Book {
    #[prost(uint64, tag = "1")]
    pub(super) instrument: u64,
    #[prost(uint64, tag = "2")]
    pub(super) nanos: u64,
    #[prost(message, repeated, tag = "3")]
    pub(super) levels: Vec<Level>,
}

/// The order as it lies in memory.
#[derive(
    Clone, Copy, Debug, PartialEq, typed::Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(super) struct FlatOrder {
    id: u64,
    account: u64,
    symbol: Text<8>,
    price: f64,
    quantity: u64,
    nanos: u64,
    venue: u32,
    flags: u32,
    offset: i32,
    buy: bool,
    _pad: [u8; 3],
}

/// The book as it lies in memory.
#[derive(Debug, typed::Message, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct FlatBook {
    pub(super) instrument: u64,
    pub(super) nanos: u64,
    pub(super) levels: [Level],
}

/// Levels of a book.
const LEVELS: u64 = 20;

/// A message that a format is tried with.
pub(super) trait Sample {
    /// One with the figures of a real one.
    fn sample() -> Self;
}

impl Sample for Order {
    fn sample() -> Self {
        Self {
            id: 0x0123_4567_89ab_cdef,
            account: 4_711_000_042,
            symbol: "RWY.AMS".to_owned(),
            price: 101.375,
            quantity: 1_500,
            nanos: 1_795_000_000_123_456_789,
            venue: 17,
            flags: 0x8000_0001,
            offset: -250,
            buy: true,
        }
    }
}

impl Sample for FlatOrder {
    fn sample() -> Self {
        let order = Order::sample();
        Self {
            id: order.id,
            account: order.account,
            symbol: Text::literal("RWY.AMS"),
            price: order.price,
            quantity: order.quantity,
            nanos: order.nanos,
            venue: order.venue,
            flags: order.flags,
            offset: order.offset,
            buy: order.buy,
            _pad: [0; 3],
        }
    }
}

impl Sample for Book {
    fn sample() -> Self {
        #[expect(clippy::cast_precision_loss, reason = "twenty levels")]
        let level = |n: u64| Level {
            price: 100.0 + n as f64 / 8.0,
            quantity: 100 * (n + 1),
        };
        Self {
            instrument: 4711,
            nanos: 1_795_000_000_123_456_789,
            levels: (0..LEVELS).map(level).collect(),
        }
    }
}
