use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    #[message(since = 0)]
    price: f64,
}

fn main() {}
