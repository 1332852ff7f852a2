//! The control area at the start of every segment: who owns it, what is in it, and the words that its owner publishes.
//!
//! Static bytes come first, so that a tool can read a segment without having seen the handshake; a peer uses the values of the
//! handshake and never these. Words that change sit 128 bytes apart, so that neither a cache line nor the adjacent-line
//! prefetcher of x86 ties two of them together. The distances are part of the format: they do not follow the architecture.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::geometry::Geometry;
use super::schemas::{Announced, SCHEMAS};
use super::{MAGIC, VERSION};

/// Bytes in the control area's defined part. Schemas follow ([`super::schemas`]), and the ring begins at the next page.
pub(crate) const CONTROL: usize = 4096;
/// The most lanes per direction.
pub(crate) const LANES: usize = 4;

/// Offset of the sender's words of lane 0: the anchor (a published tail), the claim, and twice the number of frames before the anchor.
pub(crate) const SENDER: usize = 0x400;
/// Offset of lane 0's claim: the sender writes nothing at or behind this position.
pub(crate) const CLAIM: usize = SENDER + 8;
/// Offset of the number of frames before lane 0's anchor, stored before the anchor is.
pub(crate) const COMING: usize = SENDER + 16;
/// Offset of the same number, stored behind the anchor.
pub(crate) const COME: usize = SENDER + 24;
/// Offset of the receiver's words of lane 0: released, taken.
pub(crate) const RECEIVER: usize = 0x600;
/// Offset of lane 0's taken: the receiver has handed out nothing at or behind this position. Only where the connection can be resumed.
pub(crate) const TAKEN: usize = RECEIVER + 8;
/// Offset of the park epoch of the half that waits for data.
pub(crate) const RECEIVER_EPOCH: usize = 0x800;
/// Offset of the park epoch of the half that waits for space.
pub(crate) const SENDER_EPOCH: usize = 0x880;
/// Offset of the word that says how the sender fences: 0, each commit carries a full barrier; else none does, and whoever sleeps has one made.
pub(crate) const FENCE_MODE: usize = 0x900;
/// Offset of the word by which the receiver says that it follows large frames, and would be woken when one begins: 0, it does not.
pub(crate) const FOLLOWS: usize = 0x980;
/// Offset of lane 0's announcement: up to this position the sender has written the payload of the frame at its published tail, if it lies in that payload.
pub(crate) const ANNOUNCED: usize = 0xa00;

/// The epoch of a half that is closed for good. Odd, like that of a parked half, so that the fast path needs no second test.
pub(crate) const CLOSED_EPOCH: u64 = u64::MAX;

/// Bytes from the words of a lane to those of the next, of the sender's and of the receiver's.
pub(crate) const APART: usize = 128;

/// One lane's entry in the static part.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub(crate) struct LaneEntry {
    /// Where the ring begins in the segment, in bytes.
    pub(crate) offset: u64,
    /// Bytes in the ring; zero: no such lane.
    pub(crate) capacity: u64,
    /// Position of the first frame.
    pub(crate) start: u64,
    /// The receiver publishes its released position at least every so many bytes.
    pub(crate) step: u32,
    /// The largest payload alignment.
    pub(crate) alignment: u32,
    /// Its rank, which is its number: 0 is served first.
    pub(crate) priority: u32,
    /// Reserved, zero.
    pub(crate) flags: u32,
}

/// The static part of a segment, at offset 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct ControlBlock {
    /// [`MAGIC`].
    pub(crate) magic: [u8; 8],
    /// Version of this layout.
    pub(crate) version: u16,
    /// Lanes in use.
    pub(crate) lanes: u16,
    /// [`CONTROL`].
    pub(crate) control: u32,
    /// Bytes in the segment.
    pub(crate) size: u64,
    /// Features agreed on in the handshake.
    pub(crate) features: u64,
    /// Codec of the payload; 0: bytes, or messages that are read as they lie.
    pub(crate) codec: u32,
    /// Bytes in the area of the schemas; zero: none.
    pub(crate) schema_bytes: u32,
    /// Where it begins; zero: there is none.
    pub(crate) schema_offset: u64,
    /// Fingerprint of the schema of what the owner sends; zero: bytes without a meaning.
    pub(crate) schema_fingerprint: [u8; 16],
    /// Names the line of connections that this one belongs to, of which each resumes the one before; zero: it cannot be resumed.
    pub(crate) resume_token: [u8; 16],
    /// Reserved, zero; brings the lane table to offset 128.
    pub(crate) reserved: [u8; 48],
    /// The lanes that the segment's owner sends into.
    pub(crate) lane: [LaneEntry; LANES],
}

impl ControlBlock {
    /// The block of a segment with so many lanes, at most [`LANES`], whose rings lie one behind the other from `ring_offset` on, of bytes
    /// without a meaning.
    pub(crate) fn new(geometry: &Geometry, lanes: u32, ring_offset: u64, features: u64) -> Self {
        let mut lane = [LaneEntry::default(); LANES];
        for (priority, entry) in (0..lanes).zip(&mut lane) {
            *entry = LaneEntry {
                offset: ring_offset + u64::from(priority) * geometry.capacity,
                capacity: geometry.capacity,
                start: geometry.start,
                step: geometry.step as u32,
                alignment: geometry.alignment,
                priority,
                flags: 0,
            };
        }
        Self {
            magic: MAGIC,
            version: VERSION,
            lanes: lanes as u16,
            control: CONTROL as u32,
            size: ring_offset + u64::from(lanes) * geometry.capacity,
            features,
            codec: 0,
            schema_bytes: 0,
            schema_offset: 0,
            schema_fingerprint: [0; 16],
            resume_token: [0; 16],
            reserved: [0; 48],
            lane,
        }
    }

    /// The same with an area of schemas.
    pub(crate) fn with_schemas(self, codec: u32, announced: &Announced) -> Self {
        let bytes = announced.bytes;
        Self {
            codec,
            schema_bytes: bytes,
            schema_offset: if bytes == 0 { 0 } else { SCHEMAS as u64 },
            schema_fingerprint: announced.fingerprint,
            ..self
        }
    }

    /// The same of a line of connections, with a start for each lane.
    pub(crate) fn with_lineage(mut self, token: [u8; 16], starts: &[u64; LANES]) -> Self {
        self.resume_token = token;
        let lanes = self.lane.iter_mut().filter(|entry| entry.capacity != 0);
        for (entry, start) in lanes.zip(starts) {
            entry.start = *start;
        }
        self
    }
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<LaneEntry>() == 40);
    assert!(offset_of!(ControlBlock, version) == 8);
    assert!(offset_of!(ControlBlock, size) == 16);
    assert!(offset_of!(ControlBlock, features) == 24);
    assert!(offset_of!(ControlBlock, codec) == 32);
    assert!(offset_of!(ControlBlock, schema_offset) == 40);
    assert!(offset_of!(ControlBlock, schema_fingerprint) == 48);
    assert!(offset_of!(ControlBlock, resume_token) == 64);
    assert!(offset_of!(ControlBlock, lane) == 128);
    assert!(size_of::<ControlBlock>() == 288);
    assert!(size_of::<ControlBlock>() <= SENDER);
    assert!(SENDER + LANES * APART <= RECEIVER && RECEIVER + LANES * APART <= RECEIVER_EPOCH);
    assert!(FENCE_MODE + 128 <= FOLLOWS && FOLLOWS + 128 <= ANNOUNCED);
    assert!(ANNOUNCED + LANES * APART <= CONTROL);
};
