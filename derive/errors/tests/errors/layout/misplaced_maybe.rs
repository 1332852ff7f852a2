use ringway::typed::{Maybe, Message};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

#[derive(Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    level: u8,
    price: Maybe<f64>,
    _pad: [u8; 7],
}

fn main() {}
