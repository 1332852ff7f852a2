use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote(f64);

fn main() {}
