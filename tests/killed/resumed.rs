//! A connection that can be resumed. A server dies, and the next one is sent again what it had not finished with; or the client dies while it resumes.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use ringway::{Config, Connection, RecvError, Redelivery, SendError};

use super::process::{Page, fork};
use super::record::{self, Record};
use super::world::{
    COMMITTED, CONNECTED, ENDING, Scene, World, accept, config, connect, has_ended, soon,
};

const LANES: usize = 2;
/// Frames of each lane.
const FRAMES: u64 = 10;
/// So many may be without an answer.
const AHEAD: u64 = 3;

fn resumable(seed: u64) -> Config {
    config(seed).resumable(true).lanes(LANES)
}

fn payload(lane: usize, number: u64) -> [u8; 16] {
    let mut payload = [0; 16];
    payload[..8].copy_from_slice(&(lane as u64).to_ne_bytes());
    payload[8..].copy_from_slice(&number.to_ne_bytes());
    payload
}

fn read(bytes: &[u8]) -> (usize, u64) {
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(bytes.len(), 16, "what was sent");
    (word(0) as usize, word(8))
}

/// The server dies. What it and the next one have handled is all that was sent, and nothing twice that was not said to be in doubt.
pub(crate) fn server(world: &mut World, scene: &Scene<'_>) -> bool {
    world.begin();
    let (page, pipe) = (&world.page, &world.records);
    let config = resumable(scene.seed);
    let path = world.dead();
    let mut first = fork(|| {
        scene.die();
        serve(&config, &path, scene.seed, 0, pipe, page);
    });
    let Some(mut lost) = connect(&config, &path, &first) else {
        let connected = page.get(CONNECTED) == 1;
        assert!(
            scene.reap(&mut first) && !connected,
            "{scene:?}: no connection came"
        );
        return true;
    };
    let mut client = Client::default();
    if client.drive(&mut lost) {
        drop(lost);
        let killed = scene.reap(&mut first);
        check(world, scene, &client, 0);
        return killed;
    }
    assert!(scene.reap(&mut first), "{scene:?}: it lives");
    let end = lost.receiver().try_recv().map(drop);
    assert_eq!(end, Err(RecvError::PeerDied), "{scene:?}: the end is final");
    let mut second = fork(|| serve(&config, &path, scene.seed + 1, 1, pipe, page));
    let resumed = config.resume(path.as_path(), lost, soon());
    let resumed = resumed.unwrap_or_else(|error| panic!("{scene:?}: {error}"));
    for lane in &resumed.redelivered {
        assert_eq!(lane.broken, None, "{scene:?}");
    }
    let in_doubt = resumed.in_doubt();
    let mut connection = resumed.connection;
    let all = client.drive(&mut connection);
    drop(connection);
    assert_eq!(second.reap(), 0, "{scene:?}: the next server");
    assert!(all, "{scene:?}: the next server ends");
    check(world, scene, &client, in_doubt);
    true
}

fn check(world: &World, scene: &Scene<'_>, client: &Client, in_doubt: u64) {
    // It has been answered, by whichever server.
    let answered = client.answered.len() as u64;
    assert_eq!(answered, client.sent.iter().sum(), "{scene:?}");
    let records = world.read();
    let summary = record::check(&records, &client.sent);
    assert!(summary.again <= in_doubt, "{scene:?}: {summary:?}");
}

/// Handles what comes until the client closes: each frame is noted first, then answered, then done with.
fn serve(config: &Config, path: &Path, way: u64, server: u64, pipe: &File, page: &Page) {
    let mut listener = config.bind(path).unwrap();
    let mut connection = listener.accept_deadline(soon()).unwrap();
    page.set(CONNECTED, 1);
    let (sender, receiver) = connection.halves();
    let held = way % 3 == 2;
    receiver.hold(held);
    let note = |frame: (usize, u64), position, redelivery| {
        let record = Record {
            server,
            lane: frame.0 as u64,
            number: frame.1,
            position,
            redelivery: record::number(redelivery),
            at: record::now(),
        };
        record.write(pipe);
    };
    let mut buffer = [0; 16];
    for count in 0.. {
        let end = if way % 3 == 0 {
            receiver.recv_into_deadline(&mut buffer, soon()).map(|_| {
                note(read(&buffer), 0, receiver.last_redelivery());
                // Nobody may be there any more.
                let _ = sender.send(&buffer);
            })
        } else {
            receiver.recv_deadline(soon()).map(|frame| {
                buffer.copy_from_slice(&frame.to_vec());
                note(read(&buffer), 0, frame.redelivery());
                let _ = sender.send(&buffer);
            })
        };
        match end {
            Ok(()) => {}
            Err(RecvError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
        if held && count % 2 == 0 {
            receiver.release();
            // Looked at, and left for later.
            let _ = receiver.try_recv().map(drop);
            receiver.rewind();
        }
    }
}

/// What a client has done.
#[derive(Default)]
struct Client {
    sent: [u64; LANES],
    answered: HashSet<(usize, u64)>,
}

impl Client {
    /// Sends what is left, and waits for the last answer. `false`: the server has died, and all that it had sent is there.
    fn drive(&mut self, connection: &mut Connection) -> bool {
        loop {
            let sent: u64 = self.sent.iter().sum();
            let (mut behind, mut died) = (0, false);
            if sent < FRAMES * LANES as u64 {
                behind = AHEAD;
                let lane = (sent % LANES as u64) as usize;
                let frame = payload(lane, self.sent[lane]);
                match connection.sender().at(lane).unwrap().send(&frame) {
                    Ok(()) => self.sent[lane] += 1,
                    Err(SendError::PeerDied) => died = true,
                    Err(error) => panic!("{error}"),
                }
            }
            let sent: u64 = self.sent.iter().sum();
            while died || self.answered.len() as u64 + behind < sent {
                let answer = connection.receiver().recv_deadline(soon());
                match answer.map(|frame| read(&frame.to_vec())) {
                    Ok(frame) => self.answered.insert(frame),
                    Err(RecvError::PeerDied) => return false,
                    Err(error) => panic!("{error}"),
                };
            }
            if behind == 0 {
                return true;
            }
        }
    }
}

/// The client dies, most of the time while it resumes. The next server is sent all of a lane again, or nothing, and told of each frame what is true.
pub(crate) fn client(world: &mut World, scene: &Scene<'_>) -> bool {
    world.begin();
    let page = &world.page;
    let config = resumable(scene.seed);
    let ours = world.survivor();
    let mut child = fork(|| {
        scene.die();
        let mut connection = config.connect(ours.as_path()).unwrap();
        send(&mut connection, 0..FRAMES, page);
        page.set(CONNECTED, 1);
        let end = connection.receiver().recv_deadline(soon()).map(drop);
        assert_eq!(end, Err(RecvError::Closed));
        let resumed = config.resume(ours.as_path(), connection, soon());
        let mut connection = resumed.unwrap().connection;
        page.set(ENDING, 1);
        send(&mut connection, FRAMES..FRAMES + 2, page);
    });
    let Some(mut first) = accept(&mut world.listener, &child) else {
        assert!(scene.reap(&mut child), "{scene:?}: no connection came");
        return true;
    };
    let until = soon();
    while page.get(CONNECTED) == 0 && !has_ended(&child) {
        assert!(std::time::Instant::now() < until, "{scene:?}: it hangs");
        std::thread::sleep(std::time::Duration::from_micros(20));
    }
    let mut seen = Seen::default();
    if page.get(CONNECTED) == 0 {
        let end = seen.receive(&mut first, u64::MAX);
        assert!(scene.reap(&mut child), "{scene:?}: it lives");
        assert_eq!(end, Some(RecvError::PeerDied), "{scene:?}");
        seen.judge(scene, page, [0; LANES], 0..=0);
        return true;
    }
    first.receiver().hold(true);
    seen.receive(&mut first, 2);
    first.receiver().release();
    let released = seen.numbers();
    seen.receive(&mut first, 1);
    let taken = seen.numbers();
    drop(first);
    let Some(mut second) = accept(&mut world.listener, &child) else {
        let resumed = page.get(ENDING) == 1;
        assert!(
            scene.reap(&mut child) && !resumed,
            "{scene:?}: no server came"
        );
        return true;
    };
    let mut again = Seen::default();
    let end = again.receive(&mut second, u64::MAX);
    let killed = scene.reap(&mut child);
    let expected = [RecvError::Closed, RecvError::PeerDied][usize::from(killed)];
    assert!(
        end == Some(expected) || end == Some(RecvError::Closed) && page.get(ENDING) == 1,
        "{scene:?}: {end:?}"
    );
    let lanes = match scene.label {
        _ if page.get(ENDING) == 1 => LANES..=LANES,
        "ringway.resume-connected" => 0..=0,
        // The copies of this lane lie in the ring, and nobody can see them.
        "ringway.resume-carried" => {
            let before = scene.passage as usize - 1;
            before..=before
        }
        "ringway.resume-after" => LANES..=LANES,
        _ => 0..=LANES,
    };
    again.say(scene, released, taken);
    again.judge(scene, page, released, lanes);
    killed
}

fn send(connection: &mut Connection, numbers: std::ops::Range<u64>, page: &Page) {
    for number in numbers {
        for lane in 0..LANES {
            // A server that has closed meanwhile is sent it again.
            let mut sender = connection.sender().at(lane).unwrap();
            sender.send(&payload(lane, number)).unwrap();
            page.set(COMMITTED + lane, number + 1);
        }
    }
}

/// Frames that a server was handed, of each lane.
#[derive(Default)]
struct Seen([Vec<(u64, Redelivery)>; LANES]);

impl Seen {
    /// So many frames, or until the end.
    fn receive(&mut self, connection: &mut Connection, most: u64) -> Option<RecvError> {
        for _ in 0..most {
            match connection.receiver().recv_deadline(soon()) {
                Ok(frame) => {
                    let (lane, number) = read(&frame.to_vec());
                    assert_eq!(lane, frame.priority());
                    self.0[lane].push((number, frame.redelivery()));
                }
                Err(error) => return Some(error),
            }
        }
        None
    }

    fn numbers(&self) -> [u64; LANES] {
        std::array::from_fn(|lane| self.0[lane].len() as u64)
    }

    /// What is said of each frame: the last server had finished with those before `released`, and had been handed those before `taken`.
    fn say(&self, scene: &Scene<'_>, released: [u64; LANES], taken: [u64; LANES]) {
        for (lane, frames) in self.0.iter().enumerate() {
            for (number, said) in frames {
                let expected = match *number {
                    number if number >= FRAMES => Redelivery::First,
                    number if number >= taken[lane] => Redelivery::Unseen,
                    _ => Redelivery::InDoubt,
                };
                assert!(
                    *number >= released[lane] && *said == expected,
                    "{scene:?}: frame {number} of lane {lane} is called {said:?}, of which {released:?} were released and {taken:?} taken"
                );
            }
        }
    }

    /// In order, from `start` on; of what was sent again, in so many lanes, all.
    fn judge(
        &self,
        scene: &Scene<'_>,
        page: &Page,
        start: [u64; LANES],
        again: std::ops::RangeInclusive<usize>,
    ) {
        let first = page.get(CONNECTED) == 0;
        let mut lanes = 0;
        for (lane, frames) in self.0.iter().enumerate() {
            for (at, (number, _)) in frames.iter().enumerate() {
                assert_eq!(*number, start[lane] + at as u64, "{scene:?}: lane {lane}");
            }
            let end = start[lane] + frames.len() as u64;
            let committed = page.get(COMMITTED + lane);
            if !first && frames.is_empty() {
                continue;
            }
            lanes += usize::from(!first);
            // The kill can fall between a commit and its note.
            assert!(
                (committed..=committed + 1).contains(&end),
                "{scene:?}: {end} frames of lane {lane} where {committed} were committed"
            );
        }
        assert!(
            again.contains(&lanes),
            "{scene:?}: {lanes} lanes were sent again, and not {again:?}"
        );
    }
}
