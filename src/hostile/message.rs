//! The messages of a handshake, of which a script changes what it likes.

use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::{CONTROL, RING};
use crate::layout::VERSION;
use crate::layout::geometry::Geometry;
use crate::layout::handshake::{
    Attach, Hello, Kind, Prefix, Ready, Reason, Refuse, SegmentOffer, Welcome,
};

/// A message that a script changes byte by byte: `docs/PROTOCOL.md` has the offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(
    /// Its bytes.
    pub Vec<u8>,
);

impl Message {
    fn new(message: &(impl IntoBytes + Immutable)) -> Self {
        Self(message.as_bytes().to_vec())
    }

    /// Puts a number at an offset.
    #[must_use]
    pub fn u16(self, at: usize, value: u16) -> Self {
        self.bytes(at, &value.to_ne_bytes())
    }

    /// The same.
    #[must_use]
    pub fn u32(self, at: usize, value: u32) -> Self {
        self.bytes(at, &value.to_ne_bytes())
    }

    /// The same.
    #[must_use]
    pub fn u64(self, at: usize, value: u64) -> Self {
        self.bytes(at, &value.to_ne_bytes())
    }

    /// Puts bytes at an offset.
    #[must_use]
    pub fn bytes(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Puts an offer of so many lanes there, in order, with rings of [`RING`] bytes.
    #[must_use]
    pub fn offer(self, at: usize, lanes: usize) -> Self {
        self.offer_of(at, lanes, CONTROL, RING)
    }

    /// The same with rings of `ring` bytes, of which the first begins at `first`.
    #[must_use]
    pub fn offer_of(self, at: usize, lanes: usize, first: usize, ring: usize) -> Self {
        let geometry = Geometry::new(ring as u64, 8, 0);
        let offer = SegmentOffer::new(&geometry, lanes as u32, first as u64, false);
        self.bytes(at, offer.as_bytes())
    }

    /// The number at an offset.
    pub fn read_u64(&self, at: usize) -> u64 {
        let bytes = self.0[at..at + 8].try_into();
        u64::from_ne_bytes(bytes.expect("eight bytes"))
    }
}

/// A Hello that is in order, of a client that asks for one lane of [`RING`] bytes in each direction.
pub fn hello() -> Message {
    Message::new(&Hello {
        prefix: Prefix::new::<Hello>(Kind::Hello),
        oldest_version: VERSION,
        newest_version: VERSION,
        lanes: 1,
        send_capacity: RING as u64,
        receive_capacity: RING as u64,
        receive_limit: 1 << 20,
        ..Hello::new_zeroed()
    })
}

/// A Welcome that is in order and answers that.
pub fn welcome() -> Message {
    let welcome = Welcome {
        prefix: Prefix::new::<Welcome>(Kind::Welcome),
        version: VERSION,
        lanes: 1,
        send_capacity: RING as u64,
        ..Welcome::new_zeroed()
    };
    Message::new(&welcome).offer(40, 1)
}

/// An Attach that is in order, of one lane.
pub fn attach() -> Message {
    let attach = Attach {
        prefix: Prefix::new::<Attach>(Kind::Attach),
        ..Attach::new_zeroed()
    };
    Message::new(&attach).offer(16, 1)
}

/// A Ready that is in order.
pub fn ready() -> Message {
    Message::new(&Ready {
        prefix: Prefix::new::<Ready>(Kind::Ready),
        reserved: [0; 48],
    })
}

/// A Refuse with a number, which may be none that there is, and a text.
pub fn refuse(reason: u32, text: &str) -> Message {
    Message::new(&Refuse::new(Reason::Malformed, text)).u32(16, reason)
}

/// The text of a refusal.
pub fn refusal(bytes: &[u8]) -> String {
    reason(bytes).1
}

/// The number and the text of a refusal.
pub fn reason(bytes: &[u8]) -> (u32, String) {
    assert_eq!(bytes.get(8), Some(&5), "a Refuse was expected");
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let length = word(20) as usize;
    let text = String::from_utf8(bytes[24..24 + length].to_vec()).expect("it is UTF-8");
    (word(16), text)
}
