//! Both halves of a lane on real mapped memory, and one who reads along: what the tests and the fuzzed inputs are tried on.

use super::{Consumer, Producer, Readers, Tap, Told, say_start};
use crate::layout::control::{CLAIM, COME, COMING, CONTROL, RECEIVER, SENDER, TAKEN};
use crate::layout::geometry::Geometry;
use crate::segment::{
    ForeignSegment, Gate, MappedForeignRing, MappedForeignWord, MappedOwnRing, MappedOwnWord,
    OwnRing, OwnSegment, OwnWord, Ring, SegmentSize,
};
use crate::sync::Ordering;

pub(crate) type Sending = Producer<MappedOwnRing, MappedForeignWord, MappedOwnWord>;
pub(crate) type Receiving = Consumer<MappedForeignRing, MappedOwnWord>;
pub(crate) type Tapping = Tap<MappedForeignRing, MappedForeignWord>;

/// Two segments, each with a mapping of its owner's and one of its peer's.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) sending: OwnSegment,
    pub(crate) sending_seen: ForeignSegment,
    pub(crate) receiving: OwnSegment,
    pub(crate) receiving_seen: ForeignSegment,
}

impl Pair {
    pub(crate) fn new(capacity: u64) -> Self {
        let size = |ring| SegmentSize {
            control: CONTROL,
            ring,
            lanes: 1,
            huge: false,
        };
        let make = |size| {
            let own = OwnSegment::new(c"ringway-test", size, false).unwrap();
            let foreign = ForeignSegment::map(own.descriptor(), size, false, None).unwrap();
            (own, foreign)
        };
        let (sending, sending_seen) = make(size(capacity as usize));
        let (receiving, receiving_seen) = make(size(4096));
        Self {
            sending,
            sending_seen,
            receiving,
            receiving_seen,
        }
    }

    /// As new: both areas of control words are zero, and the ring of whoever sends is.
    pub(crate) fn wipe(&self) {
        for segment in [&self.sending, &self.receiving] {
            for offset in (0..CONTROL).step_by(8) {
                // ORD: lie: Relaxed, nobody reads meanwhile; partner: none.
                segment.word(offset).store(0, Ordering::Relaxed);
            }
        }
        let mut ring = self.sending.ring(0, Gate::pair().unwrap().0);
        let (place, zeros) = (ring.place(0), vec![0; ring.capacity() as usize]);
        // SAFETY: a place of this ring, and all of it, while no half uses it.
        unsafe { ring.write(place, 0, &zeros) };
    }

    /// Both halves, the consumer first: it says where it starts.
    pub(crate) fn halves(&self, geometry: &Geometry, fenced: bool) -> (Sending, Receiving) {
        geometry.check().unwrap();
        let (sending, receiving) = Gate::pair().unwrap();
        say_start(&self.receiving.word(RECEIVER), geometry);
        let receiving = Consumer::new(
            self.sending_seen.ring(0, receiving),
            self.receiving.word(RECEIVER),
            geometry,
        );
        (
            Producer::new(
                self.sending.ring(0, sending),
                self.receiving_seen.word(RECEIVER),
                self.sending.word(SENDER),
                geometry,
                fenced,
                || 0,
            ),
            receiving,
        )
    }

    /// The same of a lane that can be taken over, whose consumer gives account, or not.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "what is fuzzed of it has a liar for its consumer")
    )]
    pub(crate) fn lasting(&self, geometry: &Geometry, account: bool) -> (Sending, Receiving) {
        let (mut producer, mut consumer) = self.halves(geometry, false);
        say_start(&self.receiving.word(TAKEN), geometry);
        let taken = account.then(|| self.receiving_seen.word(TAKEN));
        producer.can_recover(taken);
        if account {
            consumer.give_account(self.receiving.word(TAKEN));
        }
        (producer, consumer)
    }

    /// One who reads along what `producer` sends.
    pub(crate) fn tapped(&self, producer: &mut Sending) -> Tapping {
        producer.tell_readers(Readers {
            claim: self.sending.word(CLAIM),
            coming: self.sending.word(COMING),
            come: self.sending.word(COME),
        });
        let mut tap = self.tap();
        // The first look finds its place.
        assert_eq!(tap.try_next(&mut Vec::new()), Ok(None));
        tap
    }

    pub(crate) fn tap(&self) -> Tapping {
        Tap::new(
            self.sending_seen.ring(0, Gate::pair().unwrap().0),
            Told {
                claim: self.sending_seen.word(CLAIM),
                coming: self.sending_seen.word(COMING),
                come: self.sending_seen.word(COME),
                tail: self.sending_seen.word(SENDER),
            },
        )
    }
}
