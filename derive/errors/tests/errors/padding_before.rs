use ringway::typed::{Message, Text};

#[derive(Message)]
#[repr(C)]
struct Quote {
    symbol: Text<3>,
    price: f64,
}

fn main() {}
