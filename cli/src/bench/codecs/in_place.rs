//! Messages that travel as they lie in memory, by `ringway::typed`: sent and received over a lane of this process, or between two.
//!
//! They are neither encoded nor decoded, so what their bytes cost is measured by the lane that carries them: sending a message less sending an
//! empty frame is "encode", and the same of receiving is "decode". Both hold one copy more than a codec's figures: into the ring, and out of it.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use ringway::typed::{self, Messages, Receiver, Sender};
use ringway::{Config, Wait};

use super::super::kit::Side;
use super::super::meter::median;
use super::super::ours::{meet, meet_typed};
use super::super::work::Work;
use super::super::{Failure, fail};
use super::records::{Book, FlatBook, FlatBookHead, FlatOrder, Sample};
use super::trip::{Ends, Trip};

/// A message and the lane that carries it.
pub(super) trait InPlace: Sample + PartialEq + 'static {
    /// What the lane carries.
    type Lane: Messages + ?Sized;
    /// Bytes of a frame.
    fn size(&self) -> usize;
    /// Sends it.
    fn send(&self, sender: &mut Sender<Self::Lane>) -> Result<(), ringway::SendError>;
    /// Whether that is it.
    fn is(&self, received: &<Self::Lane as Messages>::Received) -> bool;
}

impl InPlace for FlatOrder {
    type Lane = Self;

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    #[inline(always)]
    fn send(&self, sender: &mut Sender<Self>) -> Result<(), ringway::SendError> {
        sender.send(self)
    }

    #[inline(always)]
    fn is(&self, received: &Self) -> bool {
        received == self
    }
}

impl InPlace for Book {
    type Lane = FlatBook;

    fn size(&self) -> usize {
        size_of::<FlatBookHead>() + size_of_val(&*self.levels)
    }

    #[inline(always)]
    fn send(&self, sender: &mut Sender<FlatBook>) -> Result<(), ringway::SendError> {
        let head = FlatBookHead {
            instrument: self.instrument,
            nanos: self.nanos,
        };
        sender.send_with::<FlatBook>(&head, &self.levels)
    }

    #[inline(always)]
    fn is(&self, received: &<FlatBook as Messages>::Received) -> bool {
        (received.instrument, received.nanos) == (self.instrument, self.nanos)
            && received.levels == *self.levels
    }
}

/// Bytes of the ring of a lane in this process: it stays in the nearest cache, as a codec's buffer does.
const RING: usize = 16 << 10;
/// Messages that are sent before the first one is received.
const BURST: u32 = 32;
/// Bursts of a round. The median counts: some are interrupted.
const BURSTS: usize = 65;

/// A message's lane and a lane of empty frames, both ends of each in this process.
pub(super) struct Lanes<T: InPlace> {
    message: T,
    sender: Sender<T::Lane>,
    receiver: Receiver<T::Lane>,
    empty: (ringway::Sender, ringway::Receiver),
}

impl<T: InPlace> Lanes<T> {
    /// Connects at two addresses, and tries the message.
    pub(super) fn new(addresses: &[std::path::PathBuf; 2]) -> Result<Self, Failure> {
        let config = Config::new().capacity(RING).peer_capacity(RING);
        let typed = |side| meet_typed::<T::Lane>(&config, &addresses[0], side);
        let bytes = |side| meet(&config, &addresses[1], side);
        let (mut ends, empty) = std::thread::scope(|scope| {
            let other = scope.spawn(move || Ok((typed(Side::Follow)?, bytes(Side::Follow)?)));
            let own = (typed(Side::Lead)?, bytes(Side::Lead)?);
            let other: Result<_, Failure> = other.join().map_err(|_| "the other end panicked")?;
            let other = other?;
            let empty = (own.1.split().0, other.1.split().1);
            Ok::<_, Failure>(((own.0.split().0, other.0.split().1), empty))
        })?;
        let message = T::sample();
        message.send(&mut ends.0)?;
        if !message.is(&ends.1.recv()?) {
            return Err("a message is not what was sent".into());
        }
        Ok(Self {
            message,
            sender: ends.0,
            receiver: ends.1,
            empty,
        })
    }

    /// Bytes of a message.
    pub(super) fn size(&self) -> usize {
        self.message.size()
    }

    /// One round: ns per message to send and to receive, an empty frame's taken off. Zero where that is less than the noise.
    pub(super) fn round(&mut self) -> Result<[f64; 2], Failure> {
        let mut differences = [const { Vec::new() }; 2];
        for _ in 0..BURSTS {
            let message = [
                timed(|| Ok(black_box(&self.message).send(&mut self.sender)?))?,
                timed(|| {
                    black_box(self.receiver.recv()?);
                    Ok(())
                })?,
            ];
            let empty = [
                timed(|| Ok(self.empty.0.send(black_box(&[]))?))?,
                timed(|| {
                    black_box(self.empty.1.recv()?.len());
                    Ok(())
                })?,
            ];
            for (half, found) in differences.iter_mut().enumerate() {
                found.push(message[half] - empty[half]);
            }
        }
        Ok(differences.map(|found| median(&found).max(0.0)))
    }
}

/// Nanoseconds of each call.
#[inline(always)]
fn timed(mut call: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    for _ in 0..BURST {
        call()?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / f64::from(BURST))
}

/// An end of round trips between two processes.
struct Typed<T: InPlace> {
    ends: (Sender<T::Lane>, Receiver<T::Lane>),
    message: T,
}

/// Sets one side up.
pub(super) fn trip<T: InPlace>(address: &Path, side: Side) -> Result<Box<dyn Work>, Failure> {
    let config = Config::new().wait(Wait::Spin);
    let connection: typed::Connection<T::Lane, T::Lane> = meet_typed(&config, address, side)?;
    Ok(Box::new(Trip(Typed::<T> {
        ends: connection.split(),
        message: T::sample(),
    })))
}

impl<T: InPlace> Ends for Typed<T> {
    fn send(&mut self) {
        if let Err(error) = self.message.send(&mut self.ends.0) {
            fail(&error);
        }
    }

    fn recv(&mut self) {
        match self.ends.1.recv() {
            Ok(message) if self.message.is(&message) => {}
            Ok(_) => fail(&"a message is not what was sent"),
            Err(error) => fail(&error),
        }
    }
}
