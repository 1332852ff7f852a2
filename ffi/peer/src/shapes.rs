//! Messages of many shapes. `bindings/cpp/tests/shapes.cpp` has the same in C++, and both print the same.

use ringway::typed::{Bytes, Enumeration, Maybe, Message, Messages, Nothing, Text};
use ringway::zerocopy::{FromZeros, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::kinds::{Cancel, Everything, Leg, Note, Order, Request};

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Quote {
    pub(crate) bid: f64,
    pub(crate) ask: f64,
}

/// What another side takes for a quote.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Wrong {
    bid: f64,
    size: u64,
}

pub(crate) use wrong::Quote as Other;

mod wrong {
    use ringway::typed::Message;
    use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

    #[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    pub(crate) struct Quote {
        pub(crate) bid: f64,
        pub(crate) size: u64,
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Enumeration, FromZeros, IntoBytes, Immutable, KnownLayout,
)]
#[repr(u64)]
#[expect(dead_code, reason = "it is described, and none is made")]
enum Wide {
    Zero = 0,
    Large = 0x8000_0000_0000_0000,
    Largest = 0xFFFF_FFFF_FFFF_FFFF,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Enumeration, FromZeros, IntoBytes, Immutable, KnownLayout,
)]
#[repr(i8)]
#[expect(dead_code, reason = "it is described, and none is made")]
enum Tiny {
    Up = 1,
    Down = -1,
    Flat = 0,
}

#[derive(Clone, Copy, Debug, Message, FromZeros, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Inner {
    wide: Wide,
    perhaps: Maybe<[bool; 3]>,
    key: Bytes<2>,
}

#[derive(Clone, Copy, Debug, Message, FromZeros, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Deep {
    inner: Maybe<Inner>,
    texts: [[Text<2>; 2]; 2],
    keys: [Bytes<3>; 2],
    flag: bool,
    _pad: [u8; 5],
}

#[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Keys {
    number: u8,
    keys: [Bytes<2>],
}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Empty {}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Numbers {
    a: u128,
    b: i128,
    c: u64,
    d: i64,
    e: u32,
    f: i32,
    g: f32,
    h: u16,
    i: i16,
    j: u8,
    k: i8,
    l: Tiny,
    _pad: [u8; 1],
    m: Maybe<u16>,
    n: [Maybe<i8>; 2],
    _end: [u8; 4],
}

/// Grown once; documentation, versions and defaults are no part of the fingerprint.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Grown {
    /// The first.
    first: u32,
    #[message(deprecated = "use `third`")]
    second: u32,
    #[message(since = 2, default = 7)]
    third: u64,
    #[message(since = 3)]
    fourth: Maybe<f64>,
}

/// Seven fields of one letter, and a name that is a keyword elsewhere.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Long {
    name: Text<200>,
    body: Bytes<1022>,
    r#type: u32,
    rows: [[u32; 3]; 2],
}

fn line<M: Messages + ?Sized>(name: &str) {
    // In the order of the bytes, as they lie in the handshake.
    println!("{name} {:032x}", u128::from_be_bytes(M::FINGERPRINT));
}

/// Prints a line for each.
pub(crate) fn print() {
    line::<Quote>("Quote");
    line::<Other>("Other");
    line::<Wrong>("Wrong");
    line::<Leg>("Leg");
    line::<Cancel>("Cancel");
    line::<Everything>("Everything");
    line::<Order>("Order");
    line::<Note>("Note");
    line::<Request>("Request");
    line::<Inner>("Inner");
    line::<Deep>("Deep");
    line::<Keys>("Keys");
    line::<Empty>("Empty");
    line::<Numbers>("Numbers");
    line::<Grown>("Grown");
    line::<Long>("Long");
    line::<Nothing>("Nothing");
}
