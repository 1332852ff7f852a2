//! What every function answers.

use std::ffi::CStr;

/// What a function answers: zero, or why nothing was done. `ringway_last_error()` has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum ringway_status {
    /// It is done.
    RINGWAY_OK = 0,
    /// There is no frame now. Also: no client; the batch is over; a connection is not resumed yet.
    RINGWAY_EMPTY = 1,
    /// There is no room in the ring now.
    RINGWAY_FULL = 2,
    /// It did not happen in the time that was given.
    RINGWAY_TIMED_OUT = 3,
    /// The peer has closed its half in order, and everything that it sent was received.
    RINGWAY_CLOSED = 4,
    /// The peer closed the connection without a goodbye, and its process lives.
    RINGWAY_PEER_CLOSED = 5,
    /// The peer's process has ended without a goodbye.
    RINGWAY_PEER_DIED = 6,
    /// The peer broke a rule, which the detail names. The connection is over.
    RINGWAY_PROTOCOL = 7,
    /// The handle belongs to the process that forked this one.
    RINGWAY_FORKED = 8,
    /// The frame is longer than the buffer, and stays unread. Also: a text is longer than the buffer for it.
    RINGWAY_TRUNCATED = 9,
    /// The payload is longer than what fits into the ring.
    RINGWAY_TOO_LARGE = 10,
    /// The alignment is no power of two, or above the one that was configured.
    RINGWAY_ALIGNMENT = 11,
    /// The connection has no such priority.
    RINGWAY_PRIORITY = 12,
    /// The frame had expired before there was room for it.
    RINGWAY_EXPIRED = 13,
    /// The frame would expire before the peer comes to it.
    RINGWAY_QUEUE_TOO_LONG = 14,
    /// The host's clock is not known here, or a moment is beyond what it can tell.
    RINGWAY_CLOCK = 15,
    /// The wait was ended by `ringway_interrupter_interrupt`; nothing was sent or received.
    RINGWAY_INTERRUPTED = 16,
    /// A pointer is NULL, or a number makes no sense: the detail says which.
    RINGWAY_INVALID_ARGUMENT = 32,
    /// A reservation, a group, a frame or a batch is open (or is not, and should be): the detail says which.
    RINGWAY_OUT_OF_TURN = 33,
    /// A fault of the library: free the handle, and report the detail.
    RINGWAY_PANICKED = 34,
    /// The schema has no such record or field, or the counters have no such name.
    RINGWAY_NO_SUCH_FIELD = 35,
    /// A shortest way does not lead on: nothing was done, and the function for everything does it, or knows why not.
    RINGWAY_NOT_AT_ONCE = 36,
    /// An option is out of its range.
    RINGWAY_INVALID_CONFIG = 64,
    /// A name has a letter that is not allowed.
    RINGWAY_INVALID_NAME = 65,
    /// A name or path is too long.
    RINGWAY_NAME_TOO_LONG = 66,
    /// Somebody listens under the name.
    RINGWAY_NAME_TAKEN = 67,
    /// Nobody listens under the name.
    RINGWAY_NOT_FOUND = 68,
    /// The directory for names cannot be used.
    RINGWAY_DIRECTORY = 69,
    /// The uid of one side is not admitted by the other.
    RINGWAY_UID_REFUSED = 70,
    /// The sides speak different versions of the protocol.
    RINGWAY_VERSION = 71,
    /// The sides do not agree on a feature.
    RINGWAY_FEATURE = 72,
    /// A message makes no sense: of the handshake, or one of a typed channel.
    RINGWAY_MALFORMED = 73,
    /// The descriptors in the handshake are wrong.
    RINGWAY_DESCRIPTORS = 74,
    /// The peer's segment is not what it should be.
    RINGWAY_SEGMENT = 75,
    /// The peer's ring is not what it should be.
    RINGWAY_GEOMETRY = 76,
    /// The host or the process has not enough of something, which the detail names.
    RINGWAY_RESOURCES = 77,
    /// What one side sends is not compatible with what the other expects; or a schema breaks a rule.
    RINGWAY_SCHEMA = 78,
    /// The listener has no room now, or takes no more clients.
    RINGWAY_BUSY = 79,
    /// The peer went away during the handshake.
    RINGWAY_PEER_GONE = 80,
    /// The system answered something else.
    RINGWAY_IO = 81,
    /// The server of a connection that is to be resumed lives, or the kernel has not told of its end yet: go on with the connection.
    RINGWAY_PEER_LIVES = 82,
    /// Frames of a connection that is to be resumed were not received: receive until it says how it ended.
    RINGWAY_UNREAD = 83,
    /// Something that this version of the header has no name for.
    RINGWAY_OTHER = 127,
}

impl ringway_status {
    /// Words for it, where there is no detail.
    pub(crate) fn text(self) -> &'static CStr {
        use ringway_status as S;
        match self {
            S::RINGWAY_OK => c"it is done",
            S::RINGWAY_EMPTY => c"nothing is there now: no frame, no client, or no next server",
            S::RINGWAY_FULL => c"the ring is full",
            S::RINGWAY_TIMED_OUT => c"the time is up",
            S::RINGWAY_CLOSED => c"the peer has closed the connection",
            S::RINGWAY_PEER_CLOSED => c"the peer closed the connection without a goodbye",
            S::RINGWAY_PEER_DIED => c"the peer's process has ended",
            S::RINGWAY_PROTOCOL => c"the peer broke the protocol",
            S::RINGWAY_FORKED => c"the handle belongs to the process that forked this one",
            S::RINGWAY_TRUNCATED => c"the buffer is too short",
            S::RINGWAY_TOO_LARGE => c"the payload is longer than the largest frame",
            S::RINGWAY_ALIGNMENT => c"the alignment is not possible",
            S::RINGWAY_PRIORITY => c"there is no such priority",
            S::RINGWAY_EXPIRED => c"the frame has expired",
            S::RINGWAY_QUEUE_TOO_LONG => c"the queue is too long",
            S::RINGWAY_CLOCK => c"the host's clock is not known here",
            S::RINGWAY_INTERRUPTED => c"the wait was interrupted",
            S::RINGWAY_INVALID_ARGUMENT => c"an argument is invalid",
            S::RINGWAY_OUT_OF_TURN => c"the call is out of turn",
            S::RINGWAY_PANICKED => c"a fault of the library",
            S::RINGWAY_NO_SUCH_FIELD => c"there is no such field",
            S::RINGWAY_NOT_AT_ONCE => {
                c"the shortest way does not lead on: use the function for everything"
            }
            S::RINGWAY_INVALID_CONFIG => c"an option is out of its range",
            S::RINGWAY_INVALID_NAME => c"the name is invalid",
            S::RINGWAY_NAME_TOO_LONG => c"the name is too long",
            S::RINGWAY_NAME_TAKEN => c"the name is taken",
            S::RINGWAY_NOT_FOUND => c"nobody listens there",
            S::RINGWAY_DIRECTORY => c"the directory for names cannot be used",
            S::RINGWAY_UID_REFUSED => c"the uid is not admitted",
            S::RINGWAY_VERSION => c"the versions differ",
            S::RINGWAY_FEATURE => c"the sides do not agree on a feature",
            S::RINGWAY_MALFORMED => c"a message makes no sense",
            S::RINGWAY_DESCRIPTORS => c"the descriptors in the handshake are wrong",
            S::RINGWAY_SEGMENT => c"the peer's segment is not what it should be",
            S::RINGWAY_GEOMETRY => c"the peer's ring is not what it should be",
            S::RINGWAY_RESOURCES => c"there is not enough of something",
            S::RINGWAY_SCHEMA => c"the schemas are not compatible",
            S::RINGWAY_BUSY => c"the listener has no room",
            S::RINGWAY_PEER_GONE => c"the peer went away during the handshake",
            S::RINGWAY_IO => c"the system refused",
            S::RINGWAY_PEER_LIVES => c"the peer lives",
            S::RINGWAY_UNREAD => c"frames have not been received",
            S::RINGWAY_OTHER => c"something without a name",
        }
    }

    pub(crate) const ALL: &'static [Self] = {
        use ringway_status as S;
        &[
            S::RINGWAY_OK,
            S::RINGWAY_EMPTY,
            S::RINGWAY_FULL,
            S::RINGWAY_TIMED_OUT,
            S::RINGWAY_CLOSED,
            S::RINGWAY_PEER_CLOSED,
            S::RINGWAY_PEER_DIED,
            S::RINGWAY_PROTOCOL,
            S::RINGWAY_FORKED,
            S::RINGWAY_TRUNCATED,
            S::RINGWAY_TOO_LARGE,
            S::RINGWAY_ALIGNMENT,
            S::RINGWAY_PRIORITY,
            S::RINGWAY_EXPIRED,
            S::RINGWAY_QUEUE_TOO_LONG,
            S::RINGWAY_CLOCK,
            S::RINGWAY_INTERRUPTED,
            S::RINGWAY_INVALID_ARGUMENT,
            S::RINGWAY_OUT_OF_TURN,
            S::RINGWAY_PANICKED,
            S::RINGWAY_NO_SUCH_FIELD,
            S::RINGWAY_NOT_AT_ONCE,
            S::RINGWAY_INVALID_CONFIG,
            S::RINGWAY_INVALID_NAME,
            S::RINGWAY_NAME_TOO_LONG,
            S::RINGWAY_NAME_TAKEN,
            S::RINGWAY_NOT_FOUND,
            S::RINGWAY_DIRECTORY,
            S::RINGWAY_UID_REFUSED,
            S::RINGWAY_VERSION,
            S::RINGWAY_FEATURE,
            S::RINGWAY_MALFORMED,
            S::RINGWAY_DESCRIPTORS,
            S::RINGWAY_SEGMENT,
            S::RINGWAY_GEOMETRY,
            S::RINGWAY_RESOURCES,
            S::RINGWAY_SCHEMA,
            S::RINGWAY_BUSY,
            S::RINGWAY_PEER_GONE,
            S::RINGWAY_IO,
            S::RINGWAY_PEER_LIVES,
            S::RINGWAY_UNREAD,
            S::RINGWAY_OTHER,
        ]
    };
}
