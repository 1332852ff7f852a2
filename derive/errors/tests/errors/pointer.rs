use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote {
    name: *const u8,
}

fn main() {}
