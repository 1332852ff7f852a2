//! One lane: who is to die sends one to three frames at a time, copied and in place, and takes as many answers.

use std::time::Duration;

use ringway::{Connection, RecvError};

use super::process::{Frames, Page, fork};
use super::world::{COMMITTED, CONNECTED, ENDING, Role, Scene, World, config, soon};

/// The largest frame.
const MOST: usize = 700;
/// How many exchanges end by themselves: it comes to each label more than five times in them, save the handshake's and the goodbye's.
const EXCHANGES: u64 = 12;

/// Returns whether it died there; else it has ended well.
pub(crate) fn run(world: &mut World, scene: &Scene<'_>) -> bool {
    world.begin();
    let page = &world.page;
    let config = config(scene.seed);
    let (ours, theirs) = (world.survivor(), world.dead());
    let mut child = fork(|| {
        scene.die();
        let connection = match scene.role {
            Role::Client => config.connect(ours.as_path()).unwrap(),
            Role::Server => {
                let mut listener = config.bind(theirs.as_path()).unwrap();
                listener.accept_deadline(soon()).unwrap()
            }
        };
        page.set(CONNECTED, 1);
        talk(connection, scene.seed, page);
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
    let committed = page.get(COMMITTED);
    let all = scene.ends_by(end, page, killed);
    let expected = match scene.label {
        _ if all => committed..=committed,
        "ringway.commit-before" => scene.passage - 1..=scene.passage - 1,
        "ringway.commit-after" => scene.passage..=scene.passage,
        // The kill can fall between a commit and its note.
        _ => committed..=committed + 1,
    };
    assert!(
        expected.contains(&received),
        "{scene:?}: {received} frames arrived where {expected:?} were committed"
    );
    killed
}

/// What the one does that is to die: it sends one to three frames, copied and in place, and takes as many answers.
fn talk(mut connection: Connection, seed: u64, page: &Page) {
    let (mut frames, mut answers) = (Frames::new(seed, MOST), Frames::new(!seed, MOST));
    let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
    for exchange in 0..EXCHANGES {
        let burst = 1 + (seed.wrapping_add(exchange)) % 3;
        if seed / 4 % 2 == 0 {
            // The other one sleeps by now.
            std::thread::sleep(Duration::from_micros(50));
        }
        for _ in 0..burst {
            frames.next(&mut frame);
            if frames.sequence % 2 == 0 {
                connection.sender().send(&frame).unwrap();
            } else {
                let mut reservation = connection.sender().reserve(frame.len()).unwrap();
                reservation.copy_from_slice(&frame);
                reservation.commit_len(frame.len());
            }
            page.set(COMMITTED, frames.sequence);
        }
        for _ in 0..burst {
            answers.next(&mut frame);
            let receiver = connection.receiver();
            let length = receiver.recv_into_deadline(&mut buffer, soon()).unwrap();
            assert!(buffer[..length] == frame, "an answer is not what was sent");
        }
    }
    page.set(ENDING, 1);
}

/// The survivor: checks and answers each frame, until the end. Returns how many there were, and the end.
fn listen(mut connection: Connection, scene: &Scene<'_>) -> (u64, RecvError) {
    let seed = scene.seed;
    let (mut frames, mut answers) = (Frames::new(seed, MOST), Frames::new(!seed, MOST));
    let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
    let end = loop {
        let receiver = connection.receiver();
        match receiver.recv_into_deadline(&mut buffer, soon()) {
            Ok(length) => {
                frames.next(&mut frame);
                assert!(
                    buffer[..length] == frame,
                    "{scene:?}: frame {} is not what was sent, or comes twice",
                    frames.sequence
                );
            }
            Err(error) => break error,
        }
        answers.next(&mut frame);
        // Whoever is dead has no use for it: what it sent before is still to be read.
        let _ = connection.sender().send_deadline(&frame, soon());
    };
    let again = connection
        .receiver()
        .recv_into_deadline(&mut buffer, soon());
    assert_eq!(again, Err(end), "{scene:?}: the end is final");
    (frames.sequence, end)
}
