//! What one run of a program does, drawn before it begins: both sides know it.

use shuttle::rand::{Rng, thread_rng};

use crate::sync::mortal;

/// Who dies, and at which step of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    Nobody,
    Sender,
    Receiver,
}

/// A death, and the steps of that life.
pub(super) fn death(most: u32) -> (Death, u32) {
    let who = match draw(3) {
        0 => Death::Nobody,
        1 => Death::Sender,
        _ => Death::Receiver,
    };
    (who, draw(u64::from(most)) as u32)
}

/// A number below `end`.
pub(super) fn draw(end: u64) -> u64 {
    thread_rng().gen_range(0..end)
}

/// The steps that one lives: enough for anything, if it is not the one who dies.
pub(super) fn life((who, steps): (Death, u32), me: Death) -> u32 {
    if who == me { steps } else { mortal::FOR_EVER }
}

/// The payload of a frame: every byte depends on its number and its place.
pub(super) fn payload(frame: u32, length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| (frame.wrapping_mul(37) as usize + place * 11 + 1) as u8)
        .collect()
}

/// Numbers for as many frames.
pub(super) fn numbers<const COUNT: usize>(end: u64) -> [u64; COUNT] {
    core::array::from_fn(|_| draw(end))
}
