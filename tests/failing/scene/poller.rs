//! A server that is a poller.

use std::path::Path;

use ringway::{Connection, Event, Poller, RecvError, SendError};

use super::exchange::{FRAMES, ROUNDS, frame};
use super::{ATTEMPT, Expected, Outcome, SAID, Scene, clear, for_a_client, is_expected, soon};
use crate::process::Page;

pub(super) fn serve(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut poller = Poller::<Connection>::new().map_err(|error| clear(&error))?;
    let listener = scene.bind(path).map_err(|error| clear(&error))?;
    poller
        .listen(listener, |connection| connection)
        .map_err(|error| clear(&error))?;
    let (mut said, mut heard) = (0, 0);
    let attempt = page.get(ATTEMPT);
    let (first, limit) = (for_a_client(), soon());
    loop {
        // As in somebody else's loop, which waits for what tells of an event; here it is waited for by itself.
        if let Err(error) = poller.arm() {
            clear(&error);
        }
        match poller
            .event_deadline(if heard == 0 { first } else { limit })
            .map_err(|error| clear(&error))?
        {
            None if heard == 0 && is_expected(Expected::ForGood) => {
                return Err("nobody could be let in".to_owned());
            }
            None => return Err("exchange: TimedOut: the poller heard nothing".to_owned()),
            // The peer, which has had everything, connects again; that may come ahead of the end of what it has left.
            Some(Event::Ready(mut turn)) if said == FRAMES => {
                while turn.more() {
                    drop(turn.halves().1.recv());
                }
            }
            Some(Event::Ready(mut turn)) => {
                while turn.more() {
                    let (_, receiver) = turn.halves();
                    let bytes = receiver.recv().unwrap().to_vec();
                    assert!(bytes == frame(false, 0xff, heard), "a frame is broken");
                    heard += 1;
                }
                // As a partner in `converse`: an answer to each short frame, and the long ones when all have come.
                while said < heard.min(ROUNDS) || (heard == FRAMES && said < FRAMES) {
                    let bytes = frame(true, attempt, said);
                    let sent = turn.halves().0.try_send(&bytes);
                    if sent == Err(SendError::Full) {
                        turn.until_room(bytes.len());
                        break;
                    }
                    if sent.is_err() {
                        break;
                    }
                    said += 1;
                    page.set(SAID + attempt as usize, said);
                }
            }
            Some(Event::Ended(ended)) if ended.end == RecvError::Closed && said == FRAMES => {
                return Ok(());
            }
            // A connection that failed is made anew by the peer.
            Some(Event::Ended(ended)) => {
                return Err(format!("exchange: the end was {:?}", ended.end));
            }
            Some(Event::Stalled { error, .. }) => drop(clear(&error)),
            Some(_) => {}
        }
    }
}
