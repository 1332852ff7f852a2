//! Encoded messages: each format carries them, and what is no message is an error after which the connection goes on.
#![cfg(all(feature = "postcard", feature = "messagepack", feature = "protobuf"))]

mod midway;
#[path = "../pair/mod.rs"]
mod pair;
#[path = "../crash/process.rs"]
mod process;

use std::fmt::{Debug, Display};
use std::time::{Duration, Instant};

use ringway::codec::{self, Codec, Format, MessagePack, Postcard, Protobuf, RecvError, SendError};
use ringway::{Config, Event, Poller};

/// What the formats of serde and prost are both derived for.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    symbol: String,
    #[prost(uint64, tag = "2")]
    id: u64,
    #[prost(sint32, tag = "3")]
    change: i32,
    #[prost(double, tag = "4")]
    price: f64,
    #[prost(message, repeated, tag = "5")]
    parts: Vec<Part>,
    #[prost(bytes = "vec", tag = "6")]
    note: Vec<u8>,
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, prost::Message)]
struct Part {
    #[prost(uint32, tag = "1")]
    quantity: u32,
    #[prost(bool, tag = "2")]
    filled: bool,
}

fn orders() -> Vec<Order> {
    let part = |quantity| Part {
        quantity,
        filled: quantity % 2 == 0,
    };
    let order = |parts: u32| Order {
        symbol: "RWY ✈".repeat(parts as usize),
        id: u64::MAX - u64::from(parts),
        change: -7,
        price: 1.0 / 3.0,
        parts: (0..parts).map(part).collect(),
        note: vec![0xff; parts as usize * 9],
    };
    vec![Order::default(), order(1), order(3), order(400)]
}

/// Messages of every size arrive, and bytes that are none are refused one by one.
fn carries_and_refuses<C>(nonsense: &[&[u8]])
where
    C: Codec<Order> + Format,
    C::Error: 'static,
{
    let name = format!("codec-{}", C::ID);
    let (ours, theirs) = {
        let config = Config::new().codec(C::ID);
        pair::pair(&name, &config, &config)
    };
    let (mut sender, _) = codec::over::<C, Order, Order>(ours).split();
    let (_, mut receiver) = codec::over::<C, Order, Order>(theirs).split();
    for order in orders() {
        sender.send(&order).unwrap();
        assert_eq!(receiver.recv().unwrap(), order, "{}", C::NAME);
    }
    for bytes in nonsense {
        sender.inner().send(bytes).unwrap();
        let refused = receiver.recv();
        assert!(
            matches!(refused, Err(RecvError::Decode(_))),
            "{} took {bytes:x?}: {refused:?}",
            C::NAME
        );
        let order = &orders()[1];
        sender.try_send(order).unwrap();
        assert_eq!(receiver.try_recv().unwrap(), *order);
    }
    // Every message cut short, and with one byte more.
    let mut bytes = Vec::new();
    C::encode(&orders()[2], &mut bytes).unwrap();
    for length in 1..bytes.len() {
        sender.inner().send(&bytes[..length]).unwrap();
        // Protocol Buffers ends where a field ends; what is left out has its default.
        match receiver.recv() {
            Err(RecvError::Decode(_)) => {}
            Ok(cut) => assert!(C::ID == Protobuf::ID && cut != orders()[2]),
            other => panic!("{}: {other:?}", C::NAME),
        }
    }
    bytes.push(0);
    sender.inner().send(&bytes).unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Decode(_))));
    drop(receiver);
    let error = loop {
        if let Err(error) = sender.send(&orders()[1]) {
            break error;
        }
    };
    assert!(matches!(error, SendError::Send(ringway::SendError::Closed)));
    speaks(&error);
}

fn speaks(error: &(impl Debug + Display)) {
    assert!(!error.to_string().is_empty());
}

#[test]
fn postcard_carries_messages() {
    // A string of nearly 2^64 bytes; a list of as many parts.
    let long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let parts: Vec<u8> = [&[0, 0, 0][..], &[0; 8], &long].concat();
    carries_and_refuses::<Postcard>(&[b"", &long, &parts, &[0xff; 300]]);
}

#[test]
fn message_pack_carries_messages() {
    // An array of 2^32 - 1 fields; a string of as many bytes; not the type that is expected.
    let array = [0xdd, 0xff, 0xff, 0xff, 0xff];
    let string = [0x96, 0xdb, 0xff, 0xff, 0xff, 0xff];
    carries_and_refuses::<MessagePack>(&[b"", &array, &string, &[0xc0], &[0xc1; 300]]);
}

#[test]
fn protocol_buffers_carry_messages() {
    // A string longer than the message, and one that is not UTF-8.
    let long = [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f];
    carries_and_refuses::<Protobuf>(&[&long, &[0x0a, 0x02, 0xff, 0xff], &[0xff; 300]]);
}

#[test]
fn formats_have_numbers_of_their_own() {
    let ids = [Postcard::ID, MessagePack::ID, Protobuf::ID];
    assert_eq!(ids, [1, 2, 3], "numbers are part of the protocol");
}

#[test]
fn two_sides_with_two_formats_do_not_connect() {
    let path = std::env::temp_dir().join(format!("ringway-codecs-{}", std::process::id()));
    let speaks = |format| pair::patient(&Config::new().codec(format));
    let mut listener = speaks(Postcard::ID).bind(path.as_path()).unwrap();
    let client = std::thread::spawn(move || speaks(Protobuf::ID).connect(path));
    // Until it has its answer, however late it comes.
    while !client.is_finished() {
        let short = Instant::now() + Duration::from_millis(20);
        let nobody = listener.accept_deadline(short);
        assert_eq!(nobody.unwrap_err().kind(), ringway::ErrorKind::TimedOut);
    }
    let refused = client.join().unwrap().unwrap_err().to_string();
    assert!(
        refused.contains("messages by Protocol Buffers")
            && refused.contains("messages by postcard"),
        "{refused}"
    );
}

#[test]
fn an_encoded_connection_goes_into_a_poller() {
    let config = Config::new().codec(Postcard::ID);
    let (server, client) = pair::pair("codec-poller", &config, &config);
    let mut poller = Poller::new().unwrap();
    let server = codec::over::<Postcard, Order, Order>(server);
    poller.add(server).unwrap();
    let mut client = codec::over::<Postcard, Order, Order>(client);
    for order in orders() {
        client.sender().send(&order).unwrap();
        let Some(Event::Ready(mut turn)) = poller.event_deadline(pair::soon()).unwrap() else {
            panic!("a message waits");
        };
        let (sender, receiver) = turn.halves();
        sender.send(&receiver.recv().unwrap()).unwrap();
        assert!(client.receiver().recv().unwrap() == order);
    }
}

/// A server that closes with a message in its hands has the next one told so.
#[test]
fn what_is_encoded_is_sent_again_as_it_is() {
    let config = pair::patient(&Config::new().codec(Postcard::ID).resumable(true));
    let path = std::env::temp_dir().join(format!("ringway-codec-again-{}", std::process::id()));
    let mut listener = config.bind(path.as_path()).unwrap();
    let (server, client) = std::thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let server = listener.accept_deadline(pair::soon()).unwrap();
        (server, client.join().unwrap())
    });
    let mut server = codec::over::<Postcard, Order, Order>(server);
    let mut client = codec::over::<Postcard, Order, Order>(client);
    for order in &orders()[..3] {
        client.sender().send(order).unwrap();
    }
    // The first is done with when the second is asked for.
    assert!(server.receiver().recv().unwrap() == orders()[0]);
    assert!(server.receiver().recv().unwrap() == orders()[1]);
    drop(server);
    assert!(client.receiver().recv().is_err());
    let (server, resumed) = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let lost = client.into_inner();
            config.resume(path.as_path(), lost, pair::soon()).unwrap()
        });
        let server = listener.accept_deadline(pair::soon()).unwrap();
        (server, client.join().unwrap())
    });
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 1));
    let mut server = codec::over::<Postcard, Order, Order>(server);
    for (order, said) in [
        (1, ringway::Redelivery::InDoubt),
        (2, ringway::Redelivery::Unseen),
    ] {
        assert!(server.receiver().recv().unwrap() == orders()[order]);
        assert_eq!(server.receiver().inner().last_redelivery(), said);
    }
}
