use ringway::typed::{Maybe, Message, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes, FromBytes};

#[derive(Clone, Copy, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Empty {}

#[derive(Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Plain {
    marks: [Empty; 3],
}

#[derive(Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Nested {
    marks: Maybe<[[Text<0>; 2]; 3]>,
}

#[derive(Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Listed {
    id: u64,
    marks: [Text<0>],
}

fn main() {}
