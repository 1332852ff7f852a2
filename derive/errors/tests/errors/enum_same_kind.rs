use ringway::typed::Message;

#[derive(Message)]
enum Event {
    #[message(kind = 1)]
    Quote(Quote),
    #[message(kind = 1)]
    Trade(Trade),
}

struct Quote;
struct Trade;

fn main() {}
