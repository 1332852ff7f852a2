//! Both halves of a lane over memory that a liar writes, also while a call looks at it: every call ends after a bounded number of looks, stays inside of the ring and of what it was
//! handed, and says which rule was broken, for good.

use std::rc::Rc;

use super::input::Input;
use super::memory::{CAPACITY, Careful, Forward, Owner, Restless, Said, position, word};
use crate::layout::geometry::Geometry;
use crate::layout::header::HEADER;
use crate::layout::violation::Violation;
use crate::ring::{Consumer, Found, Halt, Producer, Refusal, say_start};
use crate::segment::{ForeignRing, MappedForeignRing, Ring};

/// Where lanes start: at a ring's begin, before the wrap, and as late as any may.
const STARTS: [u64; 4] = [0, (1 << 20) - 8, (1 << 20) - 264, 1 << 62];

/// The most looks of a call: as many frames as one may drop, with a pad and an extension each, and then some.
const LOOKS: u32 = 4 * 64;

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let setup = input.u8();
    let alignment = 8 << (setup >> 3 & 3);
    let geometry = Geometry::new(CAPACITY, alignment, STARTS[usize::from(setup & 3)]);
    if setup & 4 == 0 {
        let meddling = usize::from(input.u8());
        let (owner, ring) = Owner::new(input.bytes(meddling), geometry.start);
        let mut reader = Reader::new(owner, ring, &geometry);
        while !input.is_empty() {
            reader.step(&mut input);
        }
    } else {
        let mut writer = Writer::new(&geometry, setup & 0x20 != 0);
        while !input.is_empty() {
            writer.step(&mut input);
        }
    }
}

/// A receiving half, and what it has said.
struct Reader<'a> {
    consumer: Consumer<Restless<'a>, Forward>,
    owner: Rc<Owner<'a>>,
    released: Forward,
    hold: bool,
    broken: Option<Violation>,
}

impl<'a> Reader<'a> {
    fn new(owner: Rc<Owner<'a>>, ring: Restless<'a>, geometry: &Geometry) -> Self {
        let released = Forward::default();
        say_start(&released, geometry);
        Self {
            consumer: Consumer::new(ring, released.clone(), geometry),
            owner,
            released,
            hold: false,
            broken: None,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        self.owner.allow(LOOKS, self.consumer.next());
        match input.u8() % 16 {
            0..=2 => self.owner.write(input.u8() % 64, word(input)),
            3 => {
                let word = word(input);
                (0..64).for_each(|behind| self.owner.write(behind, word));
            }
            4..=7 => self.take(
                usize::from(input.u16() % 4200),
                usize::from(input.u8()),
                true,
            ),
            8 => self.take(usize::from(input.u16() % 4200), 4200, false),
            9 => self.take_exact(usize::from(input.u8())),
            10 => self.take_exact(usize::from(input.u16() % 4200)),
            11 => {
                self.hold = input.flag();
                self.consumer.hold(self.hold);
            }
            12 => {
                if self.hold {
                    self.consumer.release();
                }
                self.publish();
            }
            13 => {
                let back = self.consumer.rewind();
                assert!(back % 8 == 0 && back < CAPACITY, "{back} bytes back");
            }
            14 => match input.u8() % 4 {
                0 => self.consumer.keep_expired(),
                1 => self.consumer.drop_expired(|| 1000, 0),
                2 => self.consumer.drop_expired(|| 1000, i64::MIN),
                _ => self.consumer.drop_expired(|| u64::MAX, 1),
            },
            // Seldom: little can happen behind it.
            _ if input.u8() == 0xee => self.consumer.end(),
            _ => self.consumer.tell_numbers(),
        }
        let next = self.consumer.next();
        let published = self.released.get();
        assert!(next % 8 == 0 && next >= published && next - published < CAPACITY);
    }

    fn publish(&mut self) {
        let told = self.consumer.publish_release();
        assert!(!told || self.broken.is_none(), "after the end");
    }

    /// Looks, copies a part, and perhaps takes it.
    fn take(&mut self, from: usize, count: usize, pass: bool) {
        let found = self.consumer.peek();
        if let Some(violation) = self.broken {
            assert_eq!(found, Err(Halt::Broken(violation)), "for good");
        }
        let entry = match found {
            Ok(Some(entry)) => entry,
            Ok(None) => return,
            Err(Halt::Broken(violation)) => {
                // Its words tell numbers, and never a byte of payload.
                assert!(!violation.to_string().is_empty());
                self.broken = Some(violation);
                return;
            }
            Err(Halt::Dropped) => {
                if self.consumer.owes_release() {
                    self.publish();
                }
                return;
            }
        };
        assert_eq!(entry.position, self.consumer.next());
        let end = entry.position + entry.length();
        assert!(end <= self.released.get() + CAPACITY - HEADER, "{entry:?}");
        assert!(entry.payload() as u64 <= CAPACITY - 2 * HEADER);
        let mut copied = vec![0; count];
        let there = entry.payload().saturating_sub(from).min(count);
        assert_eq!(self.consumer.copy(&entry, from, &mut copied), there);
        let before = self.consumer.position(&entry);
        assert!(before == entry.position || before + 8 == entry.position);
        if pass {
            self.consumer.advance(&entry);
            if self.consumer.is_release_due() {
                self.publish();
            }
        }
    }

    fn take_exact(&mut self, length: usize) {
        let mut target = vec![0; length];
        match self.consumer.take_exact(&mut target) {
            Found::Taken => {
                assert!(self.broken.is_none(), "after the end");
                if self.consumer.is_release_due() {
                    self.publish();
                }
            }
            Found::Nothing => assert!(self.broken.is_none(), "after the end"),
            Found::Other => {}
        }
    }
}

/// A sending half, whose released position is the liar's.
struct Writer<'a> {
    producer: Producer<Careful, Said<'a>, Forward>,
    owner: Rc<Owner<'a>>,
    seen: MappedForeignRing,
    shut: bool,
}

impl Writer<'_> {
    fn new(geometry: &Geometry, fenced: bool) -> Self {
        let (owner, _) = Owner::new(&[], geometry.start);
        owner.words[0].set(geometry.start);
        let (ring, seen) = Careful::new();
        let released = Said(Rc::clone(&owner), 0);
        let told = Forward::default();
        Self {
            producer: Producer::new(ring, released, told, geometry, fenced, || 0),
            owner,
            seen,
            shut: false,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        self.owner.allow(4, self.producer.published());
        let before = self.producer.published();
        let kind = u16::from(input.u8());
        let outcome = match kind % 12 {
            0..=2 => {
                let value = position(input, before);
                self.owner.words[0].set(value);
                Ok(())
            }
            // As an honest one would.
            3 => {
                self.owner.words[0].set(before);
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
            Err(Refusal::Broken(violation)) => {
                assert!(!self.shut, "nothing is looked at any more");
                let Violation::ReleasedOutOfRange {
                    released,
                    at_least,
                    at_most,
                } = violation
                else {
                    panic!("{violation}");
                };
                let right = (at_least..=at_most).contains(&released) && released % 8 == 0;
                assert!(!right, "{violation}");
                self.producer.shut();
                self.shut = true;
            }
        }
        let published = self.producer.published();
        assert!(published >= before && published % 8 == 0);
        if !self.shut {
            let known = self.producer.known_released();
            assert!(known <= published && published + HEADER <= known + CAPACITY);
        }
        // SAFETY: the place of a multiple of 8.
        let word = unsafe { self.seen.load(self.seen.place(published)) };
        assert_eq!(word, 0, "the terminator");
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
