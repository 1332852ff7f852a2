use ringway::typed::Message;
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

#[derive(Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    price: std::num::NonZeroU8,
}

fn main() {}
