use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    #[message(sinse = 2)]
    price: f64,
}

fn main() {}
