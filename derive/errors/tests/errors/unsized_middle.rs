use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    prices: [f64],
    size: u64,
}

fn main() {}
