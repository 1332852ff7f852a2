use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    price: f64,
    level: u8,
    sizes: [u64],
}

fn main() {}
