//! What a listener grants to the clients of one uid: so that one user's processes cannot take everything from the others'.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use super::side::Refused;
use crate::error::ErrorKind;
use crate::layout::handshake::Reason;
use crate::sync::{Arc, Mutex};
use crate::sys::credentials;
use crate::sys::fork::Birth;

/// Handshakes under way at once, of all clients of a listener; further ones wait in the kernel's queue.
pub(super) const HANDSHAKES: usize = 64;

/// The most that the clients of one uid may have of a listener at a time. The defaults stop nobody but a runaway.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("ringway-doc-limits-{}", std::process::id()));
/// let limits = ringway::Limits::new().connections(100).bytes(64 << 20);
/// let listener = ringway::Config::new().limits(limits).bind(path)?;
/// # Ok::<(), ringway::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "limits do nothing until they are given to `Config::limits`"]
pub struct Limits {
    connections: u64,
    bytes: u64,
    /// `None`: all places for our own uid, half of them for another.
    handshakes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            bytes: 64 << 30,
            handshakes: None,
        }
    }
}

impl Limits {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections. Default 65,536. A connection counts from its client's first message until both of our halves are dropped.
    pub fn connections(mut self, most: u64) -> Self {
        self.connections = most;
        self
    }

    /// Bytes of the segments that we make for them: a control area and the rings that we send into, one for each lane. Default 64 GiB. The segments that they make are their own
    /// memory, and count where we lock them ([`Config::lock_memory`](crate::Config::lock_memory)). A client that keeps the descriptor of a segment keeps its pages, when its
    /// connection is over and counts no more: the kernel refuses to free pages of what is sealed. Its own limit of descriptors bounds that.
    pub fn bytes(mut self, most: u64) -> Self {
        self.bytes = most;
        self
    }

    /// Handshakes under way. A listener has 64 under way altogether; by default the clients of its own effective uid may have all of them, and those of each other uid 32, so
    /// that none of these keeps everybody else out. Clients of one uid that all come at once are refused beyond their limit ([`ErrorKind::Busy`]), and have to try again, as
    /// [`Config::resume`](crate::Config::resume) does by itself; beyond 64 they wait.
    pub fn handshakes(mut self, most: u64) -> Self {
        self.handshakes = Some(most);
        self
    }

    /// Handshakes that the clients of `uid` may have under way.
    fn handshakes_of(&self, uid: u32) -> u64 {
        let places = HANDSHAKES as u64;
        // A process of our own uid could end us: to be held up is the least that it can do.
        let own = credentials::is_own(uid);
        let unsaid = if own { places } else { places / 2 };
        self.handshakes.unwrap_or(unsaid)
    }
}

/// What one uid has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    connections: u64,
    bytes: u64,
    handshakes: u64,
}

/// The books of one listener. Connections that live on when it is dropped keep them.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    limits: Limits,
    users: Arc<Mutex<HashMap<u32, Usage>>>,
    birth: Birth,
}

impl Quota {
    pub(crate) fn new(limits: Limits, birth: Birth) -> Self {
        Self {
            limits,
            users: Arc::default(),
            birth,
        }
    }

    /// Lets a client begin its handshake. Too many under way are no lack of anything: they end within the time of a handshake, and whoever may try again is told so by
    /// another reason than that of a limit for which somebody has to give something back.
    pub(crate) fn begin(&self, uid: u32) -> Result<Grant, Refused> {
        let most = self.limits.handshakes_of(uid);
        let share = Usage {
            handshakes: 1,
            ..Usage::default()
        };
        self.grant(uid, share, |had| {
            (had.handshakes >= most).then(|| format!("{most} handshakes under way"))
        })
        .map_err(|text| (Reason::Busy, ErrorKind::Busy, text))
    }

    /// Lets it have a connection, for which we make a segment of `bytes` bytes.
    pub(crate) fn admit(&self, uid: u32, bytes: u64) -> Result<Grant, Refused> {
        let limits = self.limits;
        let share = Usage {
            connections: 1,
            bytes,
            handshakes: 0,
        };
        self.grant(uid, share, |had| {
            if had.connections >= limits.connections {
                return Some(format!("{} connections", limits.connections));
            }
            (bytes > limits.bytes.saturating_sub(had.bytes)).then(|| {
                format!(
                    "{} bytes: {} are in use, and {bytes} were asked for",
                    limits.bytes, had.bytes
                )
            })
        })
        .map_err(|text| (Reason::Resources, ErrorKind::Resources, text))
    }

    /// A share, or what to say of the limit that it `exceeds`.
    fn grant(
        &self,
        uid: u32,
        share: Usage,
        exceeds: impl FnOnce(&Usage) -> Option<String>,
    ) -> Result<Grant, String> {
        let mut users = lock(&self.users);
        let had = users.entry(uid).or_default();
        if let Some(limit) = exceeds(had) {
            if *had == Usage::default() {
                users.remove(&uid);
            }
            return Err(format!(
                "the listener grants uid {uid} no more than {limit}"
            ));
        }
        had.connections += share.connections;
        had.bytes += share.bytes;
        had.handshakes += share.handshakes;
        Ok(Grant {
            users: Arc::clone(&self.users),
            birth: self.birth,
            uid,
            share,
        })
    }
}

/// A share of what is granted. Given back on drop.
#[derive(Debug)]
pub(crate) struct Grant {
    users: Arc<Mutex<HashMap<u32, Usage>>>,
    birth: Birth,
    uid: u32,
    share: Usage,
}

impl Drop for Grant {
    fn drop(&mut self) {
        // A child of a fork has the parent's books, perhaps locked by a thread that it has not.
        if self.birth.is_forked() {
            return;
        }
        let mut users = lock(&self.users);
        if let Some(had) = users.get_mut(&self.uid) {
            had.connections -= self.share.connections;
            had.bytes -= self.share.bytes;
            had.handshakes -= self.share.handshakes;
            if *had == Usage::default() {
                users.remove(&self.uid);
            }
        }
    }
}

fn lock(users: &Mutex<HashMap<u32, Usage>>) -> MutexGuard<'_, HashMap<u32, Usage>> {
    users.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_uid_has_its_own_share_and_gives_it_back() {
        let limits = Limits::new().connections(2).bytes(100).handshakes(1);
        let quota = Quota::new(limits, Birth::here().unwrap());
        let handshake = quota.begin(7).unwrap();
        let (reason, kind, text) = quota.begin(7).unwrap_err();
        assert_eq!((reason, kind), (Reason::Busy, ErrorKind::Busy));
        assert!(
            text.contains("uid 7 no more than 1 handshakes under way"),
            "{text}"
        );
        let others = quota.begin(8).unwrap();
        drop(handshake);
        drop(quota.begin(7).unwrap());

        let first = quota.admit(7, 60).unwrap();
        let (reason, kind, text) = quota.admit(7, 41).unwrap_err();
        assert_eq!((reason, kind), (Reason::Resources, ErrorKind::Resources));
        assert!(text.contains("60 are in use, and 41"), "{text}");
        let second = quota.admit(7, 40).unwrap();
        assert!(quota.admit(7, 0).unwrap_err().2.contains("2 connections"));
        drop((first, second));
        assert!(quota.admit(7, 101).is_err());
        drop(quota.admit(7, 100).unwrap());
        drop(others);
        assert!(lock(&quota.users).is_empty(), "nothing is kept of anybody");
    }

    #[test]
    fn by_default_no_other_uid_has_every_place() {
        let begun = |quota: &Quota, uid| {
            let grants = std::iter::from_fn(|| quota.begin(uid).ok());
            grants.take(HANDSHAKES + 1).collect::<Vec<_>>()
        };
        let own = credentials::effective_uid();
        let (one, other) = (own.wrapping_add(1), own.wrapping_add(2));
        let quota = Quota::new(Limits::new(), Birth::here().unwrap());
        let held = begun(&quota, one);
        assert_eq!(held.len(), HANDSHAKES / 2);
        let text = quota.begin(one).unwrap_err().2;
        assert!(text.contains("no more than 32 handshakes"), "{text}");
        drop(quota.begin(other).unwrap());
        assert_eq!(begun(&quota, own).len(), HANDSHAKES);
        // What is said is meant for each.
        let quota = Quota::new(Limits::new().handshakes(5), Birth::here().unwrap());
        assert_eq!(begun(&quota, one).len(), 5);
        assert_eq!(begun(&quota, own).len(), 5);
        drop(held);
    }
}
