//! A process's counters segment: what its connections have done, without a byte of what they carried.
//!
//! A header and then slots of one size, one for each connection that lives. Every word has one writer and stands by itself; a slot's first
//! word says whether the rest is of one connection.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The first eight bytes of the segment.
pub(crate) const MAGIC: [u8; 8] = *b"RINGCNT\0";
/// The version of this layout.
pub(crate) const VERSION: u16 = 1;

/// Bytes of a slot, and of the header.
pub(crate) const SLOT: usize = 512;
/// Slots in a segment; further connections are not counted.
pub(crate) const SLOTS: usize = 255;
/// Bytes of the segment.
pub(crate) const BYTES: usize = SLOT * (1 + SLOTS);

/// Offset in a slot: how many lanes each direction has. 0, as whoever knows nothing of this word leaves it, is one.
pub(crate) const LANES: usize = 24;
/// Offset in the segment: connections that found no slot.
pub(crate) const UNCOUNTED: usize = 128;

/// Offsets in a slot. Odd while a connection has the slot, and another number each time one takes or leaves it.
pub(crate) const LIFE: usize = 0;
/// The peer's uid in the low half, its pid or zero in the high half.
pub(crate) const PEER: usize = 8;
/// Bytes of the name.
pub(crate) const NAME_LENGTH: usize = 16;
/// The last bytes of the path of the listener's socket.
pub(crate) const NAME: usize = 32;
/// Room for the name.
pub(crate) const NAME_BYTES: usize = 96;
/// The words of the half that sends, and of the half that receives: [`Lane`].
pub(crate) const SENDS: usize = 128;
pub(crate) const RECEIVES: usize = 256;
/// What each lane of a half has by itself, one behind the other: [`Each`]. Only where there are several.
pub(crate) const SENDS_EACH: usize = 352;
pub(crate) const RECEIVES_EACH: usize = 416;
/// Lanes of a direction at the most.
pub(crate) const MOST_LANES: usize = super::control::LANES;

/// The beginning of the segment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct CountersHeader {
    /// [`MAGIC`].
    pub(crate) magic: [u8; 8],
    /// [`VERSION`].
    pub(crate) version: u16,
    pub(crate) reserved: u16,
    /// [`SLOT`], [`SLOTS`], and where the first one is.
    pub(crate) slot_bytes: u32,
    pub(crate) slots: u32,
    pub(crate) first: u32,
    /// The process, by its own reckoning.
    pub(crate) pid: u32,
    pub(crate) reserved_too: u32,
}

impl CountersHeader {
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            reserved: 0,
            slot_bytes: SLOT as u32,
            slots: SLOTS as u32,
            first: SLOT as u32,
            pid,
            reserved_too: 0,
        }
    }
}

/// What one half counts.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub(crate) struct Lane {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) batches: u64,
    pub(crate) high_water: u64,
    pub(crate) waits: u64,
    pub(crate) sleeps: u64,
    pub(crate) wakes: u64,
    pub(crate) refused: u64,
    pub(crate) dropped: u64,
    pub(crate) codec_samples: u64,
    pub(crate) codec_nanos: u64,
    pub(crate) expired: u64,
}

/// What one of several lanes of a half counts.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub(crate) struct Each {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// Offset of a slot in the segment.
pub(crate) const fn slot(index: usize) -> usize {
    SLOT * (1 + index)
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<CountersHeader>() == 32);
    assert!(BYTES == 131_072);
    assert!(size_of::<CountersHeader>() <= UNCOUNTED && UNCOUNTED < SLOT);
    assert!(NAME + NAME_BYTES == SENDS && SENDS + size_of::<Lane>() <= RECEIVES);
    assert!(NAME_LENGTH + 8 <= LANES && LANES + 8 <= NAME);
    assert!(RECEIVES + size_of::<Lane>() <= SENDS_EACH);
    assert!(SENDS_EACH + MOST_LANES * size_of::<Each>() <= RECEIVES_EACH);
    assert!(RECEIVES_EACH + MOST_LANES * size_of::<Each>() <= SLOT);
    assert!(offset_of!(Lane, waits) == 32 && offset_of!(Lane, refused) == 56);
    assert!(offset_of!(Lane, codec_samples) == 72 && offset_of!(Lane, expired) == 88);
};
