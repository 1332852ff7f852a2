use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote<'a> {
    name: &'a str,
}

fn main() {}
