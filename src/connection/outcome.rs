//! What a transfer can answer. Small enums: these are on the fast path.

use crate::layout::violation::Violation;

/// Why a frame was not sent. The payload is still the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room in the ring now. Room comes back in steps of an eighth of the ring, not with each frame that the receiver
    /// reads, so the ring may stay full for a while although frames are taken.
    #[error("the ring is full")]
    Full,
    /// There was no room before the deadline.
    #[error("the ring stayed full until the deadline")]
    TimedOut,
    /// The frame had expired before there was room for it ([`Sender::send_expiring`](crate::Sender::send_expiring)).
    #[error("the frame has expired")]
    Expired,
    /// The frame would expire before the peer comes to it: as fast as the peer has read lately, what is before it takes longer than that
    /// ([`Sender::queue_time`](crate::Sender::queue_time)).
    #[error("the queue is too long: the frame would expire before it is read")]
    QueueTooLong,
    /// Frames that expire cannot be sent here: this process has unshared its time namespace, and cannot tell the host's clock any more (or cannot read
    /// `/proc/self`). A child of it can, with a connection of its own.
    #[error(
        "the host's clock is not known here, as this process has unshared its time namespace (or /proc/self cannot be read): send frames that expire from a child, or before unsharing"
    )]
    Clock,
    /// The payload can never be sent: it is longer than what is certain to fit.
    #[error(
        "a payload of {len} bytes exceeds the largest frame ({max} bytes) of this ring: its client asks for the size (capacity of what it sends into, peer_capacity of what its server does), and max_capacity of the server limits it"
    )]
    TooLarge {
        /// Payload bytes.
        len: usize,
        /// The most that is certain to fit.
        max: usize,
    },
    /// The alignment is not a power of two, or above the one that was configured.
    #[error(
        "alignment {asked} is not a power of two up to the configured {max}: see Config::alignment"
    )]
    Alignment {
        /// What was asked for, in bytes.
        asked: usize,
        /// What was configured, in bytes.
        max: usize,
    },
    /// There is no such priority.
    #[error(
        "priority {asked} was asked for, and the connection has {there}, from 0 on: see Config::lanes, which both sides set"
    )]
    Priority {
        /// What was asked for.
        asked: usize,
        /// How many there are.
        there: usize,
    },
    /// The peer's receiver was closed in order.
    #[error("the peer has closed its receiver")]
    Closed,
    /// The peer closed the connection without a goodbye, and its process lives: it executed another program, or a panic dropped a half of
    /// the connection. A process that ends closes its sockets a moment before the kernel tells of the end, so this is said no earlier than 200 ms
    /// after the socket was first found closed, and waits go on until then (at once where there is no pidfd of the peer).
    #[error("the peer closed the connection without a goodbye")]
    PeerClosed,
    /// The peer's process has ended without a goodbye: killed, or by an exit that dropped nothing.
    #[error("the peer's process has ended")]
    PeerDied,
    /// The peer broke a rule of the lane; the connection is over.
    #[error("the peer broke the protocol: {0}")]
    Protocol(Violation),
    /// The wait was ended from this process before there was room: by an [`Interrupter`](crate::Interrupter), or by a signal
    /// ([`Sender::heed_signals`](crate::Sender::heed_signals)). Nothing was sent, and the connection is as it was.
    #[error("the wait for room was interrupted; nothing was sent")]
    Interrupted,
    /// This is a child of the process that made the connection.
    #[error("the connection belongs to the process that forked this one; connect again here")]
    Forked,
    /// The runtime does not watch the connection's descriptor: it is shut down, or has not got room for it (`epoll` has a limit for each user). The connection
    /// is as it was.
    #[cfg(feature = "tokio")]
    #[error(
        "the runtime does not watch this connection: it is shut down, or the kernel grants no watch (fs.epoll.max_user_watches)"
    )]
    Runtime,
}

impl SendError {
    /// Refuses a priority that is not among those that are `there`.
    pub(crate) fn check_priority(asked: usize, there: usize) -> Result<(), Self> {
        if asked < there {
            Ok(())
        } else {
            Err(Self::Priority { asked, there })
        }
    }
}

/// Why no frame was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// There is no frame now.
    #[error("no frame is waiting")]
    Empty,
    /// There was no frame before the deadline.
    #[error("no frame came before the deadline")]
    TimedOut,
    /// The caller's buffer is shorter than the frame, which stays unread.
    #[error("the frame has {len} bytes, more than the buffer holds; it stays unread")]
    Truncated {
        /// Payload bytes of the frame.
        len: usize,
    },
    /// The peer closed its sender in order, and every frame has been read. A drop by a panic is no orderly close.
    #[error("the peer has closed its sender")]
    Closed,
    /// The peer closed the connection without a goodbye, its process lives, and every frame has been read. Said no earlier than 200 ms after
    /// the socket was first found closed, as [`SendError::PeerClosed`] is.
    #[error("the peer closed the connection without a goodbye")]
    PeerClosed,
    /// The peer's process has ended without a goodbye, and every frame that it committed has been read.
    #[error("the peer's process has ended")]
    PeerDied,
    /// The peer broke a rule of the lane; the connection is over.
    #[error("the peer broke the protocol: {0}")]
    Protocol(Violation),
    /// The wait was ended from this process before a frame came: by an [`Interrupter`](crate::Interrupter), or by a signal
    /// ([`Receiver::heed_signals`](crate::Receiver::heed_signals)). The connection is as it was.
    #[error("the wait for a frame was interrupted")]
    Interrupted,
    /// A wait for the next frame would release the one that is open, since frames are not held ([`Receiver::hold`](crate::Receiver::hold)). Nothing was waited for, and the open
    /// frame is as it was.
    #[error(
        "frames are not held, so a wait for the next one would release the one that is open: see Receiver::hold"
    )]
    Unheld,
    /// This is a child of the process that made the connection.
    #[error("the connection belongs to the process that forked this one; connect again here")]
    Forked,
    /// The runtime does not watch the connection's descriptor: it is shut down, or has not got room for it (`epoll` has a limit for each user). The connection
    /// is as it was.
    #[cfg(feature = "tokio")]
    #[error(
        "the runtime does not watch this connection: it is shut down, or the kernel grants no watch (fs.epoll.max_user_watches)"
    )]
    Runtime,
}

/// The answer of `arm`: whether to go on or to poll the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// There is something to do now (or the connection has ended): call again instead of polling.
    Ready,
    /// Nothing to do: the descriptor becomes readable when there may be.
    Armed,
}

/// How the other side is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Closed,
    PeerClosed,
    PeerDied,
}

impl From<Gone> for SendError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Closed => Self::Closed,
            Gone::PeerClosed => Self::PeerClosed,
            Gone::PeerDied => Self::PeerDied,
        }
    }
}

impl From<Gone> for RecvError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Closed => Self::Closed,
            Gone::PeerClosed => Self::PeerClosed,
            Gone::PeerDied => Self::PeerDied,
        }
    }
}
