//! Both halves of a lane over memory that a liar writes, also while a call looks at it: every call ends after a bounded number of looks, stays inside of the ring and of what it was
//! handed, and says which rule was broken, for good. Where such a lane can be taken over, all that was sent and is not known to be finished with comes again, in its order, and with what
//! can be proven of it.

mod again;
mod reader;
mod writer;

use self::reader::Reader;
use self::writer::Writer;
use super::input::Input;
use super::memory::{CAPACITY, Owner};
use crate::layout::geometry::Geometry;

/// Where lanes start: at a ring's begin, before the wrap, and as late as any may.
const STARTS: [u64; 4] = [0, (1 << 20) - 8, (1 << 20) - 264, 1 << 62];

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let setup = input.u8();
    let alignment = 8 << (setup >> 3 & 3);
    let geometry = Geometry::new(CAPACITY, alignment, STARTS[usize::from(setup & 3)]);
    if setup & 4 == 0 {
        let meddling = usize::from(input.u8());
        let (owner, ring) = Owner::new(input.bytes(meddling), geometry.start);
        let mut reader = Reader::new(owner, ring, &geometry, setup & 0x20 != 0);
        while !input.is_empty() {
            reader.step(&mut input);
        }
    } else {
        let mut writer = Writer::new(&geometry, setup);
        while !input.is_empty() {
            writer.step(&mut input);
        }
    }
}
