//! What a consumer gives account of where its connection can be resumed: how far it has handed frames out, and what it has finished with, at once and not in steps.
//!
//! If it dies, its producer, which then knows that these words are final, tells apart what nobody has seen (behind *taken*), what was finished with (before *released*), and what lies
//! between the two. No frame passes the gate, which stays shut: each is due to be released or, while frames are held, to be asked for, so that the fast paths need not know of any of this.

use super::{Consumer, Entry};
use crate::layout::header::{HEADER, Header};
use crate::layout::redelivery::Redelivery;
use crate::planted::{Check, is_left_out};
use crate::segment::{ForeignRing, OwnWord};
use crate::sync::{Ordering, handed_out};

/// What the words say, and since when the producer was not woken.
#[derive(Debug)]
pub(super) struct Account<W> {
    word: W,
    /// What it says.
    taken: u64,
    /// The released position with which the producer was last woken, or might have been.
    woken: u64,
    /// It is woken once in so many bytes, as where releases are told in steps.
    step: u64,
}

impl Entry {
    /// Whether it was sent before.
    #[inline]
    pub(crate) fn redelivery(&self) -> Redelivery {
        self.header.redelivery()
    }
}

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// Gives account from now on, in `word` of what was taken, which says the lane's start already. To be called before the first look.
    pub(crate) fn give_account(&mut self, word: W) {
        self.account = Some(Account {
            word,
            taken: self.start,
            woken: self.start,
            step: self.step,
        });
        self.step = HEADER;
        // While frames are held no release is due, and the gate would let them pass.
        self.shut = true;
        self.due = self.published + self.step;
        self.open_gate();
    }

    /// Whether it does.
    pub(crate) fn gives_account(&self) -> bool {
        self.account.is_some()
    }

    /// `entry` is about to be handed out.
    pub(crate) fn say_taken(&mut self, entry: &Entry) {
        // A planted fault, which the kills of tests/resume must find: it is said when it is released.
        #[cfg(ringway_planted = "untaken_frame")]
        if crate::planted::is_asked_for("untaken_frame") {
            return;
        }
        if !is_left_out(Check::TakenFirst) {
            self.say_taken_to(entry.end());
        }
    }

    fn say_taken_to(&mut self, position: u64) {
        if let Some(account) = self.account.as_mut() {
            if position > account.taken {
                account.taken = position;
                step!("taken-before");
                // ORD: taken: Relaxed, before what is done with the frame in the order of the program; partner: ring/producer/recovery.rs (see-taken).
                account.word.store(position, Ordering::Relaxed);
                handed_out();
                step!("taken-after");
            }
        }
    }

    /// Everything before `freed` is about to be told as released. Returns whether the producer is to be woken for it.
    ///
    /// Who waits for room is woken as it is without an account, once in a step: what is told in between it may find by itself, and need not.
    pub(super) fn account_for(&mut self, freed: u64) -> bool {
        // What was dropped, because it had expired, was handed out to nobody, and is finished with all the same.
        self.say_taken_to(freed);
        let Some(account) = self.account.as_mut() else {
            return true;
        };
        let wakes = freed - account.woken >= account.step;
        if wakes {
            account.woken = freed;
        }
        wakes
    }

    /// Whether a frame begins with it that may come here: frames are sent again only where that was agreed on.
    pub(super) fn is_frame(&self, header: Header) -> bool {
        header.is_frame() && (self.gives_account() || header.redelivery() == Redelivery::First)
    }
}
