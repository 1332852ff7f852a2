//! The server's side of the handshake as a state machine: a listener at a real socket, and clients that say anything in any order, cut anywhere, with descriptors of any kind, and go at any
//! moment. It ends each with a rule that has a name, or serves it as it asked to be; it keeps nothing of theirs; and an honest client is served afterwards.

use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use super::hostile_client::{CLIENTS, Client, Clients, name};
use super::input::Input;
use super::speaker::{
    ORDERLY, SOON, Speaker, changed, gifts, is_closed, is_rule, keeps_nothing, soon,
};
use crate::connection::{Config, Connection, Listener};
use crate::error::ErrorKind;
use crate::hostile::{self, is_gone};
use crate::layout::handshake::Kind;

/// The most steps of an input.
const STEPS: usize = 48;

pub(super) fn run(bytes: &[u8]) {
    static FIRST: Once = Once::new();
    // Whatever is said, an honest client comes last.
    keeps_nothing((&FIRST, &[]), try_input, bytes);
}

fn try_input(bytes: &[u8]) {
    let path = name();
    // No input takes that long: nothing here depends on the clock.
    let config = Config::new().handshake_timeout(Duration::from_secs(600));
    let mut listener = config.bind(path.as_path()).expect("a listener");
    let mut clients = Clients::new(&path);
    let mut served = Vec::new();
    let mut input = Input::new(bytes);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let what = input.u8() % 16;
        match (what, clients.current()) {
            (0, _) => clients.come(),
            (1, _) => clients.choose(input.u8()),
            (2..=6, _) => step(&mut listener, &mut served),
            (7..=13, Some(client)) => speak(what, &mut client.speaker, &mut input),
            (14, Some(client)) => client.hear(),
            (15, _) => clients.leave(),
            _ => {}
        }
    }
    end(listener, clients, served, &path);
}

/// One move of the listener.
fn step(listener: &mut Listener, served: &mut Vec<Connection>) {
    served.extend(listener.try_accept().expect("a listener goes on"));
    if let Some(error) = listener.last_refusal() {
        let ours = [ErrorKind::UidRefused, ErrorKind::Busy].contains(&error.kind());
        // What we do not say of a client, it may say of itself.
        let own = [ErrorKind::Resources, ErrorKind::TimedOut];
        let says =
            error.to_string().starts_with("the client refused: ") && own.contains(&error.kind());
        assert!(says || ours || is_rule(error.kind()), "{error}");
    }
}

/// A client says something.
fn speak(what: u8, client: &mut Speaker, input: &mut Input<'_>) {
    match what {
        7 => client.say(&changed(hostile::hello(), input), &[]),
        8 => client.say(&changed(hostile::attach(), input), &ORDERLY),
        9 => {
            let gifts = gifts(input);
            client.say(&changed(hostile::attach(), input), &gifts);
        }
        10 => {
            let gifts = gifts(input);
            client.say(&changed(hostile::hello(), input), &gifts);
        }
        11 => {
            let length = usize::from(input.u8());
            client.say(input.bytes(length), &[]);
        }
        12 => {
            let whole = if input.flag() {
                hostile::hello()
            } else {
                hostile::attach()
            };
            client.say_cut(&whole, input.u8());
        }
        _ => client.say(&changed(hostile::refuse(5, "no more"), input), &[]),
    }
}

/// All clients go; nothing of theirs is kept, and an honest one is served.
fn end(mut listener: Listener, clients: Clients, mut served: Vec<Connection>, path: &Path) {
    let given = clients.end();
    // Each has a step, and those that were served one for each.
    for _ in 0..2 * CLIENTS + STEPS {
        step(&mut listener, &mut served);
    }
    // Where other tests run beside this, a child that one of them has forked has copies of the lines until it ends.
    let until = Instant::now() + SOON;
    while listener.handshakes() > 0 && Instant::now() < until {
        step(&mut listener, &mut served);
        std::thread::yield_now();
    }
    assert_eq!(listener.handshakes(), 0, "all are gone");
    served.clear();
    is_closed(&given);
    let mut honest = Client::new(path).expect("a listener listens");
    honest.speaker.say(&hostile::hello().0, &[]);
    step(&mut listener, &mut served);
    honest.hear();
    assert!(served.is_empty());
    honest.speaker.say(&hostile::attach().0, &ORDERLY);
    step(&mut listener, &mut served);
    honest.hear();
    assert_eq!(honest.heard, [Kind::Welcome as u8, Kind::Ready as u8]);
    assert_eq!(served.len(), 1, "an honest client is served");
    served.clear();
    soon("the line", || is_gone(&honest.speaker.line));
}
