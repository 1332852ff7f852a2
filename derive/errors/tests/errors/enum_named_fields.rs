use ringway::typed::Message;

#[derive(Message)]
enum Event {
    #[message(kind = 1)]
    Quote { price: f64 },
}

fn main() {}
