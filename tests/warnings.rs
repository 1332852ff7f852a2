//! With the feature `tracing`, each deprecated field is warned of once in the life of the process.
#![cfg(all(feature = "derive", feature = "tracing"))]

use std::fmt::Debug;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ringway::Config;
use ringway::typed::{self, Maybe, Message, Messages, Nothing};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

mod old {
    use super::*;

    #[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    pub(super) struct Quote {
        #[message(deprecated = "use price,\nnot cents")]
        pub(super) cents: u64,
        pub(super) number: u64,
    }
}

mod new {
    use super::*;

    /// `number` is deprecated here alone, `last` is known here alone.
    #[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    pub(super) struct Quote {
        pub(super) cents: u64,
        #[message(deprecated = "use place")]
        pub(super) number: u64,
        #[message(since = 2, deprecated = "nobody hears of it")]
        pub(super) last: Maybe<u64>,
    }
}

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what it is told.
struct Log;

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::WARN);
        let mut words = Words(String::new());
        event.record(&mut words);
        TOLD.lock().unwrap().push(words.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is told while a connection is made from the one to the other.
fn told<W: Messages, R: Messages>() -> (Vec<String>, [usize; 2]) {
    let path = std::env::temp_dir().join(format!("ringway-warnings-{}", std::process::id()));
    // A handshake with a thread that may be stalled for seconds is waited for.
    let config = Config::new().handshake_timeout(Duration::from_secs(20));
    let mut listener = typed::Listener::<Nothing, R>::bind_with(&config, path.as_path()).unwrap();
    let found = thread::scope(|scope| {
        let client =
            scope.spawn(|| typed::connect_with::<W, Nothing>(&config, path.as_path()).unwrap());
        let soon = Instant::now() + Duration::from_secs(30);
        let mut server = listener.accept_deadline(soon).unwrap();
        let mut client = client.join().unwrap();
        [client.deprecated().len(), server.deprecated().len()]
    });
    let mut told = std::mem::take(&mut *TOLD.lock().unwrap());
    told.sort();
    (told, found)
}

#[test]
fn each_field_that_both_use_is_warned_of_once() {
    tracing::subscriber::set_global_default(Log).unwrap();
    // Each side hears of what either has marked, and both are in this process.
    let (words, found) = told::<old::Quote, new::Quote>();
    assert_eq!(
        words,
        [
            "field `cents` of `Quote` is deprecated: use price, not cents",
            "field `number` of `Quote` is deprecated: use place"
        ]
    );
    assert_eq!(found, [2, 2]);
    // Another connection is no news, except for what only the new ones have.
    assert_eq!(told::<old::Quote, new::Quote>(), (Vec::new(), [2, 2]));
    let (words, found) = told::<new::Quote, new::Quote>();
    assert_eq!(
        words,
        ["field `last` of `Quote` is deprecated: nobody hears of it"]
    );
    assert_eq!(found, [2, 2]);
    assert_eq!(told::<new::Quote, new::Quote>().0, Vec::<String>::new());
}
