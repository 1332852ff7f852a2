//! `ringway send --json`, to typed listeners in this process.

mod support;

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::typed::{self, Enumeration, Maybe, Message, Messages, Nothing, Received, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use ringway::{Config, SendError};
use support::{Place, Running, config};

#[derive(
    Clone, Copy, Debug, PartialEq, Enumeration, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(u8)]
#[allow(dead_code, reason = "only the other process makes them")]
enum Side {
    Bid = 1,
    Ask = 2,
}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    symbol: Text<7>,
    side: Side,
    price: f64,
    #[message(since = 2, default = 100)]
    size: u64,
    #[message(since = 2)]
    limit: Maybe<u64>,
}

#[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Note {
    number: u64,
    words: str,
}

#[derive(Debug, Message)]
enum News {
    #[message(kind = 1)]
    Quote(Quote),
    #[message(kind = 7)]
    Note(Received<Note>),
}

/// What `M`'s listener got from a `send --json` with these options and this input; its code, and what it said.
fn sent<M: Messages + ?Sized>(options: &[&str], input: &str) -> (i32, String, Vec<String>)
where
    M::Received: std::fmt::Debug,
{
    let place = Place::new();
    let path = place.file("news");
    fs::write(place.file("input"), input).unwrap();
    let mut listener = typed::Listener::<Nothing, M>::bind_with(&config(), path.as_path()).unwrap();
    let arguments = [&["send", path.to_str().unwrap(), "--json"], options].concat();
    let input = File::open(place.file("input")).unwrap();
    let mut sender = Running::start(place.command("send", &arguments).stdin(input));
    let mut got = Vec::new();
    // It may end before it connects.
    let until = Instant::now() + Duration::from_secs(20);
    let connection = loop {
        assert!(Instant::now() < until, "nobody came and nobody ended");
        if let Some(connection) = listener.try_accept().unwrap() {
            break Some(connection);
        }
        if matches!(sender.child.try_wait(), Ok(Some(_))) {
            break listener.try_accept().unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    };
    if let Some(connection) = connection {
        let mut receiver = connection.split().1;
        loop {
            match receiver.recv() {
                Ok(message) => got.push(format!("{message:?}")),
                Err(error) => {
                    assert!(error.is_closed(), "{error}");
                    break;
                }
            }
        }
    }
    (sender.code(), place.words("send"), got)
}

const GOOD: &str = r#"{"symbol":"EURUSD","side":"Ask","price":1.17,"limit":7}"#;

#[test]
fn lines_become_messages() {
    let more = r#"{"price":"-inf","side":"Bid","symbol":"","size":"18446744073709551615"}"#;
    let (code, words, got) = sent::<Quote>(&[], &format!("{GOOD}\n\n{more}"));
    assert_eq!((code, got.len()), (0, 2), "{words}");
    for part in ["EURUSD", "Ask", "1.17", "size: 100", "7"] {
        assert!(got[0].contains(part), "{part}: {}", got[0]);
    }
    for part in ["Bid", "-inf", "18446744073709551615", "None"] {
        assert!(got[1].contains(part), "{part}: {}", got[1]);
    }
}

#[test]
fn a_line_that_is_no_message_is_told_and_what_was_before_it_is_sent() {
    for (bad, told) in [
        (
            r#"{"symbol":"X","side":"Ask","price":"dear"}"#,
            "field `price`: a text, where f64 is expected",
        ),
        (
            r#"{"symbol":"X","side":"Hold","price":1}"#,
            "field `side`: \"Hold\", where the name of a value of `Side` is expected: Bid, Ask",
        ),
        (
            r#"{"symbol":"X","side":"Ask","price":1,"sise":1}"#,
            "field `sise`: `Quote` has no such field",
        ),
        (
            r#"{"symbol":"X","side":"Ask"}"#,
            "field `price`: it is missing, and has no default",
        ),
        (
            r#"{"symbol":"X","side":"Ask","price":1,"size":-1}"#,
            "field `size`: -1 is out of the range of u64",
        ),
        ("{\"symbol\":", "this is no JSON: EOF"),
        ("{\"\\u001b[2J\":1}", "field `\\u{1b}[2J`"),
    ] {
        let (code, words, got) = sent::<Quote>(&[], &format!("{GOOD}\n\n{bad}\n{GOOD}\n"));
        assert_eq!((code, got.len()), (1, 1), "{bad}: {words}");
        assert!(
            words.contains("line 3: ") && words.contains(told),
            "{bad}: {words}"
        );
        assert!(words.contains("1 messages had been sent"), "{words}");
    }
}

#[test]
fn of_several_messages_the_line_or_an_option_names_one() {
    let note = r#"{"words":"größer","number":3}"#;
    let lines = format!("{{\"Note\":{note}}}\n{{\"Quote\":{GOOD}}}\n");
    let (code, words, got) = sent::<News>(&[], &lines);
    assert_eq!(code, 0, "{words}");
    assert!(
        got[0].contains("größer") && got[1].contains("EURUSD"),
        "{got:?}"
    );
    for kind in ["Note", "7"] {
        let (code, words, got) = sent::<News>(&["--kind", kind], note);
        assert_eq!((code, got.len()), (0, 1), "{words}");
    }
    let (code, words, _) = sent::<News>(&["--kind", "8"], note);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("it takes Quote (1), Note (7)"), "{words}");
    for bad in [note, "{\"Order\":{}}"] {
        let (code, words, _) = sent::<News>(&[], bad);
        assert_eq!(code, 1, "{words}");
        assert!(words.contains("it takes Quote (1), Note (7)"), "{words}");
    }
}

/// What is said when whoever listens takes no messages of ours.
fn refused(config: &Config) -> String {
    let place = Place::new();
    let path = place.file("other");
    let mut listener = config.bind(path.as_path()).unwrap();
    let over = AtomicBool::new(false);
    let code = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert!(listener.try_accept().unwrap().is_none());
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut command = place.command("send", &["send", path.to_str().unwrap(), "--json"]);
        let code = command.status().unwrap().code();
        over.store(true, Ordering::Relaxed);
        code
    });
    assert_eq!(code, Some(1));
    place.words("send")
}

#[test]
fn who_takes_no_messages_as_they_lie_in_memory_is_told_apart() {
    let words = refused(&config());
    assert!(
        words.contains("without a schema") && words.contains("without `--json`"),
        "{words}"
    );
    let words = refused(&config().codec(7));
    assert!(words.contains("codec 7"), "{words}");
    let words = refused(&config().expects(Nothing::SCHEMA.clone()));
    assert!(words.contains("takes no messages"), "{words}");
}

#[test]
fn a_listener_that_answers_each_message_is_never_waited_for_in_vain() {
    let place = Place::new();
    let path = place.file("answers");
    let line = format!("{GOOD}\n");
    fs::write(place.file("input"), line.repeat(2000)).unwrap();
    let mut listener =
        typed::Listener::<Quote, Quote>::bind_with(&config(), path.as_path()).unwrap();
    let input = File::open(place.file("input")).unwrap();
    // Both rings are full long before the input ends.
    let arguments = ["send", path.to_str().unwrap(), "--json", "--capacity", "4K"];
    let mut sender = Running::start(place.command("send", &arguments).stdin(input));
    let until = Instant::now() + Duration::from_secs(20);
    let mut connection = listener.accept_deadline(until).unwrap();
    let mut answered = 0;
    while let Ok(quote) = connection.receiver().recv() {
        for _ in 0..40 {
            match connection.sender().send_deadline(&quote, until) {
                Ok(()) => {}
                Err(SendError::TimedOut) => panic!("nobody reads what is answered"),
                // It has sent everything, and is gone.
                Err(_) => break,
            }
        }
        answered += 1;
    }
    assert_eq!(sender.code(), 0, "{}", place.words("send"));
    assert_eq!(answered, 2000);
}

#[test]
fn a_listener_that_goes_away_ends_it() {
    let place = Place::new();
    let path = place.file("leaves");
    let mut listener =
        typed::Listener::<Nothing, Quote>::bind_with(&config(), path.as_path()).unwrap();
    let arguments = ["send", path.to_str().unwrap(), "--json"];
    let mut command = place.command("send", &arguments);
    let mut sender = Running::start(command.stdin(std::process::Stdio::piped()));
    let until = Instant::now() + Duration::from_secs(20);
    let mut connection = listener.accept_deadline(until).unwrap();
    support::feed(&mut sender, format!("{GOOD}\n").as_bytes());
    connection.receiver().recv().unwrap();
    drop(connection);
    // Its input is silent, and open.
    assert_eq!(sender.code(), 4, "{}", place.words("send"));
    assert!(place.words("send").contains("1 messages had been sent"));
}

/// Messages that expire arrive like others; those that would not be read in time are left out, and counted.
#[test]
fn messages_may_expire() {
    let line = r#"{"symbol": "EURUSD", "side": "Bid", "price": 1.5}"#;
    let lines = format!("{line}\n{line}\n");
    let (code, words, got) = sent::<Quote>(&["--expires-in", "3600"], &lines);
    assert_eq!((code, words.as_str(), got.len()), (0, "", 2));
    let (code, words, got) = sent::<Quote>(&["--expires-in", "0"], &lines);
    assert_eq!((code, got.len()), (0, 0));
    assert!(words.contains("2 messages were not sent"), "{words}");
}

/// A listener with two priorities takes them; one with one says what it lacks.
#[test]
fn messages_go_at_the_priority_that_was_asked_for() {
    for (lanes, code) in [(4, 0), (1, 1)] {
        let place = Place::new();
        let path = place.file("prioritised");
        fs::write(place.file("input"), GOOD).unwrap();
        let config = config().lanes(lanes);
        let mut listener =
            typed::Listener::<Nothing, Quote>::bind_with(&config, path.as_path()).unwrap();
        let arguments = ["send", path.to_str().unwrap(), "--json", "--priority", "1"];
        let input = File::open(place.file("input")).unwrap();
        let mut sender = Running::start(place.command("send", &arguments).stdin(input));
        let until = Instant::now() + Duration::from_secs(20);
        let mut receiver = listener.accept_deadline(until).unwrap().split().1;
        let got = receiver.recv();
        assert_eq!(got.is_ok(), code == 0, "{got:?}");
        assert_eq!(receiver.last_priority(), usize::from(code == 0));
        drop(receiver);
        assert_eq!(sender.code(), code, "{}", place.words("send"));
        assert_eq!(place.words("send").contains("Config::lanes"), code == 1);
    }
}
