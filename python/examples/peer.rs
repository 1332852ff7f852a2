//! A Rust program with messages, for the tests of the Python package: `peer ROLE PATH [COUNT]`. It listens at the path and says `ready`.
//!
//! Roles: `echo` sends back each message of a lane of four; `quotes` has version 3 of a message that grew, and sends back what it reads; `stream` sends COUNT ticks and `batches` sends them many in a
//! frame; `sum` receives COUNT ticks and says the sum of their prices; `lies` has the schema of `echo` and sends frames that are no messages. `lane` does the work of both `stream` and `sum`, between
//! two threads, and says how long that took: what Python's rates are compared with.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use ringway::Config;
use ringway::typed::{
    Bytes, Enumeration, Listener, Maybe, Message, Messages, Nothing, Received, Text, connect_with,
};
use ringway::zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, TryFromBytes};

macro_rules! fixed {
    ($($(#[$attribute:meta])* struct $name:ident { $($(#[$of:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[zerocopy(crate = "ringway::zerocopy")]
        #[repr(C)]
        struct $name { $($(#[$of])* $field: $ty),* }
    )*};
}

#[derive(
    Clone, Copy, Debug, PartialEq, Enumeration, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(u8)]
#[allow(dead_code, reason = "they come from the peer")]
enum Side {
    Buy = 1,
    Sell = 2,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Enumeration, FromZeros, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(i32)]
#[allow(dead_code, reason = "they come from the peer")]
enum Level {
    Low = -70_000,
    Middle = 0,
    High,
}

fixed! {
    struct Leg {
        price: f64,
        count: u32,
        side: Side,
        hidden: bool,
        _pad: [u8; 2],
    }

    /// One field of each type.
    struct Everything {
        huge: u128,
        wide: i64,
        real: f64,
        /// What is asked for.
        legs: [Leg; 2],
        limit: Maybe<f64>,
        short: f32,
        level: Level,
        maybe_level: Maybe<Level>,
        small: [i16; 3],
        yes: bool,
        name: Text<9>,
        key: Bytes<6>,
        flags: [bool; 2],
        maybe_name: Maybe<Text<3>>,
        last: [u8; 2],
    }

    struct Cancel {
        number: u64,
    }

    struct Quote {
        id: u64,
        #[message(deprecated = "use `venue`")]
        price: f64,
        #[message(since = 2)]
        venue: Maybe<u32>,
        #[message(since = 3, default = 1)]
        flags: u64,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Tick {
    id: u64,
    price: f64,
    size: f64,
    venue: u32,
    flags: u32,
}

#[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Order {
    number: u64,
    side: Side,
    _pad: [u8; 7],
    /// As many as there are.
    legs: [Leg],
}

#[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Note {
    number: u64,
    text: str,
}

/// What a lane carries.
#[derive(Clone, Debug, PartialEq, Message)]
enum Request {
    #[message(kind = 9)]
    Order(Received<Order>),
    #[message(kind = 2)]
    Cancel(Cancel),
    #[message(kind = 5)]
    Note(Received<Note>),
    #[message(kind = 7)]
    Everything(Everything),
}

fn tick(id: u64) -> Tick {
    Tick {
        id,
        price: f64::from((id % 1000) as u32),
        size: 1.0,
        venue: 7,
        flags: 0,
    }
}

/// How many ticks a group or a frame has.
const MANY: u64 = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, path, rest @ ..] = &arguments[..] else {
        return Err("usage: peer ROLE PATH [COUNT]".into());
    };
    let count: u64 = rest.first().map_or(Ok(0), |count| count.parse())?;
    let path = std::path::Path::new(path);
    match role.as_str() {
        "echo" => echo(listen(path)?),
        "quotes" => quotes(listen(path)?),
        "stream" => stream(listen(path)?, count),
        "batches" => batches(listen(path)?, count),
        "sum" => sum(listen(path)?, count),
        "lies" => lies(listen(path)?),
        "lane" => lane(path, count),
        _ => Err("there is no such role".into()),
    }
}

/// As much time for a handshake as a machine may take that has other things to do.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

fn listen<S: Messages + ?Sized, R: Messages + ?Sized>(
    path: &std::path::Path,
) -> Result<Listener<S, R>, ringway::Error> {
    Listener::bind_with(&patient(), path)
}

fn ready() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    Ok(out.flush()?)
}

fn echo(mut listener: Listener<Request, Request>) -> Result<(), Box<dyn Error>> {
    ready()?;
    let mut connection = listener.accept()?;
    while let Ok(request) = connection.receiver().recv() {
        connection.sender().send_any(&request)?;
    }
    Ok(())
}

fn quotes(mut listener: Listener<Quote, Quote>) -> Result<(), Box<dyn Error>> {
    ready()?;
    let mut connection = listener.accept()?;
    while let Ok(quote) = connection.receiver().recv() {
        connection.sender().send(&quote)?;
    }
    Ok(())
}

fn stream(mut listener: Listener<Tick, Nothing>, count: u64) -> Result<(), Box<dyn Error>> {
    ready()?;
    let mut connection = listener.accept()?;
    send(connection.sender(), count)?;
    gone(connection);
    Ok(())
}

fn batches(mut listener: Listener<Tick, Nothing>, count: u64) -> Result<(), Box<dyn Error>> {
    ready()?;
    let mut connection = listener.accept()?;
    for from in (0..count).step_by(MANY as usize) {
        let ticks: Vec<Tick> = (from..count.min(from + MANY)).map(tick).collect();
        connection.sender().send_slice(&ticks)?;
    }
    gone(connection);
    Ok(())
}

fn sum(mut listener: Listener<Nothing, Tick>, count: u64) -> Result<(), Box<dyn Error>> {
    ready()?;
    let mut connection = listener.accept()?;
    let total = receive(connection.receiver(), count)?;
    println!("{total}");
    Ok(())
}

fn lies(mut listener: Listener<Request, Request>) -> Result<(), Box<dyn Error>> {
    ready()?;
    let mut connection = listener.accept()?;
    // Each request names a kind and a frame, as the text of a note: `7 00ff..`.
    while let Ok(Request::Note(note)) = connection.receiver().recv() {
        let (kind, hex) = note.text.split_once(' ').ok_or("no frame")?;
        let digits: Vec<char> = hex.chars().collect();
        let frame: Result<Vec<u8>, _> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16))
            .collect();
        connection
            .sender()
            .untyped()
            .send_kind(kind.parse()?, &frame?)?;
    }
    Ok(())
}

fn lane(path: &std::path::Path, count: u64) -> Result<(), Box<dyn Error>> {
    let mut listener = Listener::<Nothing, Tick>::bind_with(&patient(), path)?;
    let (total, took) = std::thread::scope(|scope| {
        let client = scope.spawn(|| -> Result<(), Box<dyn Error + Send + Sync>> {
            let mut client = connect_with::<Tick, Nothing>(&patient(), path)?;
            send(client.sender(), count)?;
            let _ = client.receiver().recv();
            Ok(())
        });
        let mut connection = listener.accept()?;
        let start = Instant::now();
        let total = receive(connection.receiver(), count)?;
        let took = start.elapsed();
        drop(connection);
        client.join().map_err(|_| "it panicked")??;
        Ok::<_, Box<dyn Error + Send + Sync>>((total, took))
    })
    .map_err(|error| error.to_string())?;
    println!("{total} {}", took.as_secs_f64());
    Ok(())
}

fn send(sender: &mut ringway::typed::Sender<Tick>, count: u64) -> Result<(), ringway::SendError> {
    let mut id = 0;
    while id < count {
        let mut group = sender.group();
        for _ in 0..MANY.min(count - id) {
            group.send(&tick(id))?;
            id += 1;
        }
    }
    Ok(())
}

fn receive(
    receiver: &mut ringway::typed::Receiver<Tick>,
    count: u64,
) -> Result<f64, ringway::typed::RecvError> {
    let mut total = 0.0;
    for _ in 0..count {
        total += receiver.recv()?.price;
    }
    Ok(total)
}

/// Waits until the peer has closed: what was sent is read then.
fn gone<S: Messages>(mut connection: ringway::typed::Connection<S, Nothing>) {
    let _ = connection.receiver().recv();
}
