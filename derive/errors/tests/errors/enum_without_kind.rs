use ringway::typed::Message;

#[derive(Message)]
enum Event {
    Quote(Quote),
}

struct Quote;

fn main() {}
