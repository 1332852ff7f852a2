//! Messages of every shape, as files: what the derive macros make of them is what other languages must make too.
//!
//! `tests/golden/typed` has the schema of each as JSON, and in `frames.txt` a frame of each. Where a change is meant, `RINGWAY_GOLDEN=write cargo test --test typed shapes` writes
//! the files anew.

use std::fmt::Write;
use std::path::PathBuf;

use ringway::schema::to_json;
use ringway::typed::{Bytes, Enumeration, Maybe, Message, Messages, Text};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::kinds::{Cancel, Everything, Leg, Level, Note, Order, Request, Side};

macro_rules! fixed {
    ($($(#[$attribute:meta])* struct $name:ident { $($(#[$of:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        struct $name { $($(#[$of])* $field: $ty),* }
    )*};
}

fixed! {
    struct Nothing0 {}

    /// Every number.
    struct Numbers {
        a: u128,
        b: i128,
        c: u64,
        d: i64,
        e: f64,
        f: u32,
        g: i32,
        h: f32,
        i: u16,
        j: i16,
        k: u8,
        l: i8,
        m: bool,
        _pad: [u8; 5],
    }

    struct Inner {
        at: u16,
        _gap: [u8; 2],
        deep: [[u32; 2]; 3],
        maybe: Maybe<u32>,
    }

    struct Nested {
        inner: Inner,
        list: [Inner; 2],
        grid: [[bool; 3]; 2],
        key: [u8; 6],
        texts: [Text<4>; 2],
        held: [Bytes<2>; 2],
        sides: [Side; 4],
        maybe_list: [Maybe<u8>; 2],
    }

    struct Absent {
        wide: Maybe<u128>,
        inner: Maybe<Point>,
        array: Maybe<[u32; 3]>,
        level: Maybe<Level>,
        twice: Maybe<Maybe<u16>>,
        name: Maybe<Text<7>>,
        key: Maybe<Bytes<5>>,
        _pad: [u8; 6],
    }

    struct Values {
        high: High,
        level: Level,
        low: Low,
        small: Small,
        _pad: [u8; 2],
    }

    /// The fourth version.
    ///
    /// Of something that grew.
    struct Grown {
        /// What it is known by.
        id: u64,
        #[message(deprecated = "use `venue`")]
        price: f64,
        #[message(since = 2)]
        venue: Maybe<u32>,
        #[message(since = 3, default = 1)]
        flags: u64,
        #[message(since = 4, default = Text::literal("home"))]
        note: Text<6>,
        #[message(since = 4, default = Low::Second)]
        low: Low,
        _pad: [u8; 1],
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

macro_rules! values {
    ($($(#[$attribute:meta])* enum $name:ident: $repr:ident { $($value:ident = $number:expr),* })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Enumeration, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr($repr)]
        #[allow(dead_code, reason = "it is there for its value")]
        enum $name { $($value = $number),* }
    )*};
}

values! {
    enum Low: u8 { Second = 2, First = 1, Last = 255 }
    enum High: u64 { None = 0, All = 0xffff_ffff_ffff_ffff }
    enum Small: i8 { Down = -128, Up = 127 }
}

macro_rules! tailed {
    ($($name:ident: $tail:ty;)*) => {$(
        #[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
        #[repr(C)]
        struct $name {
            number: u64,
            rest: $tail,
        }
    )*};
}

tailed! {
    Letters: str;
    Octets: [u8];
    Reals: [f64];
    Legs: [Leg];
    Maybes: [Maybe<u32>];
    Grid: [[u16; 3]];
    Names: [Text<5>];
    Truths: [bool];
    Sides: [Side];
}

/// What may be absent is not aligned by itself.
#[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tight {
    number: u8,
    rest: [Maybe<u32>],
}

/// A lane of some of them.
#[derive(Clone, Debug, PartialEq, Message)]
enum Several {
    #[message(kind = 65535)]
    Point(Point),
    #[message(kind = 1)]
    Grown(Grown),
}

fn hold(name: &str, made: &str) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/typed");
    let path = directory.join(name);
    if std::env::var_os("RINGWAY_GOLDEN").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, made, "{}", path.display());
}

#[test]
fn their_schemas_are_those_of_the_files() {
    macro_rules! all {
        ($($name:ident)*) => {$(
            hold(concat!(stringify!($name), ".json"), &to_json(<$name as Messages>::SCHEMA));
        )*};
    }
    all! {
        Nothing0 Numbers Inner Nested Absent Values Point Grown
        Letters Octets Reals Legs Maybes Grid Names Truths Sides Tight
        Several Leg Everything Order Note Cancel Request
    }
}

fn leg(price: f64) -> Leg {
    Leg {
        price,
        count: 7,
        side: Side::Sell,
        hidden: true,
        _pad: [0; 2],
    }
}

#[test]
fn their_frames_are_those_of_the_file() {
    let inner = |at| Inner {
        at,
        _gap: [0; 2],
        deep: [[1, 2], [3, 4], [5, 6]],
        maybe: Some(u32::MAX).into(),
    };
    let mut frames = String::new();
    let mut add = |name: &str, bytes: &[u8]| {
        let _ = write!(frames, "{name} ");
        for byte in bytes {
            let _ = write!(frames, "{byte:02x}");
        }
        frames.push('\n');
    };
    let numbers = Numbers {
        a: 1 << 100,
        b: -(1 << 100),
        c: u64::MAX,
        d: i64::MIN,
        e: -0.5,
        f: 4_000_000_000,
        g: -2_000_000_000,
        h: 1.5,
        i: 65_535,
        j: -32_768,
        k: 255,
        l: -128,
        m: true,
        _pad: [0; 5],
    };
    add("Numbers", numbers.as_bytes());
    let nested = Nested {
        inner: inner(1),
        list: [inner(2), inner(3)],
        grid: [[true, false, true], [false, true, false]],
        key: *b"\0\x01keys",
        texts: [Text::literal("ab"), Text::literal("öß")],
        held: [Bytes::new(b"").unwrap(), Bytes::new(b"\0\xff").unwrap()],
        sides: [Side::Buy, Side::Sell, Side::Buy, Side::Buy],
        maybe_list: [Maybe::none(), Maybe::some(0)],
    };
    add("Nested", nested.as_bytes());
    let absent = Absent {
        wide: Maybe::some(3),
        inner: Maybe::some(Point { x: 1.0, y: -1.0 }),
        array: Maybe::some([1, 2, 3]),
        level: Maybe::some(Level::High),
        twice: Maybe::some(Maybe::none()),
        name: Maybe::some(Text::literal("name")),
        key: Maybe::none(),
        _pad: [0; 6],
    };
    add("Absent", absent.as_bytes());
    let values = Values {
        high: High::All,
        level: Level::Low,
        low: Low::Last,
        small: Small::Down,
        _pad: [0; 2],
    };
    add("Values", values.as_bytes());
    let grown = Grown {
        id: 1,
        price: 2.5,
        venue: Maybe::none(),
        flags: 1,
        note: Text::literal("home"),
        low: Low::Second,
        _pad: [0; 1],
    };
    add("Grown", grown.as_bytes());
    add("Leg", leg(1.25).as_bytes());
    let number = 9u64.to_le_bytes();
    let legs = [leg(1.0), leg(2.0)];
    let reals = [0.5f64, -2.0];
    let tails: [(&str, &[u8]); 4] = [
        ("Letters", "größer".as_bytes()),
        ("Octets", &[0, 255]),
        ("Reals", reals.as_bytes()),
        ("Legs", legs.as_bytes()),
    ];
    for (name, tail) in tails {
        add(name, &[&number[..], tail].concat());
    }
    hold("frames.txt", &frames);
}
