//! Every piece of work that a pair of processes can be asked to do, by name; the name is how it reaches the processes.

use std::path::Path;
use std::time::Duration;

use ringway::{Config, Wait};
use serde::{Deserialize, Serialize};

use super::kit::{Kit, Side};
use super::limits::commit::{Commit, Fenced, Grouped, Stored, Swapped};
use super::limits::{bell, bells, bulk, exchange, frames, lanes, queued, ring, slots, socket};
use super::ours::batches::BATCH;
use super::ours::crowd::{Backlog, Crowd, Laps, Visits};
use super::ours::{
    Batched, Batches, Bytes, Connecting, Duplex, Idlers, InPlace, Records, Tapping, Thinking,
};
use super::sweep::trial::Trial;
use super::tasks::{self, By, What};
use super::work::{Link, Middle, RoundTrip, Stream, Work};
use super::{Failure, codecs};

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Limit: the exchange of 8, 32, 56, 64 or 1024 bytes.
    Exchange(usize),
    /// Limit: the ring of frames.
    Frames(Publish),
    /// Limit: the ring of slots.
    Slots(Publish),
    /// Limit: messages of 64 KiB or 1 MiB, or as large as a batch, by memcpy.
    Bulk(usize),
    /// Limit: park and wake on eventfds.
    Bell,
    /// Comparison: round trips of 64 bytes, or a stream of so many bytes each.
    Pipe(Form),
    /// Comparison: the same through a Unix stream socket.
    Unix(Form),
    /// Ringway: round trips of 8, 32, 56, 64 or 1024 bytes.
    RoundTrip(usize, Waiting),
    /// Ringway: round trips of 64 bytes by the default wait, of which the median counts.
    Single,
    /// Ringway: a stream of 64 bytes in groups of so many: 1, 16, 64 or 256.
    Stream(u64, Waiting),
    /// Ringway: a stream of 64 bytes, or round trips of as many, through a batcher.
    Batched(Shape, Waiting),
    /// Ringway: a stream of 64 bytes, and a third process that reads along.
    Tapped,
    /// Ringway: that third process.
    Tap,
    /// Ringway: a stream of 64 KiB or 1 MiB, or of the bytes of batches.
    Large(usize),
    /// Ringway: a stream of bytes, with round trips of 64, or so many written at a time.
    Bytes(Form),
    /// Ringway: a stream of batches of records.
    Batches,
    /// Ringway: a stream of batches of so many records, which are filled and summed.
    Records(usize),
    /// Ringway: round trips of 1 MiB in place, by a receiver that trusts its peer and touches the head.
    InPlace,
    /// Ringway, or what is used without it, in tasks of tokio.
    Tokio(By, What),
    /// A point of the sweep, Ringway or a socket.
    Sweep(Trial),
    /// Ringway: connect to first frame.
    Connect,
    /// Limit: park and wake on one of a thousand pairs of eventfds after the other, with 10 ms between two round trips.
    BellVisits,
    /// One way to ring a bell that nobody waits for.
    Ring(ring::Way),
    /// Limit: round trips of 64 bytes, each on the next one of a thousand lanes.
    Lanes,
    /// Limit: what is queued on a thousand lanes is read.
    Queued,
    /// Ringway: round trips of 64 bytes with a poller, each on the next one of a thousand connections.
    Crowd,
    /// Ringway: the same with 8 bytes and 10 ms between two.
    CrowdVisits,
    /// Ringway: round trips of 64 bytes, so many microseconds between two.
    Thinking(Waiting, u32),
    /// Ringway: a thousand clients of a poller, which do nothing.
    Idlers,
    /// Ringway: a poller reads what is queued on a thousand connections.
    Backlog,
    /// Ringway: round trips of an encoded message.
    Codec(codecs::Form, codecs::Shape),
}

/// When a message of a stream becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Publish {
    /// Each by itself, to a receiver that never sleeps.
    Spinning,
    /// Each by itself, to a receiver that may sleep at any time: the word that commits is swapped.
    Swapping,
    /// The same, with a store and a full fence.
    Fencing,
    /// In groups of 16.
    Groups,
}

impl Publish {
    /// What is special about it, where a row has more than one.
    const fn words(self) -> &'static str {
        match self {
            Publish::Swapping => ", the word that commits swapped",
            Publish::Fencing => ", a store and a fence",
            Publish::Spinning | Publish::Groups => "",
        }
    }
}

/// How both sides of a connection wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Waiting {
    Spin,
    Adaptive,
    Park,
    /// As the second, and barriers are left out of sends.
    Membarrier,
}

impl Waiting {
    fn config(self) -> Config {
        let config = Config::new();
        match self {
            Waiting::Spin => config.wait(Wait::Spin),
            Waiting::Adaptive => config.wait(Wait::Adaptive),
            Waiting::Membarrier => config.wait(Wait::Adaptive).membarrier(true),
            Waiting::Park => config.wait(Wait::Park),
        }
    }
}

/// What is done through a batcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Stream,
    RoundTrip,
}

/// What is measured of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    RoundTrip,
    /// Messages of 64 bytes, 64 KiB or 1 MiB.
    Stream(usize),
}

/// A ring for large messages holds fewer than this many of them.
const LARGE_FRAMES: usize = 16;

/// No row asks for it.
const UNKNOWN: &str = "no such size or group";

const KIB_64: usize = 64 << 10;
const MIB: usize = 1 << 20;

impl Task {
    /// The parameters worth trying before a series of rounds; none where there is nothing to choose.
    pub(crate) const fn choices(self) -> &'static [u32] {
        match self {
            Task::Exchange(..=56) => exchange::ONE_LINE,
            Task::Exchange(_) => exchange::MORE_LINES,
            Task::Frames(_) => frames::CHOICES,
            Task::Slots(_) => slots::CHOICES,
            Task::Bulk(_) => bulk::CHOICES,
            Task::Lanes => lanes::CHOICES,
            _ => &[],
        }
    }

    /// One of its [`choices`](Self::choices) in words.
    pub(crate) fn way(self, choice: u32) -> String {
        match self {
            Task::Exchange(_) => exchange::way(choice),
            Task::Lanes => lanes::way(choice),
            Task::Frames(publish) => {
                let by = publish.words();
                format!("frames{by}, {choice} pauses when the ring is empty")
            }
            Task::Slots(publish) => {
                let by = publish.words();
                format!("slots{by}, {choice} pauses when the ring is empty")
            }
            Task::Bulk(_) => format!("memcpy, {choice} places"),
            Task::Large(_) => "as frames of bytes".to_owned(),
            Task::Stream(..) => "a stream".to_owned(),
            _ => format!("choice {choice}"),
        }
    }

    /// Whether neither of its processes ever leaves its processor by itself, each on one of its own.
    pub(crate) const fn never_sleeps(self) -> bool {
        match self {
            Task::Exchange(_)
            | Task::Frames(_)
            | Task::Slots(_)
            | Task::Bulk(_)
            | Task::InPlace => true,
            Task::RoundTrip(_, waiting) | Task::Stream(_, waiting) | Task::Batched(_, waiting) => {
                matches!(waiting, Waiting::Spin)
            }
            _ => false,
        }
    }

    /// Whether it is done in tasks of tokio.
    pub(crate) const fn is_in_tasks(self) -> bool {
        matches!(self, Task::Tokio(..))
    }

    /// Whether it is one of the limits.
    pub(crate) const fn is_by_hand(self) -> bool {
        matches!(
            self,
            Task::Exchange(_)
                | Task::Frames(_)
                | Task::Slots(_)
                | Task::Bulk(_)
                | Task::Bell
                | Task::BellVisits
                | Task::Ring(_)
                | Task::Lanes
                | Task::Queued
        )
    }

    /// Sets the work up in one of its two processes.
    pub(crate) fn make(
        self,
        kit: &Kit,
        side: Side,
        address: &Path,
    ) -> Result<Box<dyn Work>, Failure> {
        Ok(match self {
            Task::Exchange(8) => exchange::<8>(kit, side)?,
            Task::Exchange(32) => exchange::<32>(kit, side)?,
            Task::Exchange(56) => exchange::<56>(kit, side)?,
            Task::Exchange(64) => exchange::<64>(kit, side)?,
            Task::Exchange(1024) => exchange::<1024>(kit, side)?,
            Task::Frames(publish) => match publish {
                Publish::Spinning => frames::<Stored, 1>(kit, side)?,
                Publish::Swapping => frames::<Swapped, 1>(kit, side)?,
                Publish::Fencing => frames::<Fenced, 1>(kit, side)?,
                Publish::Groups => frames::<Grouped, 16>(kit, side)?,
            },
            Task::Slots(publish) => match publish {
                Publish::Spinning => slots::<Stored, 1>(kit, side)?,
                Publish::Swapping => slots::<Swapped, 1>(kit, side)?,
                Publish::Fencing => slots::<Fenced, 1>(kit, side)?,
                Publish::Groups => slots::<Grouped, 16>(kit, side)?,
            },
            Task::Bulk(KIB_64) => {
                Box::new(Stream::<_, KIB_64, 1>::new(bulk::Bulk::<KIB_64>::new(kit)?))
            }
            Task::Bulk(BATCH) => {
                Box::new(Stream::<_, BATCH, 1>::new(bulk::Bulk::<BATCH>::new(kit)?))
            }
            Task::Bulk(MIB) => Box::new(Stream::<_, MIB, 1>::new(bulk::Bulk::<MIB>::new(kit)?)),
            Task::Bell => Box::new(RoundTrip::<_, 8>::new(bell::Bell::new(kit, side)?)),
            Task::Pipe(form) => of_bytes(form, socket::Socket::pipe(kit, side)?)?,
            Task::Unix(form) => of_bytes(form, socket::Socket::unix(kit, side)?)?,
            Task::RoundTrip(size, waiting) => {
                let link = Duplex::new(&waiting.config(), address, side)?;
                match size {
                    8 => Box::new(RoundTrip::<_, 8>::new(link)),
                    32 => Box::new(RoundTrip::<_, 32>::new(link)),
                    56 => Box::new(RoundTrip::<_, 56>::new(link)),
                    64 => Box::new(RoundTrip::<_, 64>::new(link)),
                    1024 => Box::new(RoundTrip::<_, 1024>::new(link)),
                    _ => return Err(UNKNOWN.into()),
                }
            }
            Task::Stream(group, waiting) => {
                let link = Duplex::new(&waiting.config(), address, side)?;
                match group {
                    1 => Box::new(Stream::<_, 64, 1>::new(link)),
                    16 => Box::new(Stream::<_, 64, 16>::new(link)),
                    64 => Box::new(Stream::<_, 64, 64>::new(link)),
                    256 => Box::new(Stream::<_, 64, 256>::new(link)),
                    _ => return Err(UNKNOWN.into()),
                }
            }
            Task::Batched(shape, waiting) => {
                let link = Batched::new(&waiting.config(), address, side)?;
                match shape {
                    Shape::Stream => Box::new(Stream::<_, 64, 1>::new(link)),
                    Shape::RoundTrip => Box::new(RoundTrip::<_, 64>::new(link)),
                }
            }
            Task::Tapped => {
                let link = Duplex::shown(Waiting::Adaptive.config(), address, side)?;
                Box::new(Stream::<_, 64, 1>::new(link))
            }
            Task::Tap => Box::new(Tapping::new(address)?),
            Task::Large(size) => {
                let link = Duplex::new(&large(size), address, side)?;
                match size {
                    KIB_64 => Box::new(Stream::<_, KIB_64, 1>::new(link)),
                    MIB => Box::new(Stream::<_, MIB, 1>::new(link)),
                    BATCH => Box::new(Stream::<_, BATCH, 1>::new(link)),
                    _ => return Err(UNKNOWN.into()),
                }
            }
            Task::Bytes(form) => {
                let config = match form {
                    Form::RoundTrip => Waiting::Adaptive.config(),
                    Form::Stream(size) => large(size.max(KIB_64)),
                };
                of_bytes(form, Bytes::new(config, address, side)?)?
            }
            Task::Batches => {
                let link = Batches::new(&large(BATCH), address, side)?;
                Box::new(Stream::<_, BATCH, 1>::new(link))
            }
            Task::Records(count) => {
                // Eight batches, as that of Python: a larger ring is in no near cache.
                let config = large(BATCH * count.div_ceil(2000));
                Box::new(Records::new(&config, address, side, count)?)
            }
            Task::InPlace => {
                let config = Waiting::Spin
                    .config()
                    .capacity(LARGE_FRAMES * MIB)
                    .prefault(true);
                let link = InPlace::new(&config.peer_capacity(LARGE_FRAMES * MIB), address, side)?;
                Box::new(RoundTrip::<_, 64>::new(link))
            }
            Task::BellVisits => Box::new(Visits(bells::Bells::new(kit, side)?)),
            Task::Ring(way) => ring::make(way, kit, side)?,
            Task::Lanes => {
                let link = lanes::Lanes::new(kit, side)?;
                Box::new(Middle(RoundTrip::<_, 64>::new(link)))
            }
            Task::Single => {
                let link = Duplex::new(&Waiting::Adaptive.config(), address, side)?;
                Box::new(Middle(RoundTrip::<_, 64>::new(link)))
            }
            Task::Queued => Box::new(Laps(queued::Queued::new(kit)?)),
            Task::Crowd => Box::new(Middle(RoundTrip::<_, 64>::new(crowd(address, side)?))),
            Task::CrowdVisits => Box::new(Visits(crowd(address, side)?.having_slept(side))),
            Task::Thinking(waiting, micros) => {
                let pause = Duration::from_micros(micros.into());
                Box::new(Thinking::new(&waiting.config(), pause, address, side)?)
            }
            Task::Idlers => Box::new(Idlers::new(address, side)?),
            Task::Backlog => Box::new(Laps(Backlog::new(address, side)?)),
            Task::Codec(form, shape) => codecs::make(form, shape, address, side)?,
            Task::Tokio(by, what) => tasks::make(by, what, kit, side, address)?,
            Task::Sweep(trial) => trial.make(side, address)?,
            Task::Connect => Box::new(Connecting::new(Config::new(), address, side)?),
            Task::Exchange(_) | Task::Bulk(_) => return Err(UNKNOWN.into()),
        })
    }
}

/// Options for messages of that size.
pub(super) fn large(size: usize) -> Config {
    let capacity = (LARGE_FRAMES * size).next_power_of_two();
    let config = Waiting::Adaptive.config().prefault(true);
    config.capacity(capacity).peer_capacity(capacity)
}

fn crowd(address: &Path, side: Side) -> Result<Crowd, Failure> {
    let smallest = Config::new().capacity(4096).peer_capacity(4096);
    Crowd::new(&smallest, address, side)
}

fn frames<C: Commit + 'static, const GROUP: u64>(
    kit: &Kit,
    side: Side,
) -> Result<Box<dyn Work>, Failure> {
    let link = frames::Frames::<C>::new(kit, side)?;
    Ok(Box::new(Stream::<_, 64, GROUP>::new(link)))
}

fn slots<C: Commit + 'static, const GROUP: u64>(
    kit: &Kit,
    side: Side,
) -> Result<Box<dyn Work>, Failure> {
    let link = slots::Slots::<C, true>::new(kit, side)?;
    Ok(Box::new(Stream::<_, 64, GROUP>::new(link)))
}

fn exchange<const SIZE: usize>(kit: &Kit, side: Side) -> Result<Box<dyn Work>, Failure> {
    let link = exchange::Exchange::<SIZE>::new(kit, side)?;
    Ok(Box::new(RoundTrip::<_, SIZE>::new(link)))
}

fn of_bytes(form: Form, link: impl Link + 'static) -> Result<Box<dyn Work>, Failure> {
    Ok(match form {
        Form::RoundTrip => Box::new(RoundTrip::<_, 64>::new(link)),
        Form::Stream(64) => Box::new(Stream::<_, 64, 1>::new(link)),
        Form::Stream(KIB_64) => Box::new(Stream::<_, KIB_64, 1>::new(link)),
        Form::Stream(MIB) => Box::new(Stream::<_, MIB, 1>::new(link)),
        Form::Stream(_) => return Err(UNKNOWN.into()),
    })
}
