//! Waits in simulated time: what is spun, what is slept through, and how soon a change is noticed.

use super::*;
use proptest::prelude::*;

/// A wake takes 30 µs, as between two cores of ours.
const WAKE: u64 = 30_000;

/// Lets waits of these lengths pass. Returns the time spun in each, and whether it slept.
fn run(patience: &mut Patience, waits: impl IntoIterator<Item = u64>) -> Vec<(u64, bool)> {
    let mut course = Vec::new();
    for wait in waits {
        let spin = patience.spin().as_nanos() as u64;
        if wait <= spin {
            patience.ended(Duration::from_nanos(wait), Course::Spun);
            course.push((wait, false));
        } else {
            patience.ended(Duration::from_nanos(wait + WAKE), Course::Slept);
            course.push((spin, true));
        }
    }
    course
}

fn spun(course: &[(u64, bool)]) -> u64 {
    course.iter().map(|&(spun, _)| spun).sum()
}

fn sleeps(course: &[(u64, bool)]) -> usize {
    course.iter().filter(|&&(_, slept)| slept).count()
}

#[test]
fn short_waits_are_spun_through_from_the_first() {
    for micros in [1, 2, 5, 10, 20, 30] {
        let course = run(&mut Patience::default(), [micros * 1000; 1000]);
        assert_eq!(sleeps(&course), 0, "{micros} µs");
    }
}

/// Parking costs some 10 µs of processor time for each wait, of which three tenths may be added.
#[test]
fn from_a_millisecond_on_next_to_nothing_is_spun() {
    for micros in [1000, 2000, 10_000] {
        let course = run(&mut Patience::default(), [micros * 1000; 1000]);
        assert_eq!(sleeps(&course), 1000);
        let each = spun(&course) / 1000;
        assert!(each < 2000, "{each} ns for each wait of {micros} µs");
        assert!(spun(&course) > 0, "it is tried again");
    }
}

proptest! {
    /// By its definition: of all lengths of spin the one that costs the least, each wait taken to have lasted three quarters of the longest of its kind.
    #[test]
    fn the_cheapest_spin_is_found(weights in prop::array::uniform8(0u64..20_000)) {
        let patience = Patience { waits: weights, ..Patience::default() };
        let cost = |spin: u64| -> u64 {
            let lengths = (0..).map(|at| SHORTEST << at);
            let costs = weights.iter().zip(lengths).enumerate().map(|(at, (weight, longest))| {
                let found = at < LENGTHS && longest <= spin;
                weight * if found { longest * 3 / 4 } else { spin + SLEEP }
            });
            costs.sum()
        };
        let spins = std::iter::once(0).chain((0..LENGTHS).map(|at| SHORTEST << at));
        prop_assert_eq!(Some(patience.cheapest()), spins.min_by_key(|spin| cost(*spin)));
    }
}

#[test]
fn where_spinning_pays_there_is_no_concert() {
    let mut patience = Patience::default();
    for _ in 0..2000 {
        // One in eight sleeps, near enough for a series of those that never spin.
        run(
            &mut patience,
            [2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 90_000],
        );
        assert!(patience.best > 0 && !patience.concert.plays());
    }
}

#[test]
fn while_spinning_finds_what_comes_there_is_nothing_to_be_tried() {
    let mut patience = Patience::default();
    for _ in 0..100 {
        run(&mut patience, [2_000]);
        assert!(patience.best > 0 && patience.until_trial >= patience.between);
    }
}

#[test]
fn a_sudden_change_is_noticed_both_ways() {
    let mut patience = Patience::default();
    for short in [2_000, 20_000] {
        run(&mut patience, [1_000_000; 1000]);
        let course = run(&mut patience, [short; 200]);
        assert!(sleeps(&course) <= 64, "{} of {short} ns", sleeps(&course));
        assert_eq!(sleeps(&course[100..]), 0);
        let course = run(&mut patience, [1_000_000; 200]);
        assert!(spun(&course[..20]) < 20 * 32_000 / 2);
        assert!(spun(&course[20..]) < 180 * 3_000);
    }
}

/// Waits of 20 µs behind ones of 2 µs: the spin is too short at first, and a trial tells.
#[test]
fn a_spin_that_is_too_short_grows() {
    let mut patience = Patience::default();
    run(&mut patience, [2_000; 1000]);
    let course = run(&mut patience, [20_000; 100]);
    assert_eq!(sleeps(&course[50..]), 0, "{}", sleeps(&course));
}

/// Every second wait is long: the short ones are spun through, and the long ones are not spun for longer than that takes.
#[test]
fn of_a_mixture_the_short_ones_are_spun_through() {
    let waits = (0..1000).map(|n| if n % 2 == 0 { 3_000 } else { 1_000_000 });
    let course = run(&mut Patience::default(), waits);
    assert!(sleeps(&course) < 520, "{}", sleeps(&course));
    let each = spun(&course) / 1000;
    assert!(each < 10_000, "{each}");
}

#[test]
fn what_was_found_before_the_clock_was_read_counts() {
    let mut patience = Patience::default();
    for _ in 0..100 {
        patience.found_soon(10);
        run(&mut patience, [1_000_000]);
        assert!(!patience.spin().is_zero());
    }
    run(&mut patience, [1_000_000; 100]);
    assert_eq!(patience.best, 0);
    patience.found_soon(0);
    assert_eq!(patience.best, 0);
    patience.found_soon(u32::MAX);
    assert_eq!(patience.best, SHORTEST);
}

/// They come one by one, until what was before them is next to forgotten.
#[test]
fn many_that_were_found_before_the_clock_was_read_count_as_many() {
    let long = || {
        let mut patience = Patience::default();
        run(&mut patience, [1_000_000; 1000]);
        patience
    };
    let (mut at_once, mut one_by_one) = (long(), long());
    at_once.found_soon(20);
    (0..20).for_each(|_| one_by_one.found_soon(1));
    assert_eq!(at_once.waits, one_by_one.waits);
    at_once.found_soon(1000);
    assert!(at_once.waits[LENGTHS] < WHOLE / 1000);
}

#[test]
fn of_spins_that_cost_the_same_the_shorter_is_taken() {
    let mut waits = [0; LENGTHS + 1];
    waits[0] = WHOLE;
    let patience = Patience {
        waits,
        ..Patience::default()
    };
    // A longer one finds nothing more, and takes no longer for it.
    assert_eq!(patience.cheapest(), SHORTEST);
}

/// What always comes within the longest spin is worth it.
#[test]
fn the_longest_spin_is_the_longest_that_is_taken() {
    let mut patience = Patience::default();
    for _ in 0..100 {
        patience.ended(Duration::from_micros(60), Course::Spun);
    }
    assert_eq!(patience.best, 64_000);
    assert_eq!(LONGEST.as_nanos(), 64_000);
}

/// The thread did not run between two looks: that says nothing against looking.
#[test]
fn what_a_spin_found_late_was_within_the_longest_spin() {
    let mut patience = Patience::default();
    for _ in 0..1000 {
        patience.ended(Duration::from_millis(10), Course::Spun);
        assert!(patience.best > 0);
    }
    // In a series it was spun for so long.
    let plays = (0..1000).any(|_| {
        patience.ended(Duration::from_nanos(2 * SLEEP), Course::Slept);
        patience.concert.plays()
    });
    assert!(plays);
    let before = patience.waits[LENGTHS];
    patience.ended(Duration::from_nanos(concert::SPIN), Course::Spun);
    assert_eq!(
        patience.waits[LENGTHS],
        before - before / WEIGHT + WHOLE / WEIGHT
    );
}

/// Its own wake is in it: what it waited for may have come within a spin that was not made.
#[test]
fn a_near_sleep_does_not_count_and_brings_the_next_trial_forward() {
    for course in [Course::Slept, Course::Denied] {
        let mut patience = Patience::default();
        run(&mut patience, [5_000; 100]);
        // A long one, so that no longer spin than they need is the cheapest.
        run(&mut patience, [1_000_000]);
        assert_eq!(patience.best, 8_000);
        (patience.between, patience.until_trial) = (SELDOM, SELDOM);
        let learned = patience.waits;
        patience.ended(Duration::from_nanos(2 * SLEEP - 1), course);
        assert_eq!(patience.waits, learned);
        assert_eq!(patience.until_trial, SELDOM / 4);
        // One that lasted longer was not near.
        patience.ended(Duration::from_nanos(2 * SLEEP), course);
        assert!(patience.waits[LENGTHS] > learned[LENGTHS]);
        assert_eq!(patience.until_trial, SELDOM / 4 - 1);
    }
}

#[test]
fn trials_are_seldom_while_they_are_in_vain_and_follow_each_other_while_they_are_not() {
    let mut patience = Patience::default();
    run(&mut patience, [1_000_000; 1000]);
    let trial = |patience: &mut Patience, wait| {
        patience.until_trial = 0;
        run(patience, [wait]);
        (patience.between, patience.until_trial)
    };
    patience.between = 1;
    for apart in [2, 4, 8, 16, 32, 64, SELDOM] {
        assert_eq!(trial(&mut patience, 1_000_000), (apart, apart));
    }
    for apart in [SELDOM / 4, SELDOM / 16, 1, 1] {
        assert_eq!(patience.best, 0, "it would not be spun otherwise");
        assert_eq!(trial(&mut patience, 20_000), (apart, 0));
    }
}

/// Two who answer each other, each after so long. Returns the waits of either, as [`run`] does.
fn converse(sides: &mut [Patience; 2], answers: [u64; 2], rounds: usize) -> Vec<(u64, bool)> {
    let (mut sent, mut now) = ([0; 2], 0);
    let mut course = Vec::new();
    for turn in 0..2 * rounds {
        let side = turn % 2;
        // What the other one has sent just now, is waited for since our own.
        let wait = now - sent[side];
        let found = run(&mut sides[side], [wait])[0];
        now += u64::from(found.1) * WAKE + answers[side];
        sent[side] = now;
        course.push(found);
    }
    course
}

/// Each has been asleep for long, and so is what the other one waits for.
fn sleepers() -> [Patience; 2] {
    [(); 2].map(|()| {
        let mut patience = Patience::default();
        run(&mut patience, [1_000_000; 1000]);
        patience
    })
}

#[test]
fn two_who_sleep_because_the_other_one_does_come_to_spin() {
    for answers in [
        [1_000, 1_000],
        [15_000, 20_000],
        [25_000, 10_000],
        [28_000, 28_000],
    ] {
        let mut sides = sleepers();
        let course = converse(&mut sides, answers, 2000);
        let late = &course[3000..];
        assert_eq!(sleeps(late), 0, "{answers:?}");
        let soon = sleeps(&course);
        assert!(soon < 800, "{soon} sleeps of {answers:?}");
    }
}

/// One of them takes so long that it is slept through all the same: hardly anything is spun for it.
#[test]
fn who_takes_long_to_answer_is_slept_for() {
    for long in [70_000, 110_000, 150_000, 400_000] {
        let mut sides = sleepers();
        let course = converse(&mut sides, [long, 10_000], 20_000);
        let waits: Vec<_> = course.into_iter().skip(1).step_by(2).collect();
        let each = spun(&waits) / waits.len() as u64;
        assert!(each < 3_000, "{each} ns in each wait for {long} ns");
    }
}

/// A budget that is used up says nothing of how long the waits would have to be spun.
#[test]
fn a_wait_that_was_denied_its_spin_does_not_count_against_it() {
    let mut patience = Patience::default();
    run(&mut patience, vec![5_000; 300]);
    let learned = patience.best;
    assert!(learned > 0);
    for _ in 0..1000 {
        patience.ended(Duration::from_nanos(5_000 + WAKE), Course::Denied);
    }
    assert_eq!(patience.best, learned);
}

proptest! {
    /// A steady pace is spun through up to 20 µs and slept through from 1 ms on, whatever came before.
    #[test]
    fn a_steady_pace_is_learned(
        before in prop::collection::vec(100u64..10_000_000, 0..100),
        short in 1_000u64..25_000,
        long in 1_000_000u64..10_000_000,
    ) {
        let mut patience = Patience::default();
        run(&mut patience, before);
        let course = run(&mut patience, vec![short; 300]);
        prop_assert_eq!(sleeps(&course[200..]), 0);
        let course = run(&mut patience, vec![long; 400]);
        prop_assert!(spun(&course[200..]) < 200 * 2_000, "{}", spun(&course[200..]));
    }

    /// Whatever comes, the waits cost at most a little more than if all had slept, or the best single length of spin had been known.
    #[test]
    fn it_costs_little_more_than_the_best_fixed_spin(
        lengths in prop::collection::vec(1_000u64..10_000_000, 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 500),
    ) {
        let waits: Vec<u64> = order.iter().map(|at| *at.get(&lengths)).collect();
        let course = run(&mut Patience::default(), waits.iter().copied());
        let cost = spun(&course) + sleeps(&course) as u64 * SLEEP;
        let best = (0..=LENGTHS)
            .map(|at| if at == 0 { 0 } else { SHORTEST << (at - 1) })
            .map(|spin| {
                waits
                    .iter()
                    .map(|&wait| if wait <= spin { wait } else { spin + SLEEP })
                    .sum::<u64>()
            })
            .min()
            .unwrap();
        prop_assert!(cost < best * 3 / 2 + 20 * (32_000 + SLEEP), "{cost} for {best}");
    }

    #[test]
    fn no_spin_is_longer_than_the_longest(
        ends in prop::collection::vec((any::<u64>(), 0..3u8, 0u32..100), 0..300),
    ) {
        let mut patience = Patience::default();
        for (lasted, course, soon) in ends {
            patience.found_soon(soon);
            let course = [Course::Spun, Course::Slept, Course::Denied][usize::from(course)];
            patience.ended(Duration::from_nanos(lasted), course);
            let most = if patience.concert.plays() { concert::SPIN } else { LONGEST.as_nanos() as u64 };
            prop_assert!(patience.spin().as_nanos() as u64 <= most);
            prop_assert!(patience.waits.iter().sum::<u64>() <= 2 * WHOLE);
        }
    }
}
