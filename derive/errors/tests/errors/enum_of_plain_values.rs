use ringway::typed::Message;

#[derive(Message)]
#[repr(u8)]
enum Side {
    Buy,
    Sell,
}

fn main() {}
