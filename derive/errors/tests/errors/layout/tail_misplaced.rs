use ringway::typed::Message;
use ringway::zerocopy::{Immutable, KnownLayout, TryFromBytes};

#[derive(Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    level: u8,
    sizes: [u64],
}

fn main() {}
