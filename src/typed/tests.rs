//! Four generations of one message, each of which can be the writer and each the reader.

use std::time::{Duration, Instant};

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::{Carries, Field, Fixed, Maybe, Message, Messages, Payload, Receiver, Tailed, Text};
use crate::connection::{Config, Connection};
use crate::sync::Mutex;

macro_rules! generation {
    ($module:ident { $($(#[$attribute:meta])* $field:ident: $ty:ty = $sample:expr),* $(,)? }) => {
        mod $module {
            use super::*;

            #[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
            #[message(crate = "crate")]
            #[repr(C)]
            pub(super) struct Quote { $($(#[$attribute])* pub(super) $field: $ty,)* }

            #[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
            #[message(crate = "crate")]
            #[repr(C)]
            pub(super) struct Book {
                $($(#[$attribute])* pub(super) $field: $ty,)*
                pub(super) prices: [f64],
            }

            impl Generation for Quote {
                fn sample() -> Self {
                    Self { $($field: $sample,)* }
                }

                fn seen(&self) -> Vec<String> {
                    vec![$(format!("{:?}", self.$field),)*]
                }
            }

            impl Listed for Book {
                fn head() -> BookHead {
                    BookHead { $($field: $sample,)* }
                }

                fn seen(&self) -> (Vec<String>, &[f64]) {
                    (vec![$(format!("{:?}", self.$field),)*], &self.prices)
                }
            }
        }
    };
}

trait Generation: Fixed + Messages<Received = Self> + Carries<Self> {
    fn sample() -> Self;
    fn seen(&self) -> Vec<String>;
}

trait Listed: Tailed<Tail = [f64]> + Messages {
    fn head() -> Self::Head;
    fn seen(&self) -> (Vec<String>, &[f64]);
}

generation!(first { number: u64 = 7 });
generation!(second {
    number: u64 = 7,
    #[message(since = 2)]
    price: Maybe<f64> = Maybe::some(1.5),
});
generation!(third {
    number: u64 = 7,
    #[message(since = 2)]
    price: Maybe<f64> = Maybe::some(1.5),
    #[message(since = 3, default = Text::literal("USD"))]
    currency: Text<7> = Text::literal("EUR"),
    #[message(since = 3, default = true)]
    firm: bool = false,
});
generation!(fourth {
    number: u64 = 7,
    #[message(since = 2)]
    price: Maybe<f64> = Maybe::some(1.5),
    #[message(since = 3, default = Text::literal("USD"))]
    currency: Text<7> = Text::literal("EUR"),
    #[message(since = 3, default = true)]
    firm: bool = false,
    #[message(since = 4, default = -1)]
    rank: i64 = 12,
});

/// What the fourth generation has, of a writer who knows nothing but what the first has.
const DEFAULTS: [&str; 5] = ["7", "None", "\"USD\"", "true", "-1"];

fn pair() -> (Connection, Connection) {
    // A name for each: tests run side by side.
    static NEXT: Mutex<u32> = Mutex::new(0);
    let number = {
        let mut next = NEXT.lock().unwrap();
        *next += 1;
        *next
    };
    let name = format!("ringway-generations-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let config = Config::new().handshake_timeout(Duration::from_secs(20));
    let mut listener = config.bind(path.as_path()).unwrap();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        let accepted = listener.accept_deadline(deadline).unwrap();
        (client.join().unwrap(), accepted)
    })
}

fn expected(written: &[String], reader_has: usize) -> Vec<String> {
    let place = |index: usize| {
        let known = written.get(index);
        known.map_or_else(|| DEFAULTS[index].to_owned(), String::clone)
    };
    (0..reader_has).map(place).collect()
}

fn check<W, R, V, S>()
where
    W: Generation,
    R: Generation,
    V: Listed + ?Sized,
    S: Listed + Messages<Received = super::Received<S>> + ?Sized,
{
    let (writer, reader) = pair();
    let mut sender = writer.split().0;
    let mut receiver = Receiver::<R>::new(reader.split().1, Some(W::SCHEMA));
    let sample = W::sample();
    let wanted = expected(&sample.seen(), R::FIELDS.len());
    sender.send(sample.as_bytes()).unwrap();
    assert_eq!(receiver.recv().unwrap().seen(), wanted);
    // Two in one frame; where the second generation reads the first, they are as long as one of ours.
    sender.send([W::sample(), W::sample()].as_bytes()).unwrap();
    sender.send([W::sample(), W::sample()].as_bytes()).unwrap();
    assert!(receiver.recv().is_err());
    let batch = receiver.recv_batch::<R>().unwrap();
    assert_eq!(batch.len(), 2);
    assert!(batch.iter().all(|quote| quote.seen() == wanted));

    let (writer, reader) = pair();
    let mut sender = writer.split().0;
    let mut receiver = Receiver::<S>::new(reader.split().1, Some(V::SCHEMA));
    let prices = [0.5, 2.5];
    let sent = super::Received::<V>::new(&V::head(), &prices);
    sender.send(sent.encoded()).unwrap();
    let found = receiver.recv().unwrap();
    assert_eq!(found.seen(), (wanted, &prices[..]));
}

#[test]
fn every_generation_reads_every_other() {
    macro_rules! all {
        ($($writer:ident)*) => {$( all!(@ $writer first second third fourth); )*};
        (@ $writer:ident $($reader:ident)*) => {$(
            check::<$writer::Quote, $reader::Quote, $writer::Book, $reader::Book>();
        )*};
    }
    all!(first second third fourth);
    for writer in [first::Book::SCHEMA, third::Book::SCHEMA] {
        for reader in [second::Book::SCHEMA, fourth::Book::SCHEMA] {
            crate::schema::compare(writer, reader).unwrap();
            crate::schema::compare(reader, writer).unwrap();
        }
    }
    assert_eq!(fourth::Quote::sample().seen().len(), DEFAULTS.len());
}

#[test]
fn a_bad_value_of_an_older_writer_is_found_and_its_unknown_fields_are_not_looked_at() {
    let (writer, reader) = pair();
    let mut sender = writer.split().0;
    // Newer: its `firm` is no field of ours.
    let mut receiver =
        Receiver::<second::Quote>::new(reader.split().1, Some(fourth::Quote::SCHEMA));
    let mut frame = fourth::Quote::sample().as_bytes().to_vec();
    frame[31] = 9;
    sender.send(&frame).unwrap();
    assert_eq!(receiver.recv().unwrap().number, 7);
    frame[16] = 9;
    sender.send(&frame).unwrap();
    let error = receiver.recv().unwrap_err().to_string();
    assert!(error.contains("field `price`"), "{error}");
    sender.send(&frame[..24]).unwrap();
    let error = receiver.recv().unwrap_err().to_string();
    assert!(
        error.contains("24 bytes, where 40 were expected"),
        "{error}"
    );
}

#[test]
fn what_a_writer_does_not_know_it_cannot_send() {
    let (writer, reader) = pair();
    let mut sender = writer.split().0;
    let nothing = super::Nothing::SCHEMA;
    let mut receiver = Receiver::<first::Quote>::new(reader.split().1, Some(nothing));
    sender.send(&[0; 8]).unwrap();
    let error = receiver.recv().unwrap_err().to_string();
    assert_eq!(error, "message `Quote`: kind 0 is not known");
}

#[derive(Clone, Copy, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[message(crate = "crate")]
#[repr(C)]
struct Grown {
    first: u8,
    #[message(since = 2)]
    _room: [u8; 65_535],
}

#[derive(Clone, Copy, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[message(crate = "crate")]
#[repr(C)]
struct Small {
    first: u8,
}

#[test]
fn a_short_frame_of_an_older_writer_does_not_take_all_memory() {
    let (writer, reader) = pair();
    let mut sender = writer.split().0;
    let mut receiver = Receiver::<Grown>::new(reader.split().1, Some(Small::SCHEMA));
    sender.send(&vec![7; (1 << 14) + 1]).unwrap();
    let error = receiver.recv_batch::<Grown>().err().unwrap().to_string();
    assert!(error.contains("16385 messages would take more"), "{error}");
    sender.send(&[7; 3]).unwrap();
    let batch = receiver.recv_batch::<Grown>().unwrap();
    assert_eq!(
        (batch.len(), batch.get(2).map(|grown| grown.first)),
        (3, Some(7))
    );
}

#[derive(Clone, Copy, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[message(crate = "crate")]
#[repr(C)]
struct Padded {
    first: u64,
    #[message(since = 2, default = true)]
    firm: bool,
    _pad: [u8; 7],
}

#[test]
fn padding_that_was_added_later_needs_no_words() {
    let pad = &Padded::RECORD.fields[2];
    assert_eq!((pad.since, &*pad.default), (2, &[0; 7][..]));
    assert_eq!(Padded::DEFAULT[8..], [1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_default_and_a_version_are_in_the_record() {
    let fields = &fourth::Quote::RECORD.fields;
    let found: Vec<_> = fields.iter().map(|f| (f.since, f.default.len())).collect();
    assert_eq!(found, [(1, 0), (2, 0), (3, 7), (3, 1), (4, 8)]);
    assert_eq!(*fields[4].default, (-1i64).to_le_bytes());
    assert_eq!(fourth::Book::RECORD.fields, *fields);
    const { assert!(<Maybe<f64> as Field>::ABSENT) };
}
