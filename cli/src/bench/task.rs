//! Every piece of work that a pair of processes can be asked to do, by name; the name is how it reaches the processes.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kit::{Kit, Side};
use super::limits::{bell, bulk, exchange, frames, line, slots, socket};
use super::work::{RoundTrip, Stream, Work};

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Limit: the one-line exchange; payload of 8, 32 or 56 bytes.
    Line(usize),
    /// Limit: the exchange of 64 or 1024 bytes.
    Exchange(usize),
    /// Limit: the ring of frames.
    Frames(Publish),
    /// Limit: the ring of slots.
    Slots(Publish),
    /// Limit: messages of 64 KiB or 1 MiB by memcpy.
    Bulk(usize),
    /// Limit: park and wake on eventfds.
    Bell,
    /// Comparison: round trips of 64 bytes, or a stream of so many bytes each.
    Pipe(Form),
    /// Comparison: the same through a Unix stream socket.
    Unix(Form),
}

/// When a message of a stream becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Publish {
    /// Each by itself, to a receiver that never sleeps.
    Spinning,
    /// Each by itself, to a receiver that may sleep at any time.
    Waking,
    /// In groups of 16.
    Groups,
}

/// What is measured of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    RoundTrip,
    /// Messages of 64 bytes, 64 KiB or 1 MiB.
    Stream(usize),
}

const KIB_64: usize = 64 << 10;
const MIB: usize = 1 << 20;

impl Task {
    /// The parameters worth trying before a series of rounds; none where there is nothing to choose.
    pub(crate) const fn choices(self) -> &'static [u32] {
        match self {
            Task::Line(_) => line::CHOICES,
            Task::Exchange(_) => exchange::CHOICES,
            Task::Frames(_) => frames::CHOICES,
            Task::Slots(_) => slots::CHOICES,
            Task::Bulk(_) => bulk::CHOICES,
            _ => &[],
        }
    }

    /// Whether it is one of the limits.
    pub(crate) const fn is_by_hand(self) -> bool {
        true
    }

    /// Sets the work up in one of its two processes.
    pub(crate) fn make(self, kit: &Kit, side: Side, _address: &Path) -> io::Result<Box<dyn Work>> {
        Ok(match self {
            Task::Line(8) => Box::new(RoundTrip::<_, 8>::new(line::Line::<8>::new(kit, side)?)),
            Task::Line(32) => Box::new(RoundTrip::<_, 32>::new(line::Line::<32>::new(kit, side)?)),
            Task::Line(56) => Box::new(RoundTrip::<_, 56>::new(line::Line::<56>::new(kit, side)?)),
            Task::Exchange(64) => Box::new(RoundTrip::<_, 64>::new(exchange::Exchange::<64>::new(
                kit, side,
            )?)),
            Task::Exchange(1024) => Box::new(RoundTrip::<_, 1024>::new(
                exchange::Exchange::<1024>::new(kit, side)?,
            )),
            Task::Frames(Publish::Spinning) => {
                Box::new(Stream::<_, 64, 1>::new(
                    frames::Frames::<false, false>::new(kit, side)?,
                ))
            }
            Task::Frames(Publish::Waking) => {
                Box::new(Stream::<_, 64, 1>::new(frames::Frames::<true, false>::new(
                    kit, side,
                )?))
            }
            Task::Frames(Publish::Groups) => {
                Box::new(Stream::<_, 64, 16>::new(
                    frames::Frames::<false, true>::new(kit, side)?,
                ))
            }
            Task::Slots(Publish::Spinning) => {
                Box::new(Stream::<_, 64, 1>::new(slots::Slots::<false, false>::new(
                    kit, side,
                )?))
            }
            Task::Slots(Publish::Waking) => {
                Box::new(Stream::<_, 64, 1>::new(slots::Slots::<true, false>::new(
                    kit, side,
                )?))
            }
            Task::Slots(Publish::Groups) => {
                Box::new(Stream::<_, 64, 16>::new(slots::Slots::<false, true>::new(
                    kit, side,
                )?))
            }
            Task::Bulk(KIB_64) => {
                Box::new(Stream::<_, KIB_64, 1>::new(bulk::Bulk::<KIB_64>::new(kit)?))
            }
            Task::Bulk(MIB) => Box::new(Stream::<_, MIB, 1>::new(bulk::Bulk::<MIB>::new(kit)?)),
            Task::Bell => Box::new(RoundTrip::<_, 8>::new(bell::Bell::new(kit, side)?)),
            Task::Pipe(form) => by_socket(form, socket::Socket::pipe(kit, side)?)?,
            Task::Unix(form) => by_socket(form, socket::Socket::unix(kit, side)?)?,
            Task::Line(_) | Task::Exchange(_) | Task::Bulk(_) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
        })
    }
}

fn by_socket(form: Form, socket: socket::Socket) -> io::Result<Box<dyn Work>> {
    Ok(match form {
        Form::RoundTrip => Box::new(RoundTrip::<_, 64>::new(socket)),
        Form::Stream(64) => Box::new(Stream::<_, 64, 1>::new(socket)),
        Form::Stream(KIB_64) => Box::new(Stream::<_, KIB_64, 1>::new(socket)),
        Form::Stream(MIB) => Box::new(Stream::<_, MIB, 1>::new(socket)),
        Form::Stream(_) => return Err(io::ErrorKind::Unsupported.into()),
    })
}
