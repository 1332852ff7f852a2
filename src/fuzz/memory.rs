//! Memory of a peer that writes whenever it is looked at, and that counts the looks.
//!
//! The rings are the mapped ones that ship. Around them stand the contracts of `segment`, as assertions: what a half asks of its memory outside of them would be undefined behaviour in
//! a build without these.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::rc::Rc;
use std::thread::LocalKey;

use super::input::Input;
use crate::layout::geometry::MIN_CAPACITY;
use crate::layout::header::{FLAG_EXPIRES, FLAG_FRAME, FLAG_PAD, HEADER};
use crate::ring::pair::Pair;
use crate::segment::{
    ForeignRing, ForeignWord, Gate, MappedForeignRing, MappedOwnRing, OwnRing, OwnWord, Ring,
};
use crate::sync::{Ordering, Site};

/// Bytes in the ring.
pub(crate) const CAPACITY: u64 = MIN_CAPACITY;

thread_local! {
    /// Making segments takes some forty system calls, so all inputs have the same ones, wiped.
    static SEGMENTS: Pair = Pair::new(CAPACITY);
    /// Those of a lane that takes over another: it and the next one take turns.
    static OTHERS: Pair = Pair::new(CAPACITY);
}

/// The peer: it writes words of its segment, of its own accord and while it is looked at.
pub(crate) struct Owner<'a> {
    ring: MappedOwnRing,
    /// Words of the control area, each of them said by whoever uses it.
    pub(crate) words: [Cell<u64>; 4],
    /// What it writes while it is looked at.
    meddling: RefCell<Input<'a>>,
    pause: Cell<u8>,
    /// Where the next frame is expected.
    near: Cell<u64>,
    left: Cell<u32>,
    looks: Cell<u32>,
}

impl fmt::Debug for Owner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Owner")
    }
}

impl<'a> Owner<'a> {
    /// The peer, and its ring as we see it.
    pub(crate) fn new(meddling: &'a [u8], near: u64) -> (Rc<Self>, Restless<'a>) {
        let (own, foreign) = Gate::pair().expect("a page for gates");
        let (mut own, ring) = SEGMENTS.with(|pair| {
            (
                pair.sending.ring(0, own),
                pair.sending_seen.ring(0, foreign),
            )
        });
        let place = own.place(0);
        // SAFETY: a place of this ring, and all of it; nobody else uses it.
        unsafe { own.write(place, 0, &[0; CAPACITY as usize]) };
        let owner = Rc::new(Self {
            ring: own,
            words: Default::default(),
            meddling: RefCell::new(Input::new(meddling)),
            pause: Cell::new(0),
            near: Cell::new(near),
            left: Cell::new(u32::MAX),
            looks: Cell::new(0),
        });
        let restless = Restless {
            owner: Rc::clone(&owner),
            ring,
            foothold: 0,
        };
        (owner, restless)
    }

    /// The next call may look so many times.
    pub(crate) fn allow(&self, looks: u32, near: u64) {
        self.left.set(looks);
        self.near.set(near);
    }

    /// Looks that there were.
    pub(crate) fn looks(&self) -> u32 {
        self.looks.get()
    }

    /// Writes a word of the ring, so many words behind where the next frame is expected.
    pub(crate) fn write(&self, behind: u8, word: u64) {
        let place = self
            .ring
            .place(self.near.get().wrapping_add(8 * u64::from(behind)));
        // SAFETY: the place of a multiple of 8.
        // ORD: lie: Relaxed, it is read by the same thread; partner: none.
        unsafe { self.ring.store(place, 0, word, Ordering::Relaxed) };
    }

    /// Somebody looks. Meanwhile this and that may change.
    fn look(&self) {
        self.looks.set(self.looks.get().saturating_add(1));
        let left = self.left.get().checked_sub(1);
        self.left.set(left.expect("a call that looks without end"));
        if let Some(pause) = self.pause.get().checked_sub(1) {
            return self.pause.set(pause);
        }
        let mut input = self.meddling.borrow_mut();
        match input.u8() {
            0 => {}
            pause @ 1..=0x7f => self.pause.set(pause % 16),
            place @ 0x80..=0xef => self.write(place & 0x3f, word(&mut input)),
            which => {
                let value = position(&mut input, self.near.get());
                self.words[usize::from(which % 4)].set(value);
            }
        }
    }
}

/// A header as a liar writes it: all that has a meaning is near.
pub(crate) fn word(input: &mut Input<'_>) -> u64 {
    let shape = input.u8();
    let flags = match shape % 8 {
        0 => return 0,
        1 | 2 => FLAG_FRAME,
        3 => FLAG_FRAME | FLAG_PAD,
        4 => FLAG_FRAME | FLAG_EXPIRES,
        5 => FLAG_FRAME | FLAG_PAD | FLAG_EXPIRES,
        6 => input.u16(),
        _ => return input.u64(),
    };
    let length = match shape >> 3 & 7 {
        0..=3 => u64::from(input.u8()),
        4 | 5 => u64::from(input.u16()),
        6 => CAPACITY - 2 * HEADER + 16 - u64::from(input.u8() % 64),
        _ => u64::from(input.u32()),
    };
    let kind = if shape & 0x80 == 0 {
        0
    } else {
        u64::from(input.u8())
    };
    length | kind << 32 | u64::from(flags) << 48
}

/// A position as a liar says it: near another, or anything.
pub(crate) fn position(input: &mut Input<'_>, near: u64) -> u64 {
    match input.u8() % 4 {
        0 => near.wrapping_add(8 * u64::from(input.u8())),
        1 => near.wrapping_sub(8 * u64::from(input.u8())),
        2 => near.wrapping_add(u64::from(input.u16())),
        _ => input.u64(),
    }
}

/// A place, and how far behind the start of what it was made from: so much less can be used at it.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    place: *mut u8,
    position: u64,
    used: u64,
}

impl Spot {
    fn has_word(self, offset: u64) {
        assert!(
            (self.position + offset) % 8 == 0,
            "no word at {}",
            self.position + offset
        );
        self.has(offset, 8);
    }

    fn has(self, offset: u64, bytes: usize) {
        let end = offset.checked_add(bytes as u64);
        let end = end.and_then(|end| end.checked_add(self.used));
        assert!(
            end.is_some_and(|end| end <= CAPACITY),
            "{bytes} bytes from {offset} on, {} behind the foothold",
            self.used
        );
    }
}

/// The peer's ring, as we read it.
#[derive(Debug)]
pub(crate) struct Restless<'a> {
    owner: Rc<Owner<'a>>,
    ring: MappedForeignRing,
    foothold: u64,
}

impl Ring for Restless<'_> {
    type Place = Spot;

    fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    fn gate(&self) -> u64 {
        self.ring.gate()
    }

    fn set_gate(&mut self, value: u64) {
        self.ring.set_gate(value);
    }

    fn place(&self, position: u64) -> Spot {
        Spot {
            place: self.ring.place(position),
            position,
            used: 0,
        }
    }

    fn foothold(&mut self, position: u64) {
        self.foothold = position;
        self.ring.foothold(position);
    }

    unsafe fn near(&self, bytes: u64) -> Spot {
        assert!(bytes < CAPACITY, "near the foothold is within a lap");
        Spot {
            // SAFETY: as just checked.
            place: unsafe { self.ring.near(bytes) },
            position: self.foothold + bytes,
            used: bytes,
        }
    }
}

impl ForeignRing for Restless<'_> {
    unsafe fn load(&self, spot: Spot) -> u64 {
        spot.has_word(0);
        self.owner.look();
        // SAFETY: as just checked.
        unsafe { self.ring.load(spot.place) }
    }

    unsafe fn read<const SKIP: usize>(&self, spot: Spot, target: &mut [u8]) {
        spot.has(SKIP as u64, target.len());
        self.owner.look();
        // SAFETY: as just checked.
        unsafe { self.ring.read::<SKIP>(spot.place, target) };
    }
}

/// One of the peer's words.
#[derive(Debug)]
pub(crate) struct Said<'a>(pub(crate) Rc<Owner<'a>>, pub(crate) usize);

impl ForeignWord for Said<'_> {
    fn load(&self) -> u64 {
        self.0.look();
        self.0.words[self.1].get()
    }
}

/// A word of ours: a position, which only moves forward. It can be looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forward(Rc<Cell<u64>>);

impl Forward {
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

impl OwnWord for Forward {
    fn store(&self, value: u64, _order: Ordering) {
        assert!(value % 8 == 0 && value >= self.0.get(), "{value} is told");
        self.0.set(value);
    }
}

/// A ring of ours.
#[derive(Debug)]
pub(crate) struct Careful(MappedOwnRing);

impl Careful {
    /// A ring whose memory is garbage, as that of one that was long in use. Two with numbers that follow each other are in use at once.
    pub(crate) fn new(number: usize) -> (Self, MappedForeignRing) {
        let (own, foreign) = Gate::pair().expect("a page for gates");
        let (mut own, seen) = Self::segments(number).with(|pair| {
            (
                pair.sending.ring(0, own),
                pair.sending_seen.ring(0, foreign),
            )
        });
        let place = own.place(0);
        // SAFETY: a place of this ring, and all of it; nobody else uses it.
        unsafe { own.write(place, 0, &[0xff; CAPACITY as usize]) };
        (Self(own), seen)
    }

    /// How another peer sees the one with that number.
    pub(crate) fn seen(number: usize) -> MappedForeignRing {
        let (_, foreign) = Gate::pair().expect("a page for gates");
        Self::segments(number).with(|pair| pair.sending_seen.ring(0, foreign))
    }

    fn segments(number: usize) -> &'static LocalKey<Pair> {
        if number % 2 == 0 { &SEGMENTS } else { &OTHERS }
    }
}

impl Ring for Careful {
    type Place = Spot;

    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn gate(&self) -> u64 {
        self.0.gate()
    }

    fn set_gate(&mut self, value: u64) {
        self.0.set_gate(value);
    }

    fn place(&self, position: u64) -> Spot {
        Spot {
            place: self.0.place(position),
            position,
            used: 0,
        }
    }

    fn foothold(&mut self, position: u64) {
        self.0.foothold(position);
    }

    unsafe fn near(&self, _bytes: u64) -> Spot {
        unreachable!("a producer has no foothold")
    }
}

impl OwnRing for Careful {
    unsafe fn store(&self, spot: Spot, offset: u64, word: u64, order: Ordering) {
        spot.has_word(offset);
        // SAFETY: as just checked.
        // ORD: own-ring-word: the caller's; partner: named at each call.
        unsafe { self.0.store(spot.place, offset, word, order) };
    }

    unsafe fn store_fenced(&self, spot: Spot, word: u64, commit: Site, barrier: Site) {
        spot.has_word(0);
        // SAFETY: as just checked.
        // ORD: own-ring-word: the caller's; partner: named at each call.
        unsafe { self.0.store_fenced(spot.place, word, commit, barrier) };
    }

    unsafe fn load(&self, spot: Spot, offset: u64) -> u64 {
        spot.has_word(offset);
        // SAFETY: as just checked.
        unsafe { self.0.load(spot.place, offset) }
    }

    unsafe fn carry(&mut self, from: &Self, position: u64, length: u64) {
        assert!(length <= CAPACITY, "{length} bytes");
        // SAFETY: as just checked; the test of what arrives shows that nobody was told of it before.
        unsafe { self.0.carry(&from.0, position, length) };
    }

    unsafe fn write(&mut self, spot: Spot, offset: u64, bytes: &[u8]) {
        spot.has(offset, bytes.len());
        // SAFETY: as just checked; nobody reads there.
        unsafe { self.0.write(spot.place, offset, bytes) };
    }
}
