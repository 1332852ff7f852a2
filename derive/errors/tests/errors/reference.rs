use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    name: &'static str,
}

fn main() {}
