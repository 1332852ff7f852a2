use ringway::typed::Message;

#[derive(Message)]
enum Event {}

fn main() {}
