//! Random operations on both halves, and a queue that says what must come out.

mod geometries;

use std::rc::Rc;

use proptest::prelude::*;

use crate::ring::pair::Pair;
use crate::ring::world::{Size, Step, World};
use geometries::geometries;

fn sizes() -> impl Strategy<Value = Size> {
    prop_oneof![
        3 => (0usize..=24).prop_map(Size::Bytes),
        2 => (54usize..=74).prop_map(Size::Bytes),
        1 => (4070usize..=4110).prop_map(Size::Bytes),
        1 => (0usize..=16).prop_map(Size::BelowMost),
        2 => (0u64..=6).prop_map(Size::NearWrap),
        2 => (0usize..=1000).prop_map(Size::Part),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => sizes().prop_map(Step::Send),
        3 => (sizes(), 0u32..=9, 0usize..=20).prop_map(|(size, align, less)| Step::Reserve(size, align, less)),
        1 => (sizes(), 0u32..=9).prop_map(|(size, align)| Step::Abort(size, align)),
        2 => (prop::collection::vec(sizes(), 1..6), 0u32..=3, any::<bool>()).prop_map(|(sizes, align, leak)| Step::Group(sizes, align, leak)),
        5 => (1usize..8, any::<bool>()).prop_map(|(count, release)| Step::Take(count, release)),
        3 => (1usize..8).prop_map(Step::TakeExact),
        1 => any::<bool>().prop_map(Step::Hold),
        1 => (0usize..5000, 0usize..200).prop_map(|(from, count)| Step::Peek(from, count)),
        1 => Just(Step::Rewind),
        1 => Just(Step::PublishRelease),
        2 => (1usize..30).prop_map(Step::Tap),
        4 => (sizes(), 0u32..=9, prop_oneof![Just(u64::MAX), 0u64..20], any::<bool>())
            .prop_map(|(size, align, life, place)| Step::Expiring(size, align, life, place)),
        2 => (1u64..15).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn frames_come_out_as_from_a_queue(
        geometry in geometries(),
        fenced in any::<bool>(),
        changes in any::<bool>(),
        steps in prop::collection::vec((steps(), any::<bool>()), 1..150),
    ) {
        let mut world = World::new(Rc::new(Pair::new(geometry.capacity)), geometry, fenced);
        if changes {
            world.may_unfence();
        }
        for (step, unfence) in steps {
            prop_assert_eq!(world.unfence(unfence), fenced && changes && unfence);
            world.step(step);
        }
        world.finish();
    }
}
