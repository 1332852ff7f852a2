use ringway::typed::Message;

#[derive(Message)]
enum Event {
    #[message(kind = 65536)]
    Quote(Quote),
}

struct Quote;

fn main() {}
