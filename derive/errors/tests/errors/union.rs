use ringway::typed::Message;

#[derive(Message)]
#[repr(C)]
union Quote {
    price: f64,
    size: u64,
}

fn main() {}
