use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    prices: [Option<f64>; 2],
}

fn main() {}
