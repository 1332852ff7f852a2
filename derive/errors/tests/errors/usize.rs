use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    size: usize,
}

fn main() {}
