use ringway::typed::Message;
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

#[derive(Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    price: f64,
    #[message(since = 2)]
    size: u64,
}

fn main() {}
