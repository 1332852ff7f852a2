//! A poller with a listener, and clients that keep no rule: they say anything in their handshakes, write any word of their segments at any moment, between two looks of a turn too, spoil the bells that they were
//! given, and go. No call waits, each client ends with a rule that has a name or is gone, nothing of theirs is kept, and an honest client is served afterwards.

use std::io::Write;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use super::hostile_client::{CLIENTS, Client, Clients, name};
use super::input::Input;
use super::speaker::{ORDERLY, SOON, Speaker, changed, gifts, is_closed, keeps_nothing, soon};
use crate::connection::{Config, Connection, RecvError};
use crate::hostile::{self, FRAME, Segment, Spoil, is_gone};
use crate::layout::handshake::Kind;
use crate::poller::{Event, Poller, Token, Turn};

/// The most steps of an input.
const STEPS: usize = 64;
/// The most frames in a turn.
const BUDGET: u8 = 4;
/// Bytes of an answer: a ring has room for some of them.
const ANSWER: usize = 1000;

pub(super) fn run(bytes: &[u8]) {
    static FIRST: Once = Once::new();
    // Whatever is done, an honest client comes last.
    keeps_nothing((&FIRST, &[]), try_input, bytes);
}

fn try_input(bytes: &[u8]) {
    let path = name();
    // No input takes that long: nothing here depends on the clock.
    let config = Config::new().handshake_timeout(Duration::from_secs(600));
    let listener = config.bind(path.as_path()).expect("a listener");
    let mut poller = Poller::new().expect("a poller");
    let mut input = Input::new(bytes);
    let budget = 1 + input.u8() % BUDGET;
    poller.budget(budget.into());
    let door = poller.listen(listener, |made| made).expect("it listens");
    let mut clients = Clients::new(&path);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let what = input.u8() % 16;
        match (what, clients.current()) {
            (0, _) => clients.come(),
            (1, _) => clients.choose(input.u8()),
            (2..=4, client) => event(
                &mut poller,
                budget,
                client.map(|it| &it.speaker),
                &mut input,
            ),
            (5, _) => drop(poller.arm().expect("it can be waited for")),
            (6..=13, Some(client)) => does(what, client, &mut input),
            (14, Some(client)) => client.hear(),
            (15, _) => clients.leave(),
            _ => {}
        }
    }
    let given = clients.end();
    ends(&mut poller, budget, door);
    is_closed(&given);
    serves_an_honest_one(&mut poller, &path);
}

/// A client does something.
fn does(what: u8, client: &mut Client, input: &mut Input<'_>) {
    let speaker = &mut client.speaker;
    match what {
        6 => speaker.say(&changed(hostile::hello(), input), &[]),
        7 => attach(speaker, &changed(hostile::attach(), input)),
        8 => {
            let gifts = gifts(input);
            speaker.say(&changed(hostile::attach(), input), &gifts);
        }
        9 => match input.u8() {
            length @ 0..128 => speaker.say(input.bytes(length.into()), &[]),
            number => {
                let how = Spoil::ALL[usize::from(number) % Spoil::ALL.len()];
                for bell in speaker.offered.iter().skip(1) {
                    how.spoil(bell);
                }
            }
        },
        _ => speaker.write(input),
    }
}

fn attach(speaker: &mut Speaker, bytes: &[u8]) {
    speaker.own = Some(Segment::new(1));
    speaker.say(bytes, &ORDERLY);
}

/// Takes an event of the poller, if there is one. `client` writes meanwhile.
fn event(poller: &mut Poller, budget: u8, client: Option<&Speaker>, input: &mut Input<'_>) {
    match poller.try_event().expect("a poller goes on") {
        Some(Event::Connected(turn) | Event::Ready(turn)) => serve(turn, budget, client, input),
        Some(Event::Ended(ended)) => {
            let end = ended.end;
            assert!(
                matches!(
                    end,
                    RecvError::Closed | RecvError::PeerClosed | RecvError::Protocol(_)
                ),
                "{end}"
            );
        }
        Some(Event::Stalled { error, .. }) => panic!("{error}"),
        None => {}
    }
}

fn serve(
    mut turn: Turn<'_, Connection>,
    budget: u8,
    client: Option<&Speaker>,
    input: &mut Input<'_>,
) {
    let mut frames = 0;
    let bits = input.u8();
    while turn.more() {
        frames += 1;
        assert!(frames <= budget, "a turn has its budget");
        if let Some(client) = client.filter(|_| bits & 1 != 0) {
            client.write(input);
        }
        let until = Instant::now() + SOON;
        let (sender, receiver) = turn.halves();
        match receiver.recv_deadline(until).map(|frame| frame.to_vec()) {
            Ok(_) => {}
            Err(RecvError::Protocol(_)) => break,
            Err(other) => panic!("a frame was there, and then: {other}"),
        }
        if bits & 2 != 0 && sender.try_send(&[0; ANSWER]).is_err() {
            turn.until_room(ANSWER);
            break;
        }
    }
    if bits & 4 != 0 {
        turn.until_room(usize::from(input.u8()));
    }
}

/// All clients are gone, and their handshakes with them. That a line was closed without a goodbye is told when it is 200 ms old, which no input waits for: those whose end was not told leave.
fn ends(poller: &mut Poller, budget: u8, door: Token) {
    let until = Instant::now() + SOON;
    let handshakes = |poller: &mut Poller| {
        event(poller, budget, None, &mut Input::new(&[]));
        let listener = poller.listener(door).expect("it listens");
        listener.handshakes()
    };
    for _ in 0..4 * CLIENTS {
        handshakes(poller);
    }
    while handshakes(poller) > 0 {
        assert!(Instant::now() < until, "a client that has gone is held");
        std::thread::yield_now();
    }
    let left: Vec<_> = poller.tokens().collect();
    for token in left {
        drop(poller.remove(token));
    }
    assert!(poller.is_empty());
}

fn serves_an_honest_one(poller: &mut Poller, path: &Path) {
    let mut honest = Client::new(path).expect("a listener listens");
    honest.speaker.say(&hostile::hello().0, &[]);
    hears(poller, &mut honest, &[Kind::Welcome]);
    attach(&mut honest.speaker, &hostile::attach().0);
    hears(poller, &mut honest, &[Kind::Welcome, Kind::Ready]);
    let own = honest.speaker.own.as_ref().expect("it has attached");
    own.ring(0, FRAME | 16);
    let mut bell = std::fs::File::from(honest.speaker.offered.remove(1));
    bell.write_all(&1u64.to_ne_bytes()).expect("a bell");
    let until = Instant::now() + SOON;
    let token = loop {
        assert!(Instant::now() < until, "an honest client is not served");
        let Some(Event::Ready(mut turn)) = poller.try_event().expect("a poller goes on") else {
            continue;
        };
        assert!(turn.more(), "it asked for nothing else");
        let length = turn.receiver().try_recv().map(|frame| frame.len());
        assert_eq!(length, Ok(16));
        break turn.token();
    };
    let line = honest.speaker.line;
    drop(poller.remove(token));
    soon("the line", || is_gone(&line));
}

/// Until the client has heard that.
fn hears(poller: &mut Poller, client: &mut Client, all: &[Kind]) {
    let until = Instant::now() + SOON;
    while client.heard.len() < all.len() {
        assert!(Instant::now() < until, "an honest client is not answered");
        event(poller, BUDGET, None, &mut Input::new(&[]));
        client.hear();
    }
    let all: Vec<u8> = all.iter().map(|kind| *kind as u8).collect();
    assert_eq!(client.heard, all);
}
