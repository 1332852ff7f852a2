use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    name: String,
}

fn main() {}
