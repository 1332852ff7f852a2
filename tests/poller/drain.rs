//! A server that stops in order under load, with nobody to take its place: nobody new is let in, what was sent is answered, and then it says goodbye. Done with what every program has: a word of
//! its own that no more is taken (a kind of frame here), `Poller::stop`, and dropping a connection.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Event, Poller, RecvError, SendError, Token, Turn};

use crate::process::alone;
use crate::server::{path, soon};

/// The kind of the word that the server takes no more.
const NO_MORE: u16 = 7;
/// So many answers, and then it stops.
const ENOUGH: u64 = 20_000;
/// Clients that ask, of which these go on asking whatever they are told.
const ASKERS: usize = 6;
const HEEDLESS: usize = 2;

fn config() -> Config {
    let config = Config::new().capacity(1 << 14).peer_capacity(1 << 14);
    config.handshake_timeout(Duration::from_secs(30))
}

/// What a client has seen: what it sent, what was answered, in order, and how it ended.
#[derive(Debug)]
struct Seen {
    heeds: bool,
    told: bool,
    sent: u64,
    answered: u64,
    end: RecvError,
}

/// Sends numbers, as many as there is room for, and counts the answers. Who heeds the word sends nothing behind it, and says so by its own goodbye.
fn ask(path: &Path, heeds: bool) -> Seen {
    let (sender, mut receiver) = config().connect(path).unwrap().split();
    let mut sender = Some(sender);
    let (mut sent, mut answered, mut told) = (0u64, 0u64, false);
    let end = loop {
        while let Some(half) = &mut sender {
            match half.try_send(&sent.to_le_bytes()) {
                Ok(()) => sent += 1,
                Err(SendError::Full) => break,
                // The receiver says how it ended, behind the last answer.
                Err(SendError::Closed) => sender = None,
                Err(error) => panic!("{error}"),
            }
        }
        match receiver.recv_deadline(soon()) {
            Ok(frame) if frame.kind() == NO_MORE => {
                told = true;
                drop(frame);
                if heeds {
                    sender = None;
                }
            }
            Ok(frame) => {
                assert_eq!(frame.to_vec(), answered.to_le_bytes());
                answered += 1;
            }
            Err(error) => break error,
        }
    };
    Seen {
        heeds,
        told,
        sent,
        answered,
        end,
    }
}

/// Comes and goes, until it is let in no more. Returns why, in words.
fn come_and_go(path: &Path) -> (ErrorKind, String) {
    loop {
        match config().connect(path) {
            Ok(connection) => drop(connection),
            Err(error) => return (error.kind(), error.to_string()),
        }
    }
}

/// Answers what there is for one turn. Returns how many answers that were.
fn answer(turn: &mut Turn<'_, Connection>) -> u64 {
    let mut answers = 0;
    while turn.more() {
        let (sender, receiver) = turn.halves();
        let request = receiver.recv().unwrap().to_vec();
        // A client that reads nothing more has gone, and is told of by itself.
        if sender.send_deadline(&request, soon()).is_err() {
            break;
        }
        answers += 1;
    }
    answers
}

/// Serves until it has answered enough, of each who asks, and stops in order. Returns how many it has answered.
fn serve(poller: &mut Poller, door: Token) -> u64 {
    let (mut answers, mut asked) = (0, Vec::new());
    while answers < ENOUGH || asked.len() < ASKERS {
        if let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() {
            let (token, here) = (turn.token(), answer(&mut turn));
            if here > 0 && !asked.contains(&token) {
                asked.push(token);
            }
            answers += here;
        }
    }
    // Nobody else is let in.
    assert!(poller.stop(door));
    let tokens: Vec<Token> = poller.tokens().collect();
    for token in tokens {
        let sender = poller.get_mut(token).unwrap().sender();
        match sender.send_kind_deadline(NO_MORE, b"", soon()) {
            // Who comes and goes may have gone.
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    // Those who heed it end by themselves, when all that they had sent is answered. For how long it bears with the others a server decides.
    let (limit, mut patience) = (soon(), None);
    while patience.is_none_or(|patience| Instant::now() < patience) {
        if poller.len() <= HEEDLESS && patience.is_none() {
            patience = Some(Instant::now() + Duration::from_millis(20));
        }
        match poller.event_deadline(patience.unwrap_or(limit)).unwrap() {
            Some(Event::Ready(mut turn)) => answers += answer(&mut turn),
            // Dropped here, which is the goodbye.
            Some(Event::Ended(ended)) => assert_eq!(ended.end, RecvError::Closed),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
        assert!(
            Instant::now() < limit,
            "{} have not heeded it",
            poller.len()
        );
    }
    answers
}

#[test]
fn a_server_that_stops_under_load_answers_all_that_it_took_and_says_goodbye() {
    let name = "drain::a_server_that_stops_under_load_answers_all_that_it_took_and_says_goodbye";
    alone(name, Duration::from_secs(120), || {
        let path = path("drain");
        let mut poller: Poller = Poller::new().unwrap();
        let listener = config().bind(path.as_path()).unwrap();
        let door = poller.listen(listener, |connection| connection).unwrap();
        let path = path.as_path();
        let (handled, seen, refused) = thread::scope(|scope| {
            let clients: Vec<_> = (0..ASKERS)
                .map(|number| scope.spawn(move || ask(path, number >= HEEDLESS)))
                .collect();
            let comers: Vec<_> = (0..2).map(|_| scope.spawn(|| come_and_go(path))).collect();
            let handled = serve(&mut poller, door);
            // Goodbye to who goes on.
            drop(poller);
            let seen: Vec<Seen> = clients.into_iter().map(|one| one.join().unwrap()).collect();
            let refused: Vec<_> = comers.into_iter().map(|one| one.join().unwrap()).collect();
            (handled, seen, refused)
        });
        for one in &seen {
            assert_eq!(one.end, RecvError::Closed, "{one:?}");
            assert!(one.told, "{one:?}");
            if one.heeds {
                assert_eq!(one.answered, one.sent, "{one:?}");
            } else {
                assert!(one.answered <= one.sent, "{one:?}");
            }
        }
        // Nothing that it had taken is without an answer.
        let answered: u64 = seen.iter().map(|one| one.answered).sum();
        assert_eq!(answered, handled);
        for (kind, words) in refused {
            let known = matches!(kind, ErrorKind::NotFound | ErrorKind::PeerGone);
            assert!(known, "{kind:?}: {words}");
            println!("{kind:?}: {words}");
        }
        assert!(!path.exists());
        println!("{seen:?}");
    });
}
