use ringway::typed::Enumeration;

const ONE: u8 = 1;

#[derive(Enumeration)]
#[repr(u8)]
enum Side {
    Buy = ONE,
}

fn main() {}
