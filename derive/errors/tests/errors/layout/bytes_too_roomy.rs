use ringway::typed::{Bytes, Message};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

#[derive(Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Plain {
    image: Bytes<65_536>,
}

#[derive(Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Listed {
    id: u64,
    images: [[Bytes<70_000>; 2]],
}

fn main() {}
