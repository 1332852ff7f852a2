//! A feed of quotes: typed messages from one process to another, many in one frame where many are at hand.
//!
//! `cargo run --release --example quotes`

use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, ExitCode};

use ringway::typed::{self, Enumeration, Message, Nothing, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Who wants to trade.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Enumeration, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(u8)]
enum Side {
    Bid = 1,
    Ask = 2,
}

/// A price at which something can be traded now.
#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    /// What is traded.
    symbol: Text<7>,
    side: Side,
    price: f64,
    /// How many can be had.
    size: u64,
    /// Added later: an older feed's quotes are firm.
    #[message(since = 2, default = true)]
    firm: bool,
    _pad: [u8; 7],
}

const SYMBOLS: [&str; 3] = ["EURUSD", "USDJPY", "GBPUSD"];
const BATCHES: u32 = 1_000;
const BATCH: u32 = 64;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1) {
        Some(name) => feed(&name),
        None => read(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quotes: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the feed as a process of its own, and reads it to its end.
fn read() -> Result<(), Box<dyn Error>> {
    let name = format!("quotes-{}", std::process::id());
    let mut listener = typed::Listener::<Nothing, Quote>::bind(name.as_str())?;
    let mut child = Command::new(std::env::current_exe()?).arg(&name).spawn()?;
    let mut quotes = listener.accept()?.split().1;

    let (mut count, mut best) = (0, BTreeMap::new());
    loop {
        // One or many: a frame with a single quote is a batch of one.
        match quotes.recv_batch::<Quote>() {
            Ok(batch) => {
                count += batch.len();
                for quote in batch.iter().filter(|quote| quote.side == Side::Bid) {
                    let known = best.entry(quote.symbol.to_string()).or_insert(quote.price);
                    *known = known.max(quote.price);
                }
            }
            Err(error) if error.is_closed() => break,
            Err(error) => return Err(error.into()),
        }
    }
    for (symbol, price) in &best {
        println!("{symbol}: best bid {price:.4}");
    }
    println!("{count} quotes");
    assert_eq!(count, 1 + (BATCHES * BATCH) as usize);
    assert!(child.wait()?.success());
    Ok(())
}

fn feed(name: &str) -> Result<(), Box<dyn Error>> {
    let mut quotes = typed::connect::<Quote, Nothing>(name)?.split().0;
    quotes.send(&quote(0))?;
    for batch in 0..BATCHES {
        let many: Vec<Quote> = (0..BATCH)
            .map(|place| quote(batch * BATCH + place))
            .collect();
        quotes.send_slice(&many)?;
    }
    Ok(())
}

fn quote(number: u32) -> Quote {
    Quote {
        symbol: Text::cut(SYMBOLS[number as usize % SYMBOLS.len()]),
        side: if number % 2 == 0 {
            Side::Bid
        } else {
            Side::Ask
        },
        price: 1.0 + f64::from(number % 1000) / 10_000.0,
        size: u64::from(number % 50) + 1,
        firm: number % 10 != 0,
        _pad: [0; 7],
    }
}
