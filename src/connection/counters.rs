//! Reading a counters segment: ours, or that of a process that we observe.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use zerocopy::FromBytes;

use super::book::Book;
use crate::error::{Error, ErrorKind};
use crate::layout::counters::{self, CountersHeader, Each, Lane};
use crate::layout::printable;

/// What the connections of a process have done: a segment that this process can read and not write, and in which there is no byte of any
/// frame's payload.
///
/// A number is as old as the last time that its half had time to tell it: at most a lap of the ring (sending) or an eighth of it (receiving); at once where
/// the half waits, or wakes a peer that sleeps.
#[derive(Debug)]
pub struct Counters {
    file: File,
    slots: usize,
}

/// One connection that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionCounters {
    /// The path of the listener's socket, from the root and without links; its end, if it is longer than 96 bytes.
    pub name: String,
    /// The peer's user id, as its opposite sees it.
    pub peer_uid: u32,
    /// The peer's process id, if it has one there.
    pub peer_pid: Option<u32>,
    /// How many lanes each direction has, one for each priority: 1 to 4.
    pub lanes: usize,
    /// The half that sends.
    pub sends: LaneCounters,
    /// The half that receives.
    pub receives: LaneCounters,
}

/// What one half of a connection has done, in all its lanes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneCounters {
    /// Frames sent, or received; those that are received again count once.
    pub frames: u64,
    /// Bytes of the ring that they took, headers and padding included.
    pub bytes: u64,
    /// Groups of frames that were published together; of the half that receives: releases of what it had read.
    pub batches: u64,
    /// The most bytes that were seen in the ring and not released; of several rings, in one of them.
    pub high_water: u64,
    /// Calls that had to wait.
    pub waits: u64,
    /// Times that a wait slept in the kernel.
    pub sleeps: u64,
    /// Times that the half woke the peer's.
    pub wakes: u64,
    /// Sends that found the ring full and did not wait.
    pub refused: u64,
    /// Frames that [`Sender::send_or_drop`](crate::Sender::send_or_drop) has dropped.
    pub dropped: u64,
    /// Messages whose encoding (of the half that sends) or decoding was timed: one in 64 with [`Config::timing`](crate::Config::timing), else none.
    pub codec_samples: u64,
    /// Nanoseconds that these took together, without what it takes to read the clock, to copy the bytes and to send or receive them. By `codec_samples`, it is the mean.
    pub codec_nanos: u64,
    /// Frames that were received when they had expired and were dropped ([`Receiver::drop_expired`](crate::Receiver::drop_expired)); `frames` counts them too. Of the half that
    /// sends: frames that were not sent because they had expired, or would have before they are read; not those whose wait in a shared sender was over, for its turn or for room by turns.
    pub expired: u64,
    /// Of `frames` and `bytes`, those of each priority; zeros behind the last one that there is.
    pub by_priority: [PriorityCounters; counters::MOST_LANES],
}

/// What went through one lane of a half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriorityCounters {
    /// Frames sent, or received.
    pub frames: u64,
    /// Bytes of the ring that they took, headers and padding included.
    pub bytes: u64,
}

impl LaneCounters {
    fn new(lane: Lane, each: [Each; counters::MOST_LANES], lanes: usize) -> Self {
        let mut by_priority = each.map(|Each { frames, bytes }| PriorityCounters { frames, bytes });
        if lanes == 1 {
            // Of one lane the sums are all that there is.
            let Lane { frames, bytes, .. } = lane;
            by_priority[0] = PriorityCounters { frames, bytes };
        }
        Self {
            by_priority,
            frames: lane.frames,
            bytes: lane.bytes,
            batches: lane.batches,
            high_water: lane.high_water,
            waits: lane.waits,
            sleeps: lane.sleeps,
            wakes: lane.wakes,
            refused: lane.refused,
            dropped: lane.dropped,
            codec_samples: lane.codec_samples,
            codec_nanos: lane.codec_nanos,
            expired: lane.expired,
        }
    }
}

impl Counters {
    /// Those of this process. The child of a fork has its own, from its first connection on.
    ///
    /// # Errors
    /// What the system answers where the segment has to be made.
    pub fn own() -> Result<Self, Error> {
        let file = Book::here()
            .and_then(Book::descriptor)
            .map_err(|error| Error::io("making the counters", error))?;
        Self::open(file)
    }

    /// Checks what a memory file says of itself.
    pub(crate) fn open(file: OwnedFd) -> Result<Self, Error> {
        let file = File::from(file);
        let mut bytes = [0; size_of::<CountersHeader>()];
        read(&file, 0, &mut bytes)?;
        let header = CountersHeader::read_from_bytes(&bytes)
            .ok()
            .filter(|header| header.magic == counters::MAGIC);
        let Some(header) = header else {
            return Err(Error::new(
                ErrorKind::Malformed,
                "it is no counters segment",
            ));
        };
        if header != CountersHeader::new(header.pid) {
            let text = format!(
                "the counters are of version {}, version {} is known here",
                header.version,
                counters::VERSION
            );
            return Err(Error::new(ErrorKind::Version, text));
        }
        Ok(Self {
            file,
            slots: counters::SLOTS,
        })
    }

    /// What the connections that live have done, in no order.
    ///
    /// # Errors
    /// What the system answers.
    pub fn connections(&self) -> Result<Vec<ConnectionCounters>, Error> {
        let mut found = Vec::new();
        for index in 0..self.slots {
            let offset = counters::slot(index) as u64;
            let mut bytes = [0; counters::SLOT];
            read(&self.file, offset, &mut bytes)?;
            let life = word(&bytes, counters::LIFE);
            if life % 2 == 0 {
                if life == 0 {
                    // Slots are taken in order: none behind it was ever taken.
                    break;
                }
                continue;
            }
            let mut again = [0; 8];
            read(&self.file, offset, &mut again)?;
            if u64::from_le_bytes(again) == life {
                found.push(connection(&bytes));
            }
        }
        Ok(found)
    }

    /// Connections that were made while every slot was taken, or memory was short: nobody counts what they do.
    ///
    /// # Errors
    /// What the system answers.
    pub fn uncounted(&self) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        read(&self.file, counters::UNCOUNTED as u64, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn read(file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
    file.read_exact_at(bytes, offset)
        .map_err(|error| Error::io("reading counters", error))
}

fn word(slot: &[u8; counters::SLOT], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&slot[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The connection in a slot. The process that wrote it may have written anything.
fn connection(slot: &[u8; counters::SLOT]) -> ConnectionCounters {
    let who = word(slot, counters::PEER);
    let length = word(slot, counters::NAME_LENGTH).min(counters::NAME_BYTES as u64) as usize;
    let lanes = word(slot, counters::LANES).clamp(1, counters::MOST_LANES as u64) as usize;
    let half = |from: usize, each: usize| {
        let lane = Lane::read_from_prefix(&slot[from..]);
        let each = <[Each; counters::MOST_LANES]>::read_from_prefix(&slot[each..]);
        LaneCounters::new(
            lane.map(|(lane, _)| lane).unwrap_or_default(),
            each.map(|(each, _)| each).unwrap_or_default(),
            lanes,
        )
    };
    ConnectionCounters {
        name: printable(&slot[counters::NAME..counters::NAME + length]),
        peer_uid: (who & u64::from(u32::MAX)) as u32,
        peer_pid: Some((who >> 32) as u32).filter(|pid| *pid != 0),
        lanes,
        sends: half(counters::SENDS, counters::SENDS_EACH),
        receives: half(counters::RECEIVES, counters::RECEIVES_EACH),
    }
}

impl Counters {
    /// Whether both are one segment, and so of one process.
    pub(super) fn is_same(&self, other: &Self) -> io::Result<bool> {
        let inode = |counters: &Self| counters.file.metadata().map(|status| status.ino());
        Ok(inode(self)? == inode(other)?)
    }
}

impl AsFd for Counters {
    /// The segment, to be handed to whoever may read it: nobody can write it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
