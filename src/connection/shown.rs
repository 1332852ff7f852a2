//! What a listener shows to those who may read along: the two segments of each of its connections that live.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::link::Peer;
use super::side::Offered;
use crate::layout::handshake::{Kind, Prefix, SegmentOffer, Shown};
use crate::sync::{Arc, AtomicU64, Ordering, Weak};

/// Connections that are shown in one answer. Whoever wants more asks again.
pub(crate) const SHOWN_AT_ONCE: usize = 16;

/// The number of the process's last connection that was shown. In a child of a fork it goes on.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The segments of a connection, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Segments {
    shown: Shown,
    server: Arc<OwnedFd>,
    client: Arc<OwnedFd>,
}

impl Segments {
    pub(crate) fn new(
        peer: Peer,
        (offer, server): (SegmentOffer, Arc<OwnedFd>),
        client: Offered,
    ) -> Self {
        // ORD: number: Relaxed, only uniqueness matters; partner: itself.
        let connection = NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
        let pid = peer.pid.and_then(|pid| u32::try_from(pid).ok());
        let shown = Shown {
            prefix: Prefix::new::<Shown>(Kind::Shown),
            connection,
            uid: peer.uid,
            pid: pid.unwrap_or(0),
            server: offer,
            client: client.offer,
            schema_bytes: client.schemas.bytes,
            reserved: 0,
            schema_fingerprint: client.schemas.fingerprint,
            reserved_too: [0; 104],
        };
        Self {
            shown,
            server,
            client: client.descriptor,
        }
    }

    /// What an observer is told of them.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// What goes with it, in this order.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.server.as_fd(), self.client.as_fd()]
    }
}

/// Those of a listener's connections, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Shows(Living<Segments>);

impl Shows {
    /// Shows them until the last copy is dropped.
    pub(crate) fn add(&mut self, segments: Segments) -> Arc<Segments> {
        self.0.add(segments.shown.connection, segments)
    }

    /// Those behind connection `after`, the first of them.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = Arc<Segments>> {
        self.0.after(after).take(SHOWN_AT_ONCE)
    }
}

/// Fewer than this are not worth looking through for those who have gone.
const FEW: usize = 16;

/// What others keep, in the order of its numbers. Who has gone is taken out once as many have come as were there the last time: so each coming costs the same, however many
/// there are.
#[derive(Debug)]
struct Living<T> {
    all: BTreeMap<u64, Weak<T>>,
    full: usize,
}

impl<T> Default for Living<T> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            full: FEW,
        }
    }
}

impl<T> Living<T> {
    fn add(&mut self, number: u64, value: T) -> Arc<T> {
        if self.all.len() >= self.full {
            self.all.retain(|_, one| one.strong_count() > 0);
            self.full = 2 * self.all.len() + FEW;
        }
        let value = Arc::new(value);
        self.all.insert(number, Arc::downgrade(&value));
        value
    }

    fn after(&self, number: u64) -> impl Iterator<Item = Arc<T>> {
        let behind = self.all.range((Bound::Excluded(number), Bound::Unbounded));
        behind.filter_map(|(_, one)| one.upgrade())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lives_is_told_in_order_and_who_has_gone_is_forgotten() {
        let mut living = Living::default();
        let kept: Vec<_> = (1..=3u64)
            .map(|number| living.add(10 * number, number))
            .collect();
        for number in 100..10_000 {
            drop(living.add(number, number));
            assert!(living.all.len() <= 2 * kept.len() + FEW);
        }
        let told = |after| living.after(after).map(|one| *one).collect::<Vec<_>>();
        assert_eq!(
            (told(0), told(10), told(30)),
            (vec![1, 2, 3], vec![2, 3], vec![])
        );
    }

    #[test]
    fn coming_looks_through_all_only_now_and_then() {
        let mut living = Living::default();
        let mut passes = 0;
        let mut full = living.full;
        let _kept: Vec<_> = (0..100_000u64)
            .map(|number| {
                let value = living.add(number, number);
                passes += usize::from(full != living.full);
                full = living.full;
                value
            })
            .collect();
        assert!(passes < 20, "{passes}");
    }
}
