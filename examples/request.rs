//! Requests and their replies: several types of message on each lane, told apart by `match`.
//!
//! `cargo run --release --example request`

use std::collections::HashMap;
use std::error::Error;
use std::thread;

use ringway::typed::{self, Maybe, Message, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Remember a value.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Put {
    key: Text<16>,
    value: f64,
}

/// Tell a value.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Get {
    key: Text<16>,
}

/// What a client asks.
#[derive(Debug, Message)]
enum Request {
    #[message(kind = 1)]
    Put(Put),
    #[message(kind = 2)]
    Get(Get),
}

/// What the server answers: the value from before a `Put`, or that of a `Get`.
#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Reply {
    value: Maybe<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("request-{}", std::process::id());
    // Bound before the other thread starts, so that it finds the name.
    let listener = typed::Listener::<Reply, Request>::bind(name.as_str())?;
    let server = thread::spawn(move || serve(listener).map_err(|error| error.to_string()));

    let mut client = typed::connect::<Request, Reply>(name)?;
    let mut ask = |request: Request| -> Result<Option<f64>, Box<dyn Error>> {
        client.sender().send_any(&request)?;
        Ok(client.receiver().recv()?.value.get())
    };
    let key = Text::literal("temperature");
    assert_eq!(ask(Request::Get(Get { key }))?, None);
    assert_eq!(ask(Put { key, value: 20.5 }.into())?, None);
    assert_eq!(ask(Put { key, value: 21.0 }.into())?, Some(20.5));
    let value = ask(Get { key }.into())?;
    println!("{key}: {value:?}");
    assert_eq!(value, Some(21.0));

    drop(client);
    server.join().map_err(|_| "the server panicked")??;
    Ok(())
}

fn serve(mut listener: typed::Listener<Reply, Request>) -> Result<(), Box<dyn Error>> {
    let (mut replies, mut requests) = listener.accept()?.split();
    let mut values = HashMap::new();
    loop {
        let value = match requests.recv() {
            Ok(Request::Put(put)) => values.insert(put.key, put.value),
            Ok(Request::Get(get)) => values.get(&get.key).copied(),
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        replies.send(&Reply {
            value: value.into(),
        })?;
    }
}
