//! A peer that goes and leaves its rings full of frames that lead in a circle: there is always one to read, and what was committed ends all the same.

use ringway::{Receiver, RecvError, Wait};

use crate::lane::victim_of;
use crate::peer::{self, FRAME, Watchdog, soon};

/// Bytes of a frame, header included, of which a ring is a multiple.
const LENGTH: usize = 64;

/// Every way to read on: it answers how it ended.
type Read = fn(&mut Receiver) -> Result<(), RecvError>;

fn one(receiver: &mut Receiver) -> Result<(), RecvError> {
    receiver.recv_deadline(soon()).map(drop)
}

fn at_once(receiver: &mut Receiver) -> Result<(), RecvError> {
    match receiver.try_recv().map(drop) {
        Err(RecvError::Empty) => Ok(()),
        other => other,
    }
}

fn copied(receiver: &mut Receiver) -> Result<(), RecvError> {
    let mut buffer = [0; LENGTH - 8];
    receiver.recv_into_deadline(&mut buffer, soon()).map(drop)
}

fn many(receiver: &mut Receiver) -> Result<(), RecvError> {
    let mut frames = receiver.recv_batch_deadline(100, soon())?;
    while let Some(frame) = frames.next_frame() {
        drop(frame);
    }
    Ok(())
}

#[test]
fn a_circle_that_a_peer_left_behind_is_not_read_for_ever() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("circle");
    let ways: [(&str, Read); 4] = [
        ("one", one),
        ("at-once", at_once),
        ("copied", copied),
        ("many", many),
    ];
    for (name, read) in ways {
        for lanes in [1, 3] {
            for wait in [Wait::Spin, Wait::Park] {
                let place = format!("circle-{name}-{lanes}-{wait:?}");
                let (mut victim, hostile) = victim_of(&place, wait, lanes);
                for lane in 0..lanes {
                    for position in (0..hostile.own.capacity()).step_by(LENGTH) {
                        let header = FRAME | (LENGTH - 8) as u64;
                        hostile.own.lane(lane, position, header);
                    }
                }
                // It reads laps of them while the peer is there, as from anybody.
                for _ in 0..1_000 {
                    read(victim.receiver()).unwrap();
                }
                drop(hostile.line);
                let ended = loop {
                    if let Err(error) = read(victim.receiver()) {
                        break error;
                    }
                };
                assert_eq!(ended, RecvError::PeerClosed, "{name}, {lanes} lanes");
                assert_eq!(read(victim.receiver()), Err(ended));
            }
        }
    }
}
