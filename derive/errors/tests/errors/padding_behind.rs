use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    price: f64,
    levels: [u16; 3],
}

fn main() {}
