//! Frames in both directions over one connection, and what each end counts of them.

use ringway::{Connection, RecvError, SendError};

use super::{ATTEMPT, HEARD, Outcome, SAID, soon};
use crate::process::Page;

/// Short exchanges, each of which finds the other side asleep, and then long frames, which fill the ring.
pub(super) const ROUNDS: u64 = 3;
pub(super) const FRAMES: u64 = ROUNDS + 7;
const LONG: usize = 900;

/// The bytes of a frame: who sends it, in which attempt, its number, and what follows from these.
pub(super) fn frame(fails: bool, attempt: u64, number: u64) -> Vec<u8> {
    let length = if number < ROUNDS { 24 } else { LONG };
    let mut bytes = vec![(number as u8).wrapping_mul(31) ^ attempt as u8; length];
    bytes[0] = u8::from(fails);
    bytes[1] = attempt as u8;
    bytes[2] = number as u8;
    bytes
}

/// One end's account of one connection.
pub(super) struct Ends<'a> {
    page: &'a Page,
    /// It is the end whose calls fail.
    fails: bool,
    attempt: u64,
    buffer: Vec<u8>,
    pub(super) heard: u64,
}

impl<'a> Ends<'a> {
    /// Of the process whose calls fail, in this attempt.
    pub(super) fn failing(page: &'a Page) -> Self {
        Self::new(page, true, page.get(ATTEMPT))
    }

    /// Of its peer.
    pub(super) fn of_peer(page: &'a Page) -> Self {
        Self::new(page, false, 0xff)
    }

    fn new(page: &'a Page, fails: bool, attempt: u64) -> Self {
        Self {
            page,
            fails,
            attempt,
            buffer: vec![0; 4096],
            heard: 0,
        }
    }

    pub(super) fn say(
        &mut self,
        connection: &mut Connection,
        number: u64,
    ) -> Result<(), SendError> {
        let bytes = self.to_say(number);
        connection.sender().send_deadline(&bytes, soon())?;
        self.has_said(number);
        Ok(())
    }

    pub(super) fn to_say(&self, number: u64) -> Vec<u8> {
        frame(self.fails, self.attempt, number)
    }

    pub(super) fn has_said(&self, number: u64) {
        if self.fails {
            self.page.set(SAID + self.attempt as usize, number + 1);
        }
    }

    pub(super) fn hear(&mut self, connection: &mut Connection) -> Result<(), RecvError> {
        let receiver = connection.receiver();
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = receiver.recv_into_deadline(&mut buffer, soon());
        if let Ok(length) = received {
            self.has_heard(&buffer[..length]);
        }
        self.buffer = buffer;
        received.map(drop)
    }

    pub(super) fn has_heard(&mut self, bytes: &[u8]) {
        let attempt = u64::from(bytes[1]);
        assert!(
            bytes == frame(!self.fails, attempt, self.heard),
            "a frame is broken"
        );
        self.heard += 1;
        if !self.fails {
            self.page.set(HEARD + attempt as usize, self.heard);
        }
    }

    /// Whatever ended it, all that was committed is to be had, and then an end that is one.
    pub(super) fn hear_end(&mut self, connection: &mut Connection) -> RecvError {
        let end = loop {
            if let Err(error) = self.hear(connection) {
                break error;
            }
        };
        assert!(is_end(end), "{end:?}");
        end
    }
}

/// Whether the other side has gone, in one way or another.
pub(super) fn is_end(error: RecvError) -> bool {
    matches!(
        error,
        RecvError::Closed | RecvError::PeerClosed | RecvError::PeerDied
    )
}

/// The whole conversation, from one end: `first` speaks first.
pub(super) fn converse(
    ends: &mut Ends<'_>,
    connection: &mut Connection,
    first: bool,
) -> Result<(), String> {
    short(ends, connection, first)?;
    long(ends, connection, first)
}

pub(super) fn sends(error: SendError) -> String {
    format!("send: {error:?}")
}

pub(super) fn receives(error: RecvError) -> String {
    format!("receive: {error:?}")
}

/// Its first part, which fits into the rings.
pub(super) fn short(
    ends: &mut Ends<'_>,
    connection: &mut Connection,
    first: bool,
) -> Result<(), String> {
    for number in 0..ROUNDS {
        if first {
            ends.say(connection, number).map_err(sends)?;
        }
        ends.hear(connection).map_err(receives)?;
        if !first {
            ends.say(connection, number).map_err(sends)?;
        }
    }
    Ok(())
}

/// Its second part.
pub(super) fn long(
    ends: &mut Ends<'_>,
    connection: &mut Connection,
    first: bool,
) -> Result<(), String> {
    for turn in [true, false] {
        if first == turn {
            for number in ROUNDS..FRAMES {
                ends.say(connection, number).map_err(sends)?;
            }
        } else {
            // The ring is full by then, and its sender asleep.
            for _ in 0..4 {
                std::thread::yield_now();
            }
            for _ in ROUNDS..FRAMES {
                ends.hear(connection).map_err(receives)?;
            }
        }
    }
    Ok(())
}

pub(super) fn exchange(connection: &mut Connection, page: &Page, first: bool) -> Outcome {
    let mut ends = Ends::failing(page);
    converse(&mut ends, connection, first).map_err(|text| format!("exchange: {text}"))
}

/// The peer says goodbye first.
pub(super) fn until_end(connection: &mut Connection) -> Outcome {
    match connection.receiver().recv_deadline(soon()).map(drop) {
        Err(RecvError::Closed) => Ok(()),
        other => Err(format!("exchange: the end was {other:?}")),
    }
}

/// The peer's side of one connection, to its end.
pub(super) fn answer(mut connection: Connection, page: &Page, first: bool) -> String {
    let mut ends = Ends::of_peer(page);
    let outcome = converse(&mut ends, &mut connection, first);
    if outcome.is_ok() && first {
        return "complete;".to_owned();
    }
    let end = ends.hear_end(&mut connection);
    match outcome {
        Ok(()) => "complete;".to_owned(),
        Err(text) => format!("{text}, {end:?};"),
    }
}
