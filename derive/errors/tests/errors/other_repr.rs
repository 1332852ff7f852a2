use ringway::typed::Message;

#[derive(Message)]
#[repr(C, packed)]
struct Quote {
    price: f64,
}

fn main() {}
