//! Programs of different age connect and understand each other; what does not go together is told before anything is sent.

use ringway::ErrorKind;
use ringway::typed::{self, Maybe, Message, Nothing};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::support::{path, patient, soon};

macro_rules! quote {
    ($module:ident { $($(#[$attribute:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        mod $module {
            use super::*;

            #[derive(Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
            #[zerocopy(crate = "ringway::zerocopy")]
            #[repr(C)]
            pub(super) struct Quote { $($(#[$attribute])* pub(super) $field: $ty),* }
        }
    };
}

quote!(first {
    id: u64,
    price: f64
});
quote!(second { id: u64, price: f64, #[message(since = 2)] venue: Maybe<u32> });
quote!(third { id: u64, price: f64, #[message(since = 2)] venue: Maybe<u32>, #[message(since = 3, default = 1)] flags: u64 });
quote!(fourth {
    id: u64,
    price: f64,
    #[message(since = 2)]
    venue: Maybe<u32>,
    #[message(since = 3, default = 1)]
    flags: u64,
    #[message(since = 4)]
    note: Maybe<[u8; 7]>,
});
quote!(stranger {
    id: u64,
    price: i64
});

/// What became of the client, of the server, and why the client was refused.
type Outcome<W, R> = (
    Result<typed::Connection<W, Nothing>, ringway::Error>,
    Option<typed::Connection<Nothing, R>>,
    Option<String>,
);

/// What connects, as a server that expects `R` and a client that sends `W`.
fn connect<W: typed::Messages, R: typed::Messages>() -> Outcome<W, R> {
    let path = path();
    let mut listener =
        typed::Listener::<Nothing, R>::bind_with(&patient(), path.as_path()).unwrap();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| typed::connect_with::<W, Nothing>(&patient(), path.as_path()));
        let mut server = None;
        let until = soon();
        while server.is_none() && listener.refusals() == 0 {
            server = listener.try_accept().unwrap();
            assert!(std::time::Instant::now() < until, "nobody connects");
            std::thread::yield_now();
        }
        let why = listener.last_refusal().map(ToString::to_string);
        (client.join().unwrap(), server, why)
    })
}

#[test]
fn four_generations_connect_and_read_each_other() {
    macro_rules! all {
        ($($writer:ident)*) => {$( all!(@ $writer first second third fourth); )*};
        (@ $writer:ident $($reader:ident)*) => {$({
            let (client, server, _) = connect::<$writer::Quote, $reader::Quote>();
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            // All zero is a value of each.
            let zeros = [0; size_of::<$writer::Quote>()];
            let mut sent = $writer::Quote::try_read_from_bytes(&zeros).unwrap();
            sent.id = 7;
            sent.price = 1.5;
            client.sender().send(&sent).unwrap();
            let found = server.receiver().recv().unwrap();
            assert_eq!((found.id, found.price), (7, 1.5));
        })*};
    }
    all!(first second third fourth);
}

#[test]
fn a_newer_reader_has_the_defaults_of_what_an_older_writer_lacks() {
    let (client, server, _) = connect::<first::Quote, fourth::Quote>();
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    client
        .sender()
        .send(&first::Quote { id: 1, price: 2.0 })
        .unwrap();
    let found = server.receiver().recv().unwrap();
    assert_eq!(
        (found.venue.get(), found.flags, found.note.get()),
        (None, 1, None)
    );
}

#[test]
fn what_does_not_go_together_is_told_to_both_with_the_field() {
    let (client, server, why) = connect::<stranger::Quote, first::Quote>();
    assert!(server.is_none());
    let error = client.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    for text in [error.to_string(), why.unwrap()] {
        assert!(text.contains("field `price` of `Quote`"), "{text}");
    }
    assert!(
        error.to_string().contains("8  price: i64"),
        "the tables: {error}"
    );
}

#[test]
fn bytes_and_messages_do_not_connect() {
    let path = path();
    let mut listener =
        typed::Listener::<Nothing, first::Quote>::bind_with(&patient(), path.as_path()).unwrap();
    let client = std::thread::spawn(move || patient().connect(path));
    while listener.refusals() == 0 && !client.is_finished() {
        assert!(listener.try_accept().unwrap().is_none());
        std::thread::yield_now();
    }
    let error = client.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("without a schema"), "{error}");
}
