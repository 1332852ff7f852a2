use ringway::typed::Enumeration;

#[derive(Enumeration)]
enum Side {
    Buy,
    Sell,
}

fn main() {}
