//! The ways of serving: each notes a frame as the first thing that it does with it, answers with the frame's lane and number, and is done with it.

use std::fs::File;
use std::path::Path;

use ringway::typed::Message;
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{Config, Connection, Event, Poller, Receiver, RecvError, Redelivery, Sender, typed};

use super::process::{Page, mix};
use super::record::{self, Record};

/// How frames are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each as a `Frame`, which is dropped behind the answer.
    Frames,
    /// Into a buffer.
    Copied,
    /// In batches, answered before they are released.
    Batches,
    /// Held, and released now and then.
    Held,
    /// In a poller.
    Polled,
    /// As messages, by value.
    Typed,
}

/// A typed request, and its answer.
#[derive(Clone, Copy, Debug, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) rest: u64,
}

/// Which server it is, and where it says so.
pub(crate) struct Host<'a> {
    pub(crate) number: u64,
    pub(crate) pipe: &'a File,
    pub(crate) page: &'a Page,
}

/// Word of the page: so many servers have accepted.
pub(crate) const SERVING: usize = 0;
/// And so many have bound.
pub(crate) const BOUND: usize = 1;

impl Host<'_> {
    fn note(&self, lane: usize, number: u64, position: u64, redelivery: Redelivery) {
        Record {
            server: self.number,
            lane: lane as u64,
            number,
            position,
            redelivery: record::number(redelivery),
            at: record::now(),
        }
        .write(self.pipe);
    }

    fn is_bound(&self) {
        self.page.set(BOUND, self.number + 1);
    }

    fn serves(&self) {
        self.page.set(SERVING, self.number + 1);
    }
}

/// The payload of a frame: its number, and bytes that follow from it.
pub(crate) fn payload(lane: usize, number: u64) -> Vec<u8> {
    let length = mix(number ^ (lane as u64) << 60) % 100;
    let mut payload = number.to_ne_bytes().to_vec();
    payload.extend((0..length).map(|place| (number ^ place) as u8));
    payload
}

/// A request as it lies in memory.
pub(crate) fn message(number: u64) -> Vec<u8> {
    let request = Request {
        number,
        rest: mix(number),
    };
    request.as_bytes().to_vec()
}

fn number_of(lane: usize, bytes: &[u8]) -> u64 {
    let number = u64::from_ne_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, payload(lane, number), "what was sent");
    number
}

fn answer(sender: &mut Sender, lane: usize, number: u64) {
    let reply = [lane as u64, number];
    // The client is gone, or goes: what this server has not handled another one will.
    let _ = sender.send(reply.as_bytes());
}

/// Serves one client until it closes. Returns how it ended.
pub(crate) fn serve(way: Way, config: &Config, path: &Path, host: &Host<'_>) -> RecvError {
    match way {
        Way::Typed => return serve_typed(config, path, host),
        Way::Polled => return serve_polled(config, path, host),
        _ => {}
    }
    let mut listener = config.bind(path).unwrap();
    host.is_bound();
    let mut connection = listener.accept().unwrap();
    host.serves();
    let (sender, receiver) = connection.halves();
    receiver.hold(way == Way::Held);
    loop {
        let served = match way {
            Way::Copied => copied(sender, receiver, host),
            Way::Batches => batch(sender, receiver, host),
            _ => frame(sender, receiver, host),
        };
        if let Err(end) = served {
            return end;
        }
        if way == Way::Held && record::now() % 8 == 0 {
            receiver.release();
        }
    }
}

fn frame(sender: &mut Sender, receiver: &mut Receiver, host: &Host<'_>) -> Result<(), RecvError> {
    let frame = receiver.recv()?;
    let lane = frame.priority();
    let number = number_of(lane, &frame.to_vec());
    assert_eq!(u64::from(frame.kind()), number % 7);
    assert_eq!(frame.expires().is_some(), number % 5 == 4);
    host.note(lane, number, frame.position(), frame.redelivery());
    answer(sender, lane, number);
    Ok(())
}

fn copied(sender: &mut Sender, receiver: &mut Receiver, host: &Host<'_>) -> Result<(), RecvError> {
    let mut buffer = [0; 256];
    let length = receiver.recv_into(&mut buffer)?;
    let lane = receiver.last_priority();
    let number = number_of(lane, &buffer[..length]);
    host.note(lane, number, 0, receiver.last_redelivery());
    answer(sender, lane, number);
    Ok(())
}

fn batch(sender: &mut Sender, receiver: &mut Receiver, host: &Host<'_>) -> Result<(), RecvError> {
    let mut frames = receiver.recv_batch(10)?;
    while let Some(frame) = frames.next_frame() {
        let lane = frame.priority();
        let number = number_of(lane, &frame.to_vec());
        host.note(lane, number, frame.position(), frame.redelivery());
        answer(sender, lane, number);
    }
    Ok(())
}

fn serve_polled(config: &Config, path: &Path, host: &Host<'_>) -> RecvError {
    let mut poller: Poller<Connection> = Poller::new().unwrap();
    let listener = config.bind(path).unwrap();
    host.is_bound();
    poller.listen(listener, |connection| connection).unwrap();
    loop {
        match poller.event().unwrap() {
            Some(Event::Connected(_)) => host.serves(),
            Some(Event::Ready(mut turn)) => {
                while turn.more() {
                    let (sender, receiver) = turn.halves();
                    frame(sender, receiver, host).unwrap();
                }
            }
            Some(Event::Ended(ended)) => return ended.end,
            _ => {}
        }
    }
}

fn serve_typed(config: &Config, path: &Path, host: &Host<'_>) -> RecvError {
    let mut listener = typed::Listener::<Request, Request>::bind_with(config, path).unwrap();
    host.is_bound();
    let mut connection = listener.accept().unwrap();
    host.serves();
    let (sender, receiver) = connection.halves();
    loop {
        let request = match receiver.recv() {
            Ok(request) => request,
            Err(typed::RecvError::Lane(end)) => return end,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(request.rest, mix(request.number));
        host.note(0, request.number, 0, receiver.last_redelivery());
        let _ = sender.send(&request);
    }
}
