//! Bytes as a program for both halves of a lane and one who reads along, against the queue of `ring/world.rs`: the steps that the property test draws, chosen by what a fuzzer
//! learns.

use std::rc::Rc;

use super::input::Input;
use crate::layout::geometry::{Geometry, MIN_CAPACITY};
use crate::ring::pair::Pair;
use crate::ring::world::{Size, Step, World};

/// Steps of a program, at most.
const STEPS: usize = 200;

thread_local! {
    /// All programs run on the same memory, wiped: making it takes longer than most of them.
    static PAIR: Rc<Pair> = Rc::new(Pair::new(MIN_CAPACITY));
}

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (setup, place) = (input.u8(), input.u8());
    let (fenced, changes) = (setup & 1 != 0, setup & 2 != 0);
    let pair = PAIR.with(Rc::clone);
    pair.wipe();
    let mut world = World::new(pair, geometry(setup >> 2, place), fenced);
    if changes {
        world.may_unfence();
    }
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let code = input.u8();
        let unfence = code & 0x80 != 0;
        assert_eq!(world.unfence(unfence), fenced && changes && unfence);
        world.step(step(code & 0x7f, &mut input));
    }
    world.finish();
}

/// A small ring, so that a short program wraps; at most positions where a lane may start, or near its own wrap.
fn geometry(setup: u8, place: u8) -> Geometry {
    let alignment = 8 << (setup & 3);
    let base = [0, 1 << 20, (1 << 62) - (1 << 20), 1 << 32][usize::from(setup >> 2 & 3)];
    let words = 8 * u64::from(place & 0x3f);
    let start = if place & 0x80 == 0 {
        base + words
    } else {
        base + MIN_CAPACITY - words
    };
    Geometry::new(MIN_CAPACITY, alignment, start)
}

fn step(code: u8, input: &mut Input<'_>) -> Step {
    match code % 25 {
        0..=2 => Step::Send(size(input)),
        3 | 4 => Step::Reserve(size(input), shift(input), usize::from(input.u8() % 32)),
        5 => Step::Abort(size(input), shift(input)),
        6 | 7 => {
            let count = 1 + input.u8() % 5;
            let sizes = (0..count).map(|_| size(input)).collect();
            Step::Group(sizes, shift(input) % 4, input.flag())
        }
        8..=10 => Step::Take(few(input), input.flag()),
        11 | 12 => Step::TakeExact(few(input)),
        13 => Step::Hold(true),
        14 => Step::Hold(false),
        15 => Step::Peek(usize::from(input.u16() % 5000), usize::from(input.u8())),
        16 => Step::Rewind,
        17 => Step::PublishRelease,
        18 => Step::Tap(few(input)),
        19 | 20 => Step::Expiring(size(input), shift(input), life(input), input.flag()),
        21 | 22 => Step::Pass(u64::from(input.u8() % 16)),
        23 => Step::Drop(true),
        _ => Step::Drop(false),
    }
}

fn few(input: &mut Input<'_>) -> usize {
    1 + usize::from(input.u8() % 8)
}

fn shift(input: &mut Input<'_>) -> u32 {
    u32::from(input.u8() % 10)
}

fn life(input: &mut Input<'_>) -> u64 {
    match input.u8() {
        u8::MAX => u64::MAX,
        life => u64::from(life % 20),
    }
}

fn size(input: &mut Input<'_>) -> Size {
    let number = input.u8();
    match number {
        0..=0x5f => Size::Bytes(usize::from(number)),
        0x60..=0x6f => Size::BelowMost(usize::from(number % 16)),
        0x70..=0x7f => Size::NearWrap(u64::from(number % 8)),
        _ => Size::Part(8 * usize::from(number & 0x7f)),
    }
}
