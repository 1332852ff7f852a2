//! The six handshake messages, each of one fixed size, in the byte order of the host (both sides are on it).
//!
//! ```text
//! client                     server
//!   Hello      ------------>          what it can do and would like
//!              <------------ Welcome  what was agreed, and the server's segment and bells
//!   Attach     ------------>          the client's segment and bells
//!              <------------ Ready    mapped: frames may flow
//!              <------------ Refuse   in place of Welcome or Ready: what differs
//!   Refuse     ------------>          in place of Attach, or as the answer to a Ready that is none
//!              <------------ Shown    to an observer who may read along: one connection
//! ```
//!
//! Every message is in its final size with room for what later work needs. Reserved bytes are sent as zero and not looked at,
//! unless a feature bit that both sides set gives them a meaning.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::control::LANES;
use super::geometry::{Geometry, Misfit};
use super::schemas::Announced;
use super::{MAGIC, VERSION, printable};
use crate::planted::{Check, is_left_out};

/// The receiver of this side will only ever spin: no barrier and no bell is needed to send to it.
pub(crate) const RECEIVER_SPINS: u32 = 1 << 0;
/// The sender of this side will only ever spin for space.
pub(crate) const SENDER_SPINS: u32 = 1 << 1;
/// All bits of `waits` that have a meaning.
pub(crate) const WAITS: u32 = RECEIVER_SPINS | SENDER_SPINS;

/// The segment has huge pages.
pub(crate) const SEGMENT_HUGE: u32 = 1 << 0;

/// Feature: whoever sleeps has a barrier made everywhere (`membarrier`) when its peer's sender says that it leaves its own out.
pub(crate) const FEATURE_MEMBARRIER: u64 = 1 << 0;

/// Feature: the client can resume the connection with another incarnation of the server, which says for that how far it has handed frames out (`taken`), and takes frames that
/// are sent again.
pub(crate) const FEATURE_RESUME: u64 = 1 << 1;

/// Features that this build knows.
pub(crate) const FEATURES: u64 = FEATURE_MEMBARRIER | FEATURE_RESUME;

/// The role of a peer that exchanges frames.
pub(crate) const ROLE_PEER: u16 = 0;
/// The role of an observer, who is given the server's counters and schemas with the Welcome, and nothing else.
pub(crate) const ROLE_OBSERVER: u16 = 1;

/// What an observer asks for besides counters and schemas: the segments of connections, so as to read frames along.
pub(crate) const OBSERVES_PAYLOAD: u32 = 1 << 0;

/// The longest text of a refusal, in bytes.
pub(crate) const REFUSAL_TEXT: usize = 232;

/// Which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Hello = 1,
    Welcome = 2,
    Attach = 3,
    Ready = 4,
    Refuse = 5,
    Shown = 6,
}

/// The first sixteen bytes of every message.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Prefix {
    pub(crate) magic: [u8; 8],
    pub(crate) kind: u32,
    /// Bytes in the whole message.
    pub(crate) length: u32,
}

impl Prefix {
    pub(crate) const fn new<T>(kind: Kind) -> Self {
        Self {
            magic: MAGIC,
            kind: kind as u32,
            length: size_of::<T>() as u32,
        }
    }
}

/// Client to server, first. Carries no descriptor.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Hello {
    pub(crate) prefix: Prefix,
    /// The oldest and the newest version that the client speaks.
    pub(crate) oldest_version: u16,
    pub(crate) newest_version: u16,
    /// [`ROLE_PEER`] or [`ROLE_OBSERVER`].
    pub(crate) role: u16,
    /// Lanes that the client would like to have in each direction, 1 at least. It is given no more.
    pub(crate) lanes: u16,
    /// Features that the client can use, and those that it cannot do without.
    pub(crate) features: u64,
    pub(crate) required_features: u64,
    /// The ring that the client would like to send into, and to receive from, in bytes.
    pub(crate) send_capacity: u64,
    pub(crate) receive_capacity: u64,
    /// The largest ring that the client is ready to map.
    pub(crate) receive_limit: u64,
    /// How the client's halves wait: [`RECEIVER_SPINS`], [`SENDER_SPINS`].
    pub(crate) waits: u32,
    /// Codec of the payload, the same on both sides; 0: bytes, or messages that are read as they lie.
    pub(crate) codec: u32,
    /// Fingerprint of the schema of what the client sends; zero: bytes without a meaning. And the bytes of the area of schemas in its
    /// segment ([`super::schemas`]); zero: none.
    pub(crate) schema_fingerprint: [u8; 16],
    pub(crate) schema_bytes: u32,
    /// Reserved: priorities of up to four lanes.
    pub(crate) priorities: [u8; 4],
    /// With [`FEATURE_RESUME`]: names the line of connections, the client's to choose and not zero; where the client's lane 0 starts; and how many connections of the line there were
    /// before; zero: a new one.
    pub(crate) resume_token: [u8; 16],
    pub(crate) resume_position: u64,
    pub(crate) generation: u32,
    pub(crate) reserved_first: [u8; 4],
    /// What an observer asks for besides counters and schemas: [`OBSERVES_PAYLOAD`].
    pub(crate) observes: u32,
    pub(crate) reserved: [u8; 4],
    /// Of an observer: the last connection that it was shown; zero: none yet.
    pub(crate) after: u64,
    pub(crate) reserved_too: [u8; 112],
}

/// Where a segment's ring is and how it is used; announced with the descriptor.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct SegmentOffer {
    /// Bytes in the segment: control area and rings.
    pub(crate) size: u64,
    /// Bytes in the control area: where the first ring begins. The others follow it.
    pub(crate) ring_offset: u64,
    /// Bytes in a ring, each of them.
    pub(crate) capacity: u64,
    /// Position of the first frame.
    pub(crate) start: u64,
    pub(crate) step: u32,
    pub(crate) alignment: u32,
    /// [`SEGMENT_HUGE`].
    pub(crate) flags: u32,
    /// Lanes in the segment: as many as were agreed on.
    pub(crate) lanes: u32,
}

impl SegmentOffer {
    pub(crate) fn new(geometry: &Geometry, lanes: u32, ring_offset: u64, huge: bool) -> Self {
        Self {
            size: ring_offset + u64::from(lanes) * geometry.capacity,
            ring_offset,
            capacity: geometry.capacity,
            start: geometry.start,
            step: geometry.step as u32,
            alignment: geometry.alignment,
            flags: if huge { SEGMENT_HUGE } else { 0 },
            lanes,
        }
    }

    /// The geometry, if it keeps every rule.
    pub(crate) fn geometry(&self) -> Result<Geometry, Misfit> {
        let geometry = Geometry {
            capacity: self.capacity,
            step: self.step.into(),
            alignment: self.alignment,
            start: self.start,
        };
        geometry.check().map(|()| geometry)
    }
}

/// Server to client, second. Descriptors: the server's segment; the bell of its receiver unless that only spins; the bell
/// of its sender unless that only spins.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Welcome {
    pub(crate) prefix: Prefix,
    /// The version that both sides now speak.
    pub(crate) version: u16,
    /// Lanes in each direction: no more than the client asked for.
    pub(crate) lanes: u16,
    /// How the server's halves wait.
    pub(crate) waits: u32,
    /// Features that both sides now use.
    pub(crate) features: u64,
    /// The ring that the client shall send into, in bytes: at most what it asked for.
    pub(crate) send_capacity: u64,
    pub(crate) offer: SegmentOffer,
    /// As in [`Hello`], of the server.
    pub(crate) codec: u32,
    pub(crate) schema_bytes: u32,
    pub(crate) schema_fingerprint: [u8; 16],
    /// That of the Hello, with [`FEATURE_RESUME`]; else zero.
    pub(crate) resume_token: [u8; 16],
    /// Reserved.
    pub(crate) resume_position: u64,
    pub(crate) reserved_first: [u8; 8],
    pub(crate) reserved: [u8; 112],
}

/// Client to server, third. Descriptors as in [`Welcome`], of the client.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Attach {
    pub(crate) prefix: Prefix,
    pub(crate) offer: SegmentOffer,
    /// With [`FEATURE_RESUME`]: where each lane starts; the first is that of the offer, and of lanes that are not there it is zero.
    pub(crate) starts: [u64; LANES],
    pub(crate) reserved: [u8; 32],
}

/// Server to client, last: both segments are mapped.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Ready {
    pub(crate) prefix: Prefix,
    pub(crate) reserved: [u8; 48],
}

/// Server to observer, behind the Welcome: one of the connections whose frames may be read along. Descriptors: the server's segment, the
/// client's.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Shown {
    pub(crate) prefix: Prefix,
    /// Its number, unlike that of any other connection of the process, and ascending.
    pub(crate) connection: u64,
    /// The client, as the server sees it; a pid of zero: it has none there.
    pub(crate) uid: u32,
    pub(crate) pid: u32,
    pub(crate) server: SegmentOffer,
    pub(crate) client: SegmentOffer,
    /// As in [`Hello`], of the client.
    pub(crate) schema_bytes: u32,
    pub(crate) reserved: u32,
    pub(crate) schema_fingerprint: [u8; 16],
    pub(crate) reserved_too: [u8; 104],
}

/// Either side: the handshake is over, and why.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Refuse {
    pub(crate) prefix: Prefix,
    /// A number for programs: [`Reason`].
    pub(crate) reason: u32,
    /// Bytes of `text` in use.
    pub(crate) text_bytes: u32,
    /// UTF-8 for people.
    pub(crate) text: [u8; REFUSAL_TEXT],
}

/// Why a handshake was refused, as a number on the wire. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    Uid = 1,
    Version = 2,
    Feature = 3,
    Role = 4,
    Malformed = 5,
    Descriptors = 6,
    Segment = 7,
    Geometry = 8,
    Resources = 9,
    Bell = 10,
    Deadline = 11,
    Schema = 12,
    Busy = 13,
}

impl Reason {
    /// Every reason, in the order of the numbers, which begin at 1 and leave none out.
    pub(crate) const ALL: [Self; 13] = [
        Self::Uid,
        Self::Version,
        Self::Feature,
        Self::Role,
        Self::Malformed,
        Self::Descriptors,
        Self::Segment,
        Self::Geometry,
        Self::Resources,
        Self::Bell,
        Self::Deadline,
        Self::Schema,
        Self::Busy,
    ];

    pub(crate) fn from_wire(value: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u32 == value)
    }
}

impl Welcome {
    /// What every Welcome says, to a client that speaks `newest_version` at most. It grants no lane and no ring: those are added.
    pub(crate) fn new(newest_version: u16, codec: u32, schemas: &Announced) -> Self {
        Self {
            prefix: Prefix::new::<Self>(Kind::Welcome),
            version: VERSION.min(newest_version),
            codec,
            schema_bytes: schemas.bytes,
            schema_fingerprint: schemas.fingerprint,
            ..Self::new_zeroed()
        }
    }
}

impl Refuse {
    /// A refusal with the first line of `text`; a longer one is cut at a character boundary.
    pub(crate) fn new(reason: Reason, text: &str) -> Self {
        let text = text.lines().next().unwrap_or_default();
        let mut end = text.len().min(REFUSAL_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; REFUSAL_TEXT];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self {
            prefix: Prefix::new::<Self>(Kind::Refuse),
            reason: reason as u32,
            text_bytes: end as u32,
            text: bytes,
        }
    }

    /// The text, with anything unprintable replaced: it comes from a peer and goes to a terminal.
    pub(crate) fn text(&self) -> String {
        if is_left_out(Check::RefusalText) {
            return printable(&self.text[..self.text_bytes as usize]);
        }
        let bytes = self
            .text
            .get(..self.text_bytes as usize)
            .unwrap_or(&self.text);
        printable(bytes)
    }
}

/// The longest message, in bytes: what a receive buffer needs.
pub(crate) const LONGEST: usize = size_of::<Hello>();

const _: () = {
    assert!(size_of::<Prefix>() == 16);
    assert!(size_of::<SegmentOffer>() == 48);
    assert!(size_of::<Hello>() == 256);
    assert!(size_of::<Welcome>() == 256);
    assert!(size_of::<Attach>() == 128);
    assert!(size_of::<Ready>() == 64);
    assert!(size_of::<Refuse>() == 256);
    assert!(size_of::<Shown>() == 256);
};

/// Which message `bytes` is, if its prefix is sound and its length is that of its kind.
pub(crate) fn kind(bytes: &[u8]) -> Option<Kind> {
    let (prefix, _) = Prefix::read_from_prefix(bytes).ok()?;
    if prefix.magic != MAGIC || prefix.length as usize != bytes.len() {
        return None;
    }
    let sizes = [
        (Kind::Hello, size_of::<Hello>()),
        (Kind::Welcome, size_of::<Welcome>()),
        (Kind::Attach, size_of::<Attach>()),
        (Kind::Ready, size_of::<Ready>()),
        (Kind::Refuse, size_of::<Refuse>()),
        (Kind::Shown, size_of::<Shown>()),
    ];
    sizes
        .into_iter()
        .find(|(kind, size)| *kind as u32 == prefix.kind && *size == bytes.len())
        .map(|(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_prefix_and_length() {
        let ready = Ready {
            prefix: Prefix::new::<Ready>(Kind::Ready),
            reserved: [0; 48],
        };
        assert_eq!(kind(ready.as_bytes()), Some(Kind::Ready));
        assert_eq!(kind(&ready.as_bytes()[..63]), None);
        let mut bytes = ready.as_bytes().to_vec();
        bytes[0] ^= 1;
        assert_eq!(kind(&bytes), None, "magic");
        let mut bytes = ready.as_bytes().to_vec();
        bytes[8] = 3;
        assert_eq!(kind(&bytes), None, "kind and length disagree");
        assert_eq!(kind(&[]), None);
    }

    #[test]
    fn refusal_text_is_cut_at_a_character_and_made_printable() {
        let long = "é".repeat(200);
        let refuse = Refuse::new(Reason::Uid, &long);
        assert_eq!(refuse.text(), "é".repeat(REFUSAL_TEXT / 2));
        assert_eq!(
            Refuse::new(Reason::Uid, "a\x1b[2Jb").text(),
            "a\u{fffd}[2Jb"
        );
        // What turns the direction of what follows steers a terminal too.
        assert_eq!(
            Refuse::new(Reason::Uid, "a\u{202e}b\u{200b}").text(),
            "a\u{fffd}b\u{fffd}"
        );
        assert_eq!(Refuse::new(Reason::Schema, "one\ntwo").text(), "one");
        let lying = Refuse {
            text_bytes: u32::MAX,
            ..Refuse::new(Reason::Uid, "x")
        };
        assert!(lying.text().starts_with('x'));
        assert_eq!(Reason::from_wire(7), Some(Reason::Segment));
        assert_eq!(Reason::from_wire(99), None);
    }
}
