//! What the cases `typed`, `variable` and `wrong` carry, and how it is printed: alike in every language.

use ringway::typed::{Enumeration, Maybe, Message, Received, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

pub(crate) use other::Quote as Other;

/// How it is printed.
pub(crate) trait Shown {
    fn shown(&self) -> String;
}

#[derive(
    Clone, Copy, Debug, PartialEq, Enumeration, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(u8)]
pub(crate) enum Side {
    Buy = 1,
    Sell = 2,
}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
pub(crate) struct Leg {
    price: f64,
    count: u32,
    side: Side,
    hidden: bool,
    _pad: [u8; 2],
}

impl Leg {
    const fn new(price: f64, count: u32, side: Side, hidden: bool) -> Self {
        Self {
            price,
            count,
            side,
            hidden,
            _pad: [0; 2],
        }
    }
}

impl Shown for Leg {
    fn shown(&self) -> String {
        format!(
            "{}/{}/{:?}/{}",
            self.price, self.count, self.side, self.hidden
        )
    }
}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
pub(crate) struct Sample {
    wide: i64,
    leg: Leg,
    limit: Maybe<u32>,
    absent: Maybe<u32>,
    name: Text<9>,
    yes: bool,
    small: [i16; 3],
}

impl Sample {
    pub(crate) fn example() -> Self {
        Self {
            wide: -5_000_000_000,
            leg: Leg::new(1.5, 7, Side::Sell, true),
            limit: Maybe::some(7),
            absent: Maybe::none(),
            name: Text::literal("Größe"),
            yes: true,
            small: [1, -2, 300],
        }
    }
}

impl Shown for Sample {
    fn shown(&self) -> String {
        let maybe = |value: Maybe<u32>| value.get().map_or("none".into(), |some| some.to_string());
        let [a, b, c] = self.small;
        format!(
            "{} {} {} {} {} {} {a},{b},{c}",
            self.wide,
            self.leg.shown(),
            maybe(self.limit),
            maybe(self.absent),
            self.name.as_str(),
            self.yes,
        )
    }
}

#[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
pub(crate) struct Order {
    number: u64,
    side: Side,
    _pad: [u8; 7],
    legs: [Leg],
}

impl Order {
    pub(crate) fn examples() -> [Received<Self>; 2] {
        let head = |number, side| OrderHead {
            number,
            side,
            _pad: [0; 7],
        };
        let legs = [
            Leg::new(1.5, 2, Side::Buy, true),
            Leg::new(2.5, 3, Side::Sell, false),
        ];
        [
            Received::new(&head(9, Side::Buy), legs.as_slice()),
            Received::new(&head(10, Side::Sell), [].as_slice()),
        ]
    }
}

impl Shown for Received<Order> {
    fn shown(&self) -> String {
        let mut shown = format!("{} {:?}", self.number, self.side);
        for leg in &self.legs {
            shown += " ";
            shown += &leg.shown();
        }
        shown
    }
}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
pub(crate) struct Quote {
    bid: f64,
    ask: f64,
}

mod other {
    use ringway::typed::Message;
    use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

    /// What somebody else takes for a quote.
    #[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    #[zerocopy(crate = "ringway::zerocopy")]
    #[repr(C)]
    pub(crate) struct Quote {
        bid: f64,
        size: u64,
    }
}
