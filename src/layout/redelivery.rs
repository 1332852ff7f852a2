//! Frames that are sent again, because the incarnation of the peer that they were sent to is gone: two flags in the header say so.
//!
//! ```text
//! neither                  first     sent for the first time
//! REDELIVERED              unseen    sent before, and no incarnation has seen it: proven
//! REDELIVERED and DOUBT    in doubt  sent before, and an incarnation may have seen it
//! ```

use super::header::{FLAG_DOUBT, FLAG_REDELIVERED, Header};

/// Whether a frame was sent to an earlier incarnation of this side too, and what that one did with it.
///
/// An *incarnation* is one life of a server, or one connection to it: a client that outlives it resumes the connection
/// ([`Config::resume`](crate::Config::resume)), and sends again what was not released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Redelivery {
    /// It is sent for the first time.
    #[default]
    First,
    /// It was sent before, and nobody has seen it: it was proven that no incarnation had come to it.
    Unseen,
    /// It was sent before, and an earlier incarnation may have seen it, in part or as a whole, once or several times: whoever handles it must be able to do so again, or to find
    /// out (by [`Lineage`](crate::Lineage) and [`Frame::position`](crate::Frame::position), which are the same each time).
    InDoubt,
}

/// Both flags.
pub(super) const FLAGS_REDELIVERY: u16 = FLAG_REDELIVERED | FLAG_DOUBT;

impl Header {
    /// What the flags say.
    pub(crate) const fn redelivery(self) -> Redelivery {
        match self.flags() & FLAGS_REDELIVERY {
            0 => Redelivery::First,
            FLAG_REDELIVERED => Redelivery::Unseen,
            _ => Redelivery::InDoubt,
        }
    }

    /// The same frame, of which that is said.
    pub(crate) const fn redelivered(self, redelivery: Redelivery) -> Self {
        let flags = match redelivery {
            Redelivery::First => 0,
            Redelivery::Unseen => FLAG_REDELIVERED,
            Redelivery::InDoubt => FLAGS_REDELIVERY,
        };
        let others = self.0 & !((FLAGS_REDELIVERY as u64) << 48);
        Self(others | (flags as u64) << 48)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Redelivery; 3] = [Redelivery::First, Redelivery::Unseen, Redelivery::InDoubt];

    #[test]
    fn what_is_said_of_a_frame_changes_nothing_else_of_it() {
        for header in [Header::frame(9, 0x1234), Header::expiring(9, 0x1234)] {
            for (before, after) in ALL.iter().flat_map(|a| ALL.iter().map(move |b| (*a, *b))) {
                let again = header.redelivered(before).redelivered(after);
                assert_eq!(again.redelivery(), after);
                assert!(again.is_frame());
                assert_eq!(again.expires(), header.expires());
                assert_eq!(again.redelivered(Redelivery::First), header);
            }
        }
    }

    #[test]
    fn what_expires_is_said_the_same_of_within() {
        let header = Header::expiring(9, 3).redelivered(Redelivery::InDoubt);
        assert_eq!(header.inner().unwrap().redelivery(), Redelivery::InDoubt);
    }

    #[test]
    fn doubt_alone_makes_no_frame() {
        let doubt = u64::from(FLAG_DOUBT) << 48;
        assert!(!Header(Header::frame(9, 0).0 | doubt).is_frame());
        assert!(!Header(Header::expiring(9, 0).0 | doubt).is_frame());
        assert!(!Header(Header::pad(16).redelivered(Redelivery::InDoubt).0).is_frame());
    }
}
