//! The receiving half, over the ring of a sender that lies.

use std::rc::Rc;

use crate::fuzz::input::Input;
use crate::fuzz::memory::{CAPACITY, Forward, Owner, Restless, Said, position, word};
use crate::layout::geometry::Geometry;
use crate::layout::header::HEADER;
use crate::layout::violation::Violation;
use crate::ring::{Consumer, Early, Found, Halt, say_start};

/// The most looks of a call: as many frames as one may drop, with a pad and an extension each, and then some.
const LOOKS: u32 = 4 * 64;

/// Which of the sender's words says how far it has written a frame.
const ANNOUNCED: usize = 1;

/// A receiving half, and what it has said.
pub(super) struct Reader<'a> {
    consumer: Consumer<Restless<'a>, Forward>,
    owner: Rc<Owner<'a>>,
    released: Forward,
    /// Where it gives account.
    taken: Forward,
    hold: bool,
    early: Early,
    broken: Option<Violation>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        owner: Rc<Owner<'a>>,
        ring: Restless<'a>,
        geometry: &Geometry,
        account: bool,
    ) -> Self {
        let (released, taken) = (Forward::default(), Forward::default());
        say_start(&released, geometry);
        say_start(&taken, geometry);
        let mut consumer = Consumer::new(ring, released.clone(), geometry);
        if account {
            consumer.give_account(taken.clone());
        }
        Self {
            consumer,
            owner,
            released,
            taken,
            hold: false,
            early: Early::default(),
            broken: None,
        }
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
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
            _ => match input.u8() {
                // Seldom: little can happen behind it.
                0xee => self.consumer.end(),
                0..=0x7f => self.consumer.tell_numbers(),
                least => self.follow(usize::from(least - 0x7f), input),
            },
        }
        let next = self.consumer.next();
        let published = self.released.get();
        assert!(next % 8 == 0 && next >= published && next - published < CAPACITY);
        if self.consumer.gives_account() {
            let taken = self.taken.get();
            assert!(taken >= published && taken - published < CAPACITY);
        }
    }

    fn publish(&mut self) {
        let told = self.consumer.publish_release();
        assert!(!told || self.broken.is_none(), "after the end");
    }

    /// Copies what is announced of the next frame.
    fn follow(&mut self, least: usize, input: &mut Input<'_>) {
        let told = position(input, self.consumer.next());
        self.owner.words[ANNOUNCED].set(told);
        let word = Said(Rc::clone(&self.owner), ANNOUNCED);
        let mut target = vec![0; usize::from(input.u16() % 4200)];
        let early = &mut self.early;
        if self.consumer.follow(&word, early, &mut target, least) {
            assert!(self.broken.is_none(), "after the end");
            let bytes = self.early.bytes;
            assert!((least..=target.len()).contains(&bytes), "{bytes} bytes");
            let end = self.consumer.next() + HEADER + bytes as u64;
            assert!(end <= self.released.get() + CAPACITY - HEADER, "{bytes}");
        }
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
        assert!(self.early.of(&entry) <= entry.payload(), "{entry:?}");
        self.consumer.say_taken(&entry);
        if self.consumer.gives_account() {
            assert!(self.taken.get() >= end, "said before it is handed out");
        }
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
