//! Quotes that are worthless after a millisecond: the reader never sees an old one, and the feed is told when there is no point in sending.
//!
//! `cargo run --release --example expiring`

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ringway::typed::{self, Message, Nothing};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{Config, SendError};

/// A price, for as long as it holds.
#[derive(Clone, Copy, Debug, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    number: u32,
    _pad: [u8; 4],
    price: f64,
}

/// One that is not withdrawn.
const LAST: u32 = u32::MAX;
const QUOTES: u32 = 200_000;
const LIFE: Duration = Duration::from_millis(1);
/// How often the reader is about something else, and for how long.
const EVERY: u32 = 20_000;
const AWAY: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let done = match std::env::args().nth(1) {
        Some(name) => feed(&name),
        None => read(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("expiring: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the feed as a process of its own, and reads it to its end.
fn read() -> Result<(), Box<dyn Error>> {
    let name = format!("expiring-{}", std::process::id());
    let config = Config::new().drop_expired(true);
    let mut listener = typed::Listener::<Nothing, Quote>::bind_with(&config, name.as_str())?;
    let mut child = Command::new(std::env::current_exe()?).arg(&name).spawn()?;
    let mut quotes = listener.accept()?.split().1;

    let (mut received, mut newest, mut sum) = (0u32, 0, 0.0);
    loop {
        let quote = quotes.recv()?;
        if quote.number == LAST {
            break;
        }
        assert!(quote.number > newest, "in order, with gaps");
        newest = quote.number;
        sum += quote.price;
        received += 1;
        if received % EVERY == 0 {
            std::thread::sleep(AWAY);
        }
    }
    println!(
        "{} quotes had expired before they were read, and nobody saw them",
        quotes.expired()
    );
    println!(
        "{received} were read, at {:.4} on the average",
        sum / f64::from(received)
    );
    assert!(child.wait()?.success());
    Ok(())
}

fn feed(name: &str) -> Result<(), Box<dyn Error>> {
    let mut quotes = typed::connect::<Quote, Nothing>(name)?.split().0;
    let (mut late, mut in_vain) = (0u64, 0u64);
    for number in 1..=QUOTES {
        let price = 1.0 + f64::from(number % 1000) / 10_000.0;
        match quotes.send_expiring(&quote(number, price), Instant::now() + LIFE) {
            Ok(()) => {}
            // It was not read in time, and would not have been.
            Err(SendError::Expired) => late += 1,
            Err(SendError::QueueTooLong) => in_vain += 1,
            Err(error) => return Err(error.into()),
        }
    }
    quotes.send(&quote(LAST, 0.0))?;
    println!(
        "{in_vain} were not sent because the queue was too long, {late} because there was no room in time"
    );
    Ok(())
}

fn quote(number: u32, price: f64) -> Quote {
    Quote {
        number,
        _pad: [0; 4],
        price,
    }
}
