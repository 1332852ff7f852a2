//! A message with a list of any length, and one with a text of any length.
//!
//! `cargo run --release --example list`

use std::error::Error;
use std::thread;

use ringway::typed::{self, Message, Nothing, Received, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// One thing that was bought.
#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Item {
    name: Text<16>,
    count: u32,
    cents: u32,
}

/// An order. The list is its last field, so that the other fields have fixed places; they are sent as an `OrderHead`.
#[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Order {
    number: u64,
    customer: Text<24>,
    items: [Item],
}

/// A remark about an order.
#[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Remark {
    number: u64,
    text: str,
}

/// What a shop sends.
#[derive(Debug, Message)]
enum Event {
    #[message(kind = 1)]
    Order(Received<Order>),
    #[message(kind = 2)]
    Remark(Received<Remark>),
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("list-{}", std::process::id());
    // Bound before the other thread starts, so that it finds the name.
    let mut listener = typed::Listener::<Nothing, Event>::bind(name.as_str())?;
    let shop = thread::spawn(move || sell(&name).map_err(|error| error.to_string()));

    let mut events = listener.accept()?.split().1;
    let (mut cents, mut remarks) = (0, 0);
    loop {
        match events.recv() {
            Ok(Event::Order(order)) => {
                let total: u32 = order.items.iter().map(|item| item.count * item.cents).sum();
                let kinds = order.items.len();
                println!(
                    "order {} of {}: {kinds} items, {total} cents",
                    order.number, order.customer
                );
                cents += total;
            }
            Ok(Event::Remark(remark)) => {
                println!("order {}: {}", remark.number, &remark.text);
                remarks += 1;
            }
            Err(error) if error.is_closed() => break,
            Err(error) => return Err(error.into()),
        }
    }
    shop.join().map_err(|_| "the shop panicked")??;
    assert_eq!((cents, remarks), (1_250, 1));
    Ok(())
}

fn sell(name: &str) -> Result<(), Box<dyn Error>> {
    let mut events = typed::connect::<Event, Nothing>(name)?.split().0;
    let item = |name, count, cents| Item {
        name: Text::cut(name),
        count,
        cents,
    };
    let head = OrderHead {
        number: 1,
        customer: Text::literal("Ada"),
    };
    events.send_with::<Order>(&head, &[item("tea", 2, 400), item("cup", 1, 450)])?;
    events.send_with::<Remark>(&RemarkHead { number: 1 }, "leave it at the door, please")?;
    let head = OrderHead { number: 2, ..head };
    events.send_with::<Order>(&head, &[])?;
    Ok(())
}
