//! What a listener shows to those who may read along: the two segments of each of its connections that live.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use super::link::Peer;
use super::side::Offered;
use crate::layout::handshake::{Kind, Prefix, SegmentOffer, Shown};
use crate::sync::{AtomicU64, Ordering};

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

/// Those of a listener's connections.
#[derive(Debug, Default)]
pub(crate) struct Shows(Vec<Weak<Segments>>);

impl Shows {
    /// Shows them until the last copy is dropped.
    pub(crate) fn add(&mut self, segments: Segments) -> Arc<Segments> {
        self.0.retain(|shown| shown.strong_count() > 0);
        let segments = Arc::new(segments);
        self.0.push(Arc::downgrade(&segments));
        segments
    }

    /// Those behind connection `after`, the first of them.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = Arc<Segments>> {
        let live = self.0.iter().filter_map(Weak::upgrade);
        live.filter(move |segments| segments.shown.connection > after)
            .take(SHOWN_AT_ONCE)
    }
}
