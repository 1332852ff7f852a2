//! Several lanes, of a poller: who is to die sends groups in the first lane, large frames among small ones in the second, and what it has written in place in the third; it holds answers, goes back to them, and
//! lets its peer say goodbye first.

use ringway::{Connection, Event, Poller, Receiver, RecvError, Sender, Token};

use super::process::{Page, fork, mix};
use super::world::{COMMITTED, CONNECTED, ENDING, LANES, Role, Scene, World, config, soon};

/// Of each lane. A large frame has to fit.
const RING: usize = 1 << 17;
/// Such a frame is announced before it is committed.
const LARGE: u64 = 70 << 10;
/// How many exchanges end by themselves.
const EXCHANGES: u64 = 6;
/// Frames that become visible together.
const GROUP: u64 = 3;
/// The kind of the frame behind which its receiver says goodbye.
const LAST: u16 = 9;

/// Returns whether it died there; else it has ended well.
pub(crate) fn run(world: &mut World, scene: &Scene<'_>) -> bool {
    world.begin();
    let page = &world.page;
    let config = config(scene.seed)
        .lanes(LANES)
        .capacity(RING)
        .peer_capacity(RING);
    let (ours, theirs) = (world.survivor(), world.dead());
    let mut child = fork(|| {
        scene.die();
        let mut poller: Poller = Poller::new().unwrap();
        let token = match scene.role {
            Role::Client => {
                let connection = config.connect(ours.as_path()).unwrap();
                poller.add(connection).unwrap()
            }
            Role::Server => {
                let listener = config.bind(theirs.as_path()).unwrap();
                poller.listen(listener, |connection| connection).unwrap();
                match poller.event_deadline(soon()).unwrap() {
                    Some(Event::Connected(turn)) => turn.token(),
                    other => panic!("nobody connects: {other:?}"),
                }
            }
        };
        page.set(CONNECTED, 1);
        talk(&mut poller, token, scene.seed, page);
    });
    let found = scene.meet(
        (&config, &theirs),
        &mut world.listener,
        page,
        &mut child,
        |connection| listen(connection, scene),
    );
    let Some(((received, end), killed)) = found else {
        return true;
    };
    let all = scene.ends_by(end, page, killed);
    judge(scene, page, received, all);
    killed
}

fn judge(scene: &Scene<'_>, page: &Page, received: [u64; LANES], all: bool) {
    let groups = received[0] / GROUP;
    assert!(
        received[0] % GROUP == 0,
        "{scene:?}: half a group arrived: {received:?}"
    );
    for (lane, received) in received.into_iter().enumerate() {
        let committed = page.get(COMMITTED + lane);
        let more = if lane == 0 { GROUP } else { 1 };
        // The kill can fall between a commit and its note.
        let most = if all { committed } else { committed + more };
        assert!(
            (committed..=most).contains(&received),
            "{scene:?}: {received} frames arrived in lane {lane} where {committed} were committed"
        );
    }
    let commits = groups + received[1] + received[2];
    let expected = match scene.label {
        _ if all => commits,
        "ringway.commit-before" => scene.passage - 1,
        "ringway.commit-after" => scene.passage,
        _ => commits,
    };
    assert_eq!(
        commits, expected,
        "{scene:?}: frames arrived where others were committed"
    );
}

/// The payload of a frame.
fn payload(seed: u64, lane: usize, number: u64) -> Vec<u8> {
    let start = mix(seed ^ mix(number) ^ (lane as u64) << 60);
    let length = if lane == 1 && number % 3 == 1 {
        LARGE + start % 4000
    } else {
        8 + start % 300
    };
    let mut payload = vec![start as u8; length as usize];
    for (place, part) in payload.chunks_exact_mut(8).step_by(100).enumerate() {
        part.copy_from_slice(&mix(start ^ place as u64).to_ne_bytes());
    }
    payload
}

fn answer(lane: usize, number: u64) -> Vec<u8> {
    [lane as u64, number].map(u64::to_ne_bytes).concat()
}

/// What is to die.
fn talk(poller: &mut Poller, token: Token, seed: u64, page: &Page) {
    const THERE: &str = "the connection is there";
    let (mut sent, mut answered) = ([0; LANES], [0; LANES]);
    poller.get_mut(token).expect(THERE).receiver().hold(true);
    for exchange in 0..EXCHANGES {
        let sender = poller.get_mut(token).expect(THERE).sender();
        send(sender, seed, &mut sent, page);
        if exchange % 2 == 0 {
            // The other one sleeps by now.
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        while answered != sent {
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => take(turn.receiver(), &mut answered),
                other => panic!("no answer: {other:?}"),
            }
        }
    }
    let sender = poller.get_mut(token).expect(THERE).sender();
    let last = payload(seed, 2, sent[2]);
    sender.at(2).unwrap().send_kind(LAST, &last).unwrap();
    page.set(COMMITTED + 2, sent[2] + 1);
    page.set(ENDING, 1);
    match poller.event_deadline(soon()).unwrap() {
        Some(Event::Ended(ended)) => assert_eq!(ended.end, RecvError::Closed),
        other => panic!("no goodbye: {other:?}"),
    }
}

fn send(sender: &mut Sender, seed: u64, sent: &mut [u64; LANES], page: &Page) {
    let mut group = sender.group();
    for _ in 0..GROUP {
        group.send(&payload(seed, 0, sent[0])).unwrap();
        sent[0] += 1;
    }
    group.publish();
    page.set(COMMITTED, sent[0]);
    for _ in 0..2 {
        let frame = payload(seed, 1, sent[1]);
        sender.at(1).unwrap().send(&frame).unwrap();
        sent[1] += 1;
        page.set(COMMITTED + 1, sent[1]);
    }
    let frame = payload(seed, 2, sent[2]);
    let mut sender = sender.at(2).unwrap();
    let mut place = sender.reserve(frame.len()).unwrap();
    place.copy_from_slice(&frame);
    place.commit();
    sent[2] += 1;
    page.set(COMMITTED + 2, sent[2]);
}

/// Takes the answers that are there, goes back, and takes them again.
fn take(receiver: &mut Receiver, answered: &mut [u64; LANES]) {
    for back in [true, false] {
        let mut read = *answered;
        loop {
            match receiver.try_recv() {
                Ok(frame) => {
                    let lane = frame.priority();
                    assert_eq!(frame.to_vec(), answer(lane, read[lane]));
                    read[lane] += 1;
                }
                Err(RecvError::Empty) => break,
                Err(error) => panic!("{error}"),
            }
        }
        if back {
            receiver.rewind();
        } else {
            receiver.release();
            *answered = read;
        }
    }
}

/// The survivor: checks and answers each frame, until the end. Returns how many there were, and the end.
fn listen(connection: Connection, scene: &Scene<'_>) -> ([u64; LANES], RecvError) {
    let (sender, mut receiver) = connection.split();
    let mut sender = Some(sender);
    let mut received = [0; LANES];
    let end = loop {
        let (lane, kind) = match receiver.recv_deadline(soon()) {
            Ok(frame) => {
                let lane = frame.priority();
                assert!(
                    frame.to_vec() == payload(scene.seed, lane, received[lane]),
                    "{scene:?}: frame {} of lane {lane} is not what was sent, or comes twice",
                    received[lane]
                );
                (lane, frame.kind())
            }
            Err(error) => break error,
        };
        let answer = answer(lane, received[lane]);
        received[lane] += 1;
        if kind == LAST {
            sender = None;
        }
        // Whoever is dead has no use for it: what it sent before is still to be read.
        if let Some(mut at) = sender.as_mut().and_then(|it| it.at(lane).ok()) {
            let _ = at.send_deadline(&answer, soon());
        }
    };
    let again = receiver.recv_deadline(soon()).map(drop);
    assert_eq!(again, Err(end), "{scene:?}: the end is final");
    (received, end)
}
