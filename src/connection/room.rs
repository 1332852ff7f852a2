//! Room in a ring, which somebody waits for.

use super::sender::Lane;
use crate::ring::Refusal;

/// Room for one frame in the ring, for a loop that waits until a call which does not wait can be made: [`Sender::arm`](crate::Sender::arm), [`Turn::until_room`](crate::Turn::until_room). It is to be that of the call, or the loop finds room where the call
/// finds none, and goes round without a pause.
///
/// | room | of |
/// | --- | --- |
/// | a number of bytes | [`try_send`](crate::Sender::try_send), [`try_reserve`](crate::Sender::try_reserve) |
/// | [`aligned`](Self::aligned) | [`try_reserve_aligned`](crate::Sender::try_reserve_aligned), [`try_reserve`](crate::typed::Sender::try_reserve) of messages |
/// | [`expiring`](Self::expiring) | [`try_send_expiring`](crate::Sender::try_send_expiring) |
/// | both | [`try_reserve_expiring`](crate::typed::Sender::try_reserve_expiring) of messages |
///
/// ```
/// # use ringway::{Arm, Room, SendError};
/// # let path = std::env::temp_dir().join(format!("ringway-doc-room-{}", std::process::id()));
/// # let config = ringway::Config::new().alignment(64);
/// # let mut listener = config.bind(path.as_path())?;
/// # let client = std::thread::spawn(move || ringway::Config::new().alignment(64).connect(path));
/// # let (mut sender, _receiver) = listener.accept()?.split();
/// # let _theirs = client.join().unwrap()?;
/// match sender.try_reserve_aligned(1000, 64) {
///     Ok(place) => place.commit(),
///     Err(SendError::Full) => {
///         if sender.arm(Room::of(1000).aligned(64))? == Arm::Armed {
///             // wait for the descriptor
///         }
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it only says what is waited for"]
pub struct Room {
    len: usize,
    align: usize,
    expires: bool,
}

impl Room {
    /// For `len` bytes of payload.
    pub fn of(len: usize) -> Self {
        let (align, expires) = (8, false);
        Self {
            len,
            align,
            expires,
        }
    }

    /// With an address that is a multiple of `align`: it may take a pad before it.
    pub fn aligned(mut self, align: usize) -> Self {
        self.align = align;
        self
    }

    /// Of a frame that expires: its moment lies before the payload.
    pub fn expiring(mut self) -> Self {
        self.expires = true;
        self
    }

    /// Bytes of payload.
    #[cfg(feature = "tokio")]
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// Whether there is as much, after a fresh look. It is to agree with the call that waits for it: where that finds none and this finds some, nobody ever sleeps.
    pub(crate) fn is_in(self, lane: &mut Lane) -> Result<bool, Refusal> {
        if self.expires {
            lane.has_expiring_room(self.len, self.align)
        } else {
            lane.has_room(self.len, self.align)
        }
    }
}

/// Bytes of payload of a plain frame.
impl From<usize> for Room {
    fn from(len: usize) -> Self {
        Self::of(len)
    }
}
