//! Whoever has the types and whoever has only the schema give one verdict on a frame, and find the same in it.

use std::cell::RefCell;

use proptest::prelude::*;
use ringway::schema::{Schema, Value};
use ringway::typed::{Bytes, Enumeration, Maybe, Message, Messages, Received, RecvError, Text};
use ringway::typed::{Receiver, Sender};
use ringway::zerocopy::{FromZeros, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::kinds::{Everything, Leg, Level, Note, Order, Side};
use super::support::lane;

/// Of which all values but the first lie beyond what a signed number of as many bytes can say.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Enumeration, FromZeros, IntoBytes, Immutable, KnownLayout,
)]
#[repr(u64)]
#[expect(dead_code, reason = "they come in frames")]
enum Wide {
    Zero = 0,
    Large = 0x8000_0000_0000_0000,
    Largest = 0xFFFF_FFFF_FFFF_FFFF,
}

/// What lies deep in what.
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
    none: [u8; 0],
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

#[derive(Clone, Debug, Message)]
enum Any {
    #[message(kind = 0)]
    Everything(Everything),
    #[message(kind = 1)]
    Order(Received<Order>),
    #[message(kind = 2)]
    Note(Received<Note>),
    #[message(kind = 3)]
    Deep(Deep),
    #[message(kind = 4)]
    Keys(Received<Keys>),
    #[message(kind = 5)]
    Empty(Empty),
}

/// What a value is by its type, to be compared with what it is by its schema. Numbers of IEEE 754 by their bits: not every one is equal to itself.
trait Seen {
    fn seen(&self) -> String;
}

fn list<T: Seen>(values: &[T]) -> String {
    let values: Vec<_> = values.iter().map(Seen::seen).collect();
    format!("[{}]", values.join(","))
}

macro_rules! seen {
    ($($ty:ty, $value:ident => $seen:expr;)*) => {$(
        impl Seen for $ty {
            fn seen(&self) -> String {
                let $value = self;
                $seen
            }
        }
    )*};
    (record $($ty:ty { $($field:ident)* $(; $tail:ident $how:expr)? })*) => {$(
        impl Seen for $ty {
            #[allow(clippy::used_underscore_binding, reason = "padding travels too, and both find it")]
            fn seen(&self) -> String {
                let fields: Vec<String> = vec![
                    $(format!("{}={}", stringify!($field), self.$field.seen()),)*
                    $(format!("{}={}", stringify!($tail), $how(&self.$tail)),)?
                ];
                format!("{{{}}}", fields.join(","))
            }
        }
    )*};
}

seen! {
    u128, value => value.to_string();
    u64, value => value.to_string();
    u32, value => value.to_string();
    u8, value => value.to_string();
    i64, value => value.to_string();
    i16, value => value.to_string();
    f32, value => format!("{:08x}", value.to_bits());
    f64, value => format!("{:016x}", value.to_bits());
    bool, value => value.to_string();
    Side, value => format!("{value:?}");
    Level, value => format!("{value:?}");
    Wide, value => format!("{value:?}");
}

seen! { record
    Leg { price count side hidden _pad }
    Everything { huge wide real legs limit short level maybe_level small yes name key flags maybe_name last }
    Order { number side _pad; legs list }
    Note { number; text |text: &str| format!("{text:?}") }
    Inner { wide perhaps key }
    Deep { inner texts none keys flag _pad }
    Keys { number; keys list }
    Empty {}
}

impl<T: Seen, const N: usize> Seen for [T; N] {
    fn seen(&self) -> String {
        list(self)
    }
}

impl<const N: usize> Seen for Text<N> {
    fn seen(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

impl<const N: usize> Seen for Bytes<N> {
    fn seen(&self) -> String {
        list(self.as_slice())
    }
}

impl<T: Seen + ringway::typed::Field + Copy + FromZeros> Seen for Maybe<T> {
    fn seen(&self) -> String {
        self.get().map_or("none".to_owned(), |value| value.seen())
    }
}

impl Seen for Any {
    fn seen(&self) -> String {
        match self {
            Self::Everything(message) => message.seen(),
            Self::Order(message) => message.seen(),
            Self::Note(message) => message.seen(),
            Self::Deep(message) => message.seen(),
            Self::Keys(message) => message.seen(),
            Self::Empty(message) => message.seen(),
        }
    }
}

impl Seen for Value<'_> {
    fn seen(&self) -> String {
        match self {
            Self::Unsigned(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Float(value) => value.seen(),
            Self::Double(value) => value.seen(),
            Self::Bool(value) => value.seen(),
            Self::Variant(name) => (*name).to_owned(),
            Self::Text(text) => format!("{text:?}"),
            Self::Bytes(bytes) => list(bytes),
            Self::List(values) => list(values),
            Self::Record(fields) => {
                let fields = fields.iter();
                let fields: Vec<_> = fields
                    .map(|(name, value)| format!("{name}={}", value.seen()))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
            Self::Maybe(None) => "none".to_owned(),
            Self::Maybe(Some(value)) => value.seen(),
            other => panic!("{other:?} is new"),
        }
    }
}

/// What either says of a frame.
fn both(
    ends: &mut (Sender<Any>, Receiver<Any>),
    kind: u16,
    frame: &[u8],
) -> (Option<String>, Option<String>) {
    ends.0.untyped().send_kind(kind, frame).unwrap();
    let typed = match ends.1.try_recv() {
        Ok(message) => Some(message.seen()),
        Err(RecvError::Invalid(_)) => None,
        Err(other) => panic!("{other}"),
    };
    let schema: &Schema = Any::SCHEMA;
    let decoded = schema.record(kind).map(|record| record.decode(frame));
    (
        typed,
        decoded.and_then(Result::ok).map(|value| value.seen()),
    )
}

/// A frame that both take, of each kind.
fn valid(kind: u16) -> Vec<u8> {
    let leg = [0, 0, 0, 0, 0, 0, 0xF8, 0x7F, 7, 0, 0, 0, 2, 1, 0, 0];
    match kind {
        0 => {
            let mut frame = vec![0; size_of::<Everything>()];
            for leg in 0..2 {
                frame[std::mem::offset_of!(Everything, legs) + 16 * leg + 12] = 1;
            }
            frame
        }
        1 => [[1; 8], [1, 0, 0, 0, 0, 0, 0, 0]]
            .concat()
            .into_iter()
            .chain([leg; 3].concat())
            .collect(),
        2 => [&[9; 8][..], "zwölf\0".as_bytes()].concat(),
        3 => vec![0; size_of::<Deep>()],
        4 => vec![1, 2, 0, 5, 6, 0, 0, 7, 7, 1, 0, 3, 0],
        _ => Vec::new(),
    }
}

/// Bytes that mean something to some field, and others.
fn bytes() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => 0u8..4,
        1 => prop_oneof![Just(0x7F), Just(0x80), Just(0xC3), Just(0xFF), Just(b'a')],
        1 => any::<u8>(),
    ]
}

#[test]
fn both_take_what_is_valid() {
    let mut ends = lane();
    for kind in 0..=5 {
        let (typed, decoded) = both(&mut ends, kind, &valid(kind));
        assert!(
            typed.is_some() && typed == decoded,
            "{kind}: {typed:?}, {decoded:?}"
        );
    }
    assert_eq!(both(&mut ends, 6, &[]), (None, None));
}

#[test]
fn both_say_the_same_of_any_frame() {
    let ends: RefCell<(Sender<Any>, Receiver<Any>)> = RefCell::new(lane());
    let config = ProptestConfig::with_cases(2000);
    let frames = (0u16..7, proptest::collection::vec(bytes(), 0..200));
    proptest!(config, |((kind, frame) in frames)| {
        let (typed, decoded) = both(&mut ends.borrow_mut(), kind, &frame);
        prop_assert_eq!(typed, decoded);
    });
}

#[test]
fn both_say_the_same_of_a_valid_frame_that_was_changed() {
    let ends: RefCell<(Sender<Any>, Receiver<Any>)> = RefCell::new(lane());
    let taken = RefCell::new([0u32; 6]);
    let config = ProptestConfig::with_cases(6000);
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), bytes()), 0..6);
    let length = prop_oneof![8 => Just(0isize), 1 => -20isize..20];
    proptest!(config, |(kind in 0u16..6, changes in changes, length in length)| {
        let mut frame = valid(kind);
        frame.resize(frame.len().saturating_add_signed(length), 1);
        for (place, byte) in changes {
            if !frame.is_empty() {
                let place = place.index(frame.len());
                frame[place] = byte;
            }
        }
        let (typed, decoded) = both(&mut ends.borrow_mut(), kind, &frame);
        taken.borrow_mut()[usize::from(kind)] += u32::from(typed.is_some());
        prop_assert_eq!(typed, decoded);
    });
    // Neither simply refuses all of a kind.
    assert!(taken.borrow().iter().all(|taken| *taken > 50), "{taken:?}");
}
