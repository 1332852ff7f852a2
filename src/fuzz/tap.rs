//! One who reads along what a liar writes, and whose every word may change at every look.

use std::rc::Rc;

use super::input::Input;
use super::memory::{CAPACITY, Owner, Said, position, word};
use crate::ring::{HISTORY, Tap, Told};

/// The most looks of a call: at each header of a history, and at the claim behind it, and some more.
const LOOKS: u32 = 2 * HISTORY + 64;
/// The most looks of an input: a liar can make each call walk through a history.
const MOST: u32 = 4 * LOOKS;

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let meddling = usize::from(input.u8());
    let (owner, ring) = Owner::new(input.bytes(meddling), 0);
    let said = |index| Said(Rc::clone(&owner), index);
    let told = Told {
        claim: said(0),
        coming: said(1),
        come: said(2),
        tail: said(3),
    };
    let mut tap = Tap::new(ring, told);
    let mut broken = None;
    let (mut payload, mut near, mut seen) = (Vec::new(), 0, 0u64);
    while !input.is_empty() && owner.looks() < MOST {
        owner.allow(LOOKS, near);
        match input.u8() % 8 {
            0 | 1 => owner.write(input.u8() % 64, word(&mut input)),
            2 => {
                let word = word(&mut input);
                (0..64).for_each(|behind| owner.write(behind, word));
            }
            3 => owner.words[usize::from(input.u8() % 4)].set(position(&mut input, near)),
            // An anchor that agrees with itself.
            4 => {
                let (tail, frames) = (position(&mut input, near), u64::from(input.u8()));
                owner.words[3].set(tail);
                owner.words[1].set(frames);
                owner.words[2].set(frames);
                near = tail & !7;
            }
            _ => {
                let found = tap.try_next(&mut payload);
                if let Some(violation) = broken {
                    assert_eq!(found, Err(violation), "for good");
                }
                match found {
                    Ok(None) => {}
                    Ok(Some(glimpse)) => {
                        assert!(glimpse.position % 8 == 0);
                        assert!((payload.len() as u64) < CAPACITY);
                        seen += 1;
                        near = glimpse.position;
                    }
                    Err(violation) => {
                        assert!(!violation.to_string().is_empty());
                        broken = Some(violation);
                    }
                }
            }
        }
        // Read by whoever shows what was lost; no sum may overflow.
        let _ = (tap.missed(), tap.frames());
    }
    assert!(seen <= u64::from(owner.looks()));
}
