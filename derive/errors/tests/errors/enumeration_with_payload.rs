use ringway::typed::Enumeration;

#[derive(Enumeration)]
#[repr(u8)]
enum Side {
    Buy(u8),
}

fn main() {}
