use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
struct Quote<T> {
    price: T,
}

fn main() {}
