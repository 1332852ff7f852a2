use ringway::typed::Message;

#[derive(Message)]
struct Quote {
    price: f64,
}

fn main() {}
