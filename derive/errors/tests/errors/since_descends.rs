use ringway::typed::{Maybe, Message};

#[derive(Message)]
#[repr(C)]
struct Quote {
    #[message(since = 3)]
    price: Maybe<f64>,
    #[message(since = 2)]
    size: Maybe<u64>,
}

fn main() {}
