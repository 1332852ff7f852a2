//! The sending half, whose receiver lies of what it has released and taken, and perhaps goes: then another lane takes over what was sent.

use std::rc::Rc;

use super::again::Again;
use crate::fuzz::input::Input;
use crate::fuzz::memory::{CAPACITY, Careful, Forward, Owner, Said, position};
use crate::layout::geometry::Geometry;
use crate::layout::header::HEADER;
use crate::layout::violation::Violation;
use crate::ring::{Producer, Refusal};
use crate::segment::{ForeignRing, MappedForeignRing, Ring};

/// Which of the receiver's words say how far it has come.
const RELEASED: usize = 0;
const TAKEN: usize = 1;

type Sending<'a> = Producer<Careful, Said<'a>, Forward>;

/// A sending half, whose released position is the liar's.
pub(super) struct Writer<'a> {
    producer: Sending<'a>,
    owner: Rc<Owner<'a>>,
    geometry: Geometry,
    seen: MappedForeignRing,
    shut: bool,
    /// What may have to be sent again, where the lane can be taken over.
    again: Option<Again>,
    /// Whether its receiver gives account.
    account: bool,
    fenced: bool,
    /// How many lanes there were before this one.
    lanes: usize,
}

impl Writer<'_> {
    pub(super) fn new(geometry: &Geometry, setup: u8) -> Self {
        let (owner, _) = Owner::new(&[], geometry.start);
        let (fenced, account) = (setup & 0x20 != 0, setup & 0x80 != 0);
        let again = (setup & 0x40 != 0).then(|| Again::new(geometry.start));
        let account = again.as_ref().map(|_| account);
        let (producer, seen) = lane(&owner, geometry, fenced, account, 0);
        Self {
            producer,
            owner,
            geometry: *geometry,
            seen,
            shut: false,
            again,
            account: account == Some(true),
            fenced,
            lanes: 0,
        }
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        self.owner.allow(4, self.producer.published());
        let before = self.producer.published();
        let kind = u16::from(input.u8());
        if kind >= 0xf0 && self.again.is_some() {
            return self.take_over(input);
        }
        let tail = self.producer.tail();
        let outcome = match kind % 12 {
            0..=2 => {
                let value = position(input, before);
                self.owner.words[RELEASED].set(value);
                Ok(())
            }
            // As an honest one would.
            3 => {
                self.owner.words[RELEASED].set(before);
                Ok(())
            }
            4..=6 => {
                let payload = vec![0xaa; usize::from(input.u16() % 4200)];
                self.producer.try_send(&payload, kind).map(drop)
            }
            7 => {
                let payload = vec![0xaa; usize::from(input.u8())];
                self.producer.try_append(&payload, kind)
            }
            8 | 9 => self.reserve(input, kind),
            10 => self.expiring(input, kind),
            _ => {
                self.producer.publish();
                Ok(())
            }
        };
        match outcome {
            Ok(()) | Err(Refusal::Full | Refusal::TooLarge { .. } | Refusal::Alignment { .. }) => {}
            Err(Refusal::Shut) => assert!(self.shut),
            Err(Refusal::Broken(violation)) => self.broken(violation),
        }
        let published = self.producer.published();
        assert!(published >= before && published % 8 == 0);
        if !self.shut {
            let known = self.producer.known_released();
            assert!(known <= published && published + HEADER <= known + CAPACITY);
        }
        if let Some(again) = self.again.as_mut().filter(|_| self.producer.tail() > tail) {
            again.sent(self.producer.tail(), kind);
        }
        // SAFETY: the place of a multiple of 8.
        let word = unsafe { self.seen.load(self.seen.place(published)) };
        assert_eq!(word, 0, "the terminator");
    }

    fn broken(&mut self, violation: Violation) {
        assert!(!self.shut, "nothing is looked at any more");
        let right = match violation {
            Violation::ReleasedOutOfRange {
                released,
                at_least,
                at_most,
            } => (at_least..=at_most).contains(&released) && released % 8 == 0,
            Violation::ReleasedInsideFrame { released } => {
                let again = self.again.as_ref().expect("else it is not looked at");
                again.is_boundary(released)
            }
            other => panic!("{other}"),
        };
        assert!(!right, "{violation}");
        self.producer.shut();
        self.shut = true;
    }

    /// The receiver is gone, and has said what it has said. Another one comes.
    fn take_over(&mut self, input: &mut Input<'_>) {
        let known = (!self.shut).then(|| self.producer.known_released());
        if input.flag() {
            self.producer.shut();
        }
        self.producer.publish();
        let taken = position(input, self.owner.words[RELEASED].get());
        self.owner.words[TAKEN].set(taken);
        let standing = self.producer.standing().expect("it can be taken over");
        let published = self.producer.published();
        assert_eq!(standing.sent, published);
        assert!(known.is_none_or(|known| standing.start >= known));
        assert!(standing.start <= standing.taken && standing.taken <= published);
        assert!(standing.length() + HEADER <= CAPACITY);
        self.owner.words[RELEASED].set(standing.start);
        let geometry = Geometry {
            start: standing.start,
            ..self.geometry
        };
        self.lanes += 1;
        let account = Some(self.account);
        let (mut next, seen) = lane(&self.owner, &geometry, self.fenced, account, self.lanes);
        let carried = next.take_over(&self.producer, &standing);
        assert_eq!(next.published(), standing.start, "nothing can be seen yet");
        next.publish();
        self.producer.wipe(&standing);
        let again = self.again.as_mut().expect("it can be taken over");
        let new = Careful::seen(self.lanes);
        again.come(&standing, carried, &self.seen, new, &geometry);
        (self.producer, self.seen, self.shut) = (next, seen, false);
    }

    fn reserve(&mut self, input: &mut Input<'_>, kind: u16) -> Result<(), Refusal> {
        let (length, alignment) = (usize::from(input.u16() % 4200), 1 << (input.u8() % 8));
        let slot = self.producer.try_reserve(length, alignment)?;
        self.producer.fill(&slot, &vec![0xbb; length]);
        let most = length.min(usize::from(input.u16())) as u32;
        match input.u8() % 4 {
            0 => {}
            1 => self.producer.append(&slot, most, kind),
            _ => drop(self.producer.commit(&slot, most, kind)),
        }
        Ok(())
    }

    fn expiring(&mut self, input: &mut Input<'_>, kind: u16) -> Result<(), Refusal> {
        let (length, alignment) = (usize::from(input.u16() % 4200), 1 << (input.u8() % 8));
        let slot = self.producer.try_reserve_expiring(length, alignment)?;
        self.producer.fill_expiring(&slot, &vec![0xcc; length]);
        let most = length.min(usize::from(input.u16())) as u32;
        if input.flag() {
            self.producer
                .append_expiring(&slot, most, kind, input.u64());
        } else {
            let moment = input.u64();
            self.producer.commit_expiring(&slot, most, kind, moment);
        }
        Ok(())
    }
}

/// A lane that begins there. `account`: whether its receiver gives one, if it can be taken over.
fn lane<'a>(
    owner: &Rc<Owner<'a>>,
    geometry: &Geometry,
    fenced: bool,
    account: Option<bool>,
    which: usize,
) -> (Sending<'a>, MappedForeignRing) {
    owner.words[RELEASED].set(geometry.start);
    let (ring, seen) = Careful::new(which);
    let said = |word| Said(Rc::clone(owner), word);
    let told = Forward::default();
    let mut producer = Producer::new(ring, said(RELEASED), told, geometry, fenced, || 0);
    if let Some(account) = account {
        producer.can_recover(account.then(|| said(TAKEN)));
    }
    (producer, seen)
}
