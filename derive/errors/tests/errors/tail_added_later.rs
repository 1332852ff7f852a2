use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    size: u64,
    #[message(since = 2)]
    prices: [f64],
}

fn main() {}
