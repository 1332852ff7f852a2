//! The heat of a connection in a poller: whether it is looked at in memory, or sleeps in the kernel until it is rung.
//!
//! Two questions. Whether the thread goes on looking at all is asked of all connections together, by the [`Pulse`]: looking is worth it while the
//! next frame, whoever sends it, is near, since it spares both sides a wake. While it does, one more connection costs one more look per
//! round, and so each that is in use is kept, by its [`Heat`]; for less long where there are very many, because each makes the round of all longer.
//! Pure: they are told when something was found and how many are hot, and know no clock.

use super::series::Series;

/// Frames that are further apart than this, in nanoseconds, are not worth looking for: about what a sleep and a wake cost.
const WORTH: u64 = 50_000;
/// The longest that is looked for a frame.
const LONGEST: u64 = 2 * WORTH;
/// What a sleep adds to the gap in which it lies, in nanoseconds: of a frame that was rung for, how soon it would have been found is not known, for the wake is
/// in it. Were all of that counted, frames that are far apart only because each is slept for would be slept for ever.
const WAKE: u64 = WORTH / 2;
/// Finds in a trial: so many that a client whose every wait sleeps meanwhile has tried a spin of its own (`wake/patience.rs`), and found.
const TRIAL: u8 = 24;
/// Finds that were slept for and yet came soon, before the first trial; and at most, where trials are in vain.
const SOON: u16 = 8;
const SELDOM: u16 = 32 * SOON;
/// What it costs to let one connection go and to have it back, in nanoseconds: so much longer is looked for each.
const EACH: u64 = 250;
/// A gap counts as no longer than this: so that one that is long among short ones, such as when the thread did not run, changes nothing, and
/// a long silence is forgotten after a few frames that are near each other.
const FORGOTTEN: u64 = 3 * WORTH;
/// So long is a connection kept that nobody uses, while others are in use.
///
/// Long enough for the rotation of a thousand whose frames all have to be rung for, as they are in the first one.
const KEPT: u64 = 200_000_000;
/// So many may be kept without anybody's time being cut.
const ROOM: u64 = 1024;

/// What is known of all connections of one poller together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    /// When something was last found, in nanoseconds.
    last: u64,
    /// How far apart finds are, lately.
    gap: u64,
    /// The thread has slept since.
    slept: bool,
    /// Where both sides sleep, each finds that the other takes long, and neither learns by itself that they need not.
    trials: Series<TRIAL, SOON, SELDOM>,
}

impl Pulse {
    /// One that begins `now`. Something is expected at once.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            last: now,
            gap: 0,
            slept: false,
            trials: Series::new(),
        }
    }

    /// Something was found `now`.
    pub(crate) fn found(&mut self, now: u64) {
        let wake = if self.slept { WAKE } else { 0 };
        let since = now.saturating_sub(self.last);
        let gap = since.saturating_sub(wake).min(FORGOTTEN);
        let slept = core::mem::take(&mut self.slept);
        self.last = now;
        self.gap = (3 * self.gap + gap) / 4;
        self.attempt(slept, since);
    }

    /// Goes on with a trial, or begins one.
    fn attempt(&mut self, slept: bool, since: u64) {
        // What is near goes on by itself.
        let near = self.gap <= WORTH;
        if self.trials.is_on() {
            if self.trials.trial() || slept || near {
                self.trials.end(near);
            }
        } else if slept && since < FORGOTTEN && !near {
            self.trials.occasion();
        }
    }

    /// The thread goes to sleep.
    pub(crate) fn sleeps(&mut self) {
        self.slept = true;
    }

    /// Nobody has looked for so many nanoseconds: the thread slept, and would have been woken, or it did not run, or did something else, which is no silence.
    pub(crate) fn missed(&mut self, nanos: u64) {
        if !self.slept {
            self.last = self.last.saturating_add(nanos);
        }
    }

    /// Whether nothing more is to be looked for `now`, while `hot` are hot: what is hot is to be let go.
    pub(crate) fn is_over(&self, now: u64, hot: usize) -> bool {
        let patience = match self.patience() {
            0 => 0,
            some => some + EACH * hot as u64,
        };
        now.saturating_sub(self.last) >= patience
    }

    /// Whether frames are near each other: then whoever was hot when the thread last fell asleep is looked at again.
    pub(crate) fn is_lively(&self) -> bool {
        self.patience() > 0
    }

    /// How long is looked for one connection after something was found: twice as long as it lately took; not at all where that is in vain.
    fn patience(&self) -> u64 {
        if self.trials.is_on() {
            LONGEST
        } else if self.gap > WORTH {
            0
        } else {
            (2 * self.gap).clamp(WORTH / 2, LONGEST)
        }
    }
}

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heat {
    /// When something was last found, in nanoseconds. A ring by itself is no use: what it rang for is found behind it.
    last: u64,
}

impl Heat {
    /// A connection that is used `now`.
    pub(crate) fn new(now: u64) -> Self {
        Self { last: now }
    }

    /// Is let go at the next look.
    pub(crate) fn forget(&mut self) {
        self.last = 0;
    }

    /// It is used `now`.
    pub(crate) fn used(&mut self, now: u64) {
        self.last = now;
    }

    /// Whether it is to be let go `now` although the pulse goes on, while `hot` are hot, this one included.
    pub(crate) fn is_over(self, now: u64, hot: usize) -> bool {
        let kept = KEPT * ROOM / (hot as u64).max(ROOM);
        now.saturating_sub(self.last) >= kept
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Looks every `step` nanoseconds for frames that come with these gaps. Returns the time that was spent looking, and how often the thread
    /// slept.
    fn simulate(gaps: &[u64], step: u64) -> (u64, u32) {
        let (mut pulse, mut now) = (Pulse::new(0), 0);
        let (mut spent, mut sleeps) = (0, 0);
        for gap in gaps {
            let (due, from) = (now + gap, now);
            while now < due && !pulse.is_over(now, 0) {
                now += step;
            }
            spent += now - from;
            if now < due {
                sleeps += 1;
                pulse.sleeps();
                now = due;
            }
            pulse.found(now);
        }
        (spent, sleeps)
    }

    #[test]
    fn who_has_left_is_let_go_at_once() {
        let mut heat = Heat::new(10 * KEPT);
        assert!(!heat.is_over(10 * KEPT, 1));
        heat.forget();
        assert!(heat.is_over(10 * KEPT, 1));
    }

    #[test]
    fn the_gap_that_is_worth_it_at_most_is_worth_it() {
        let at = |gap| {
            Pulse {
                gap,
                ..Pulse::new(0)
            }
            .patience()
        };
        assert_eq!(at(0), WORTH / 2);
        assert_eq!(at(WORTH), (2 * WORTH).min(LONGEST));
        assert_eq!(at(WORTH + 1), 0);
    }

    #[test]
    fn near_frames_are_looked_for_and_far_ones_are_slept_for() {
        let (_, sleeps) = simulate(&[20_000; 1000], 100);
        assert_eq!(sleeps, 0);
        let (spent, sleeps) = simulate(&[1_000_000; 1000], 100);
        assert!(sleeps >= 999, "{sleeps}");
        assert!(spent < 5 * LONGEST, "{spent} ns of a second");
    }

    #[test]
    fn a_burst_after_a_silence_is_looked_for_again_soon() {
        let mut gaps = vec![10_000_000; 10];
        gaps.extend([5_000; 1000]);
        let (_, sleeps) = simulate(&gaps, 100);
        assert!(sleeps < 25, "{sleeps}");
    }

    #[test]
    fn one_long_gap_among_short_ones_changes_nothing() {
        let mut pulse = Pulse::new(0);
        let mut now = 0;
        for gap in [10_000; 20].into_iter().chain([5_000_000]) {
            now += gap;
            pulse.found(now);
        }
        assert!(pulse.is_lively());
        pulse.found(now + 5_000_000);
        assert!(!pulse.is_lively());
    }

    #[test]
    fn frames_that_are_far_apart_because_each_is_slept_for_are_looked_for_again() {
        let (mut pulse, mut now) = (Pulse::new(0), 0);
        // Long silences, and then a client that asks again as soon as it is answered, 45 us after it rang.
        for gap in [1_000_000; 5].into_iter().chain([45_000; 20]) {
            now += gap;
            pulse.sleeps();
            pulse.found(now);
        }
        assert!(pulse.is_lively() && !pulse.is_over(now + 2_000, 1));
        // Where they would be far apart in any case they are not.
        for _ in 0..20 {
            now += 2 * WORTH;
            pulse.sleeps();
            pulse.found(now);
        }
        assert!(!pulse.is_lively());
    }

    /// A wake takes 25 us: what was slept for comes after 45 us.
    #[test]
    fn what_a_sleep_adds_to_a_gap_is_not_counted() {
        let (mut pulse, mut now) = (Pulse::new(0), 0);
        for _ in 0..100 {
            now += 70_000;
            pulse.sleeps();
            pulse.found(now);
        }
        assert!((44_000..=45_000).contains(&pulse.gap), "{}", pulse.gap);
        assert!(pulse.is_lively() && !pulse.trials.is_on());
    }

    /// What was slept for that long tells of no client that asks as soon as it is answered.
    #[test]
    fn silences_are_no_occasion_for_a_trial() {
        let tries = |gap| {
            let (mut pulse, mut now) = (Pulse::new(0), 0);
            (0..100).any(|_| {
                now += gap;
                pulse.sleeps();
                pulse.found(now);
                pulse.trials.is_on()
            })
        };
        assert!(tries(FORGOTTEN - 1) && !tries(FORGOTTEN));
    }

    /// A client that sleeps until it is answered, and so for ever where each frame is slept for; once it is answered soon it spins, and asks again at once.
    #[test]
    fn two_who_sleep_for_each_other_find_out_that_they_need_not() {
        let (mut pulse, mut now) = (Pulse::new(0), 0);
        let mut answered_soon = 0;
        for _ in 0..40 {
            let patience = pulse.patience();
            let comes_after = if answered_soon >= 16 { 2_000 } else { 60_000 };
            if patience < comes_after {
                pulse.sleeps();
                now += comes_after + 2 * WAKE;
                answered_soon = 0;
            } else {
                now += comes_after;
                answered_soon += 1;
            }
            pulse.found(now);
        }
        assert!(answered_soon > 16 && pulse.is_lively(), "{answered_soon}");
    }

    /// Where trials are in vain they get seldom.
    #[test]
    fn what_is_not_worth_looking_for_is_seldom_tried() {
        for gap in [WORTH + WAKE + 10_000, FORGOTTEN - 1_000] {
            let (spent, _) = simulate(&vec![gap; 10_000], 1000);
            assert!(spent < gap * 10_000 / 8, "{spent} ns, for gaps of {gap}");
        }
    }

    #[test]
    fn who_did_not_look_has_not_heard_a_silence() {
        let mut pulse = Pulse::new(0);
        pulse.missed(4_000_000);
        assert!(!pulse.is_over(4_000_000 + WORTH / 4, 1));
        assert!(pulse.is_over(4_000_000 + WORTH, 1));
        for moment in 2..10 {
            pulse.sleeps();
            pulse.missed(4_000_000);
            pulse.found(4_000_000 * moment);
        }
        assert!(!pulse.is_lively(), "a sleep is a silence");
    }

    #[test]
    fn many_are_looked_for_as_long_as_letting_them_go_would_cost() {
        let pulse = Pulse::new(0);
        assert!(pulse.is_over(WORTH, 1) && !pulse.is_over(WORTH, 1000));
        assert!(pulse.is_over(WORTH / 2 + 1000 * EACH, 1000));
        // What is not worth looking for is not, however many they are.
        let mut far = Pulse::new(0);
        for moment in 1..10 {
            far.found(moment * FORGOTTEN);
        }
        assert!(far.is_over(9 * FORGOTTEN, 1000));
    }

    #[test]
    fn where_very_many_are_hot_each_is_let_go_sooner() {
        let heat = Heat::new(0);
        assert!(!heat.is_over(KEPT / 4, 1024));
        assert!(heat.is_over(KEPT / 4, 10_240));
        assert!(heat.is_over(KEPT, 1));
    }

    proptest! {
        /// Whatever the traffic, nothing is looked for in vain for longer than `LONGEST`.
        #[test]
        fn what_is_silent_gets_cold(gaps in prop::collection::vec(0u64..10_000_000, 1..200)) {
            let mut pulse = Pulse::new(0);
            let mut now = 0;
            for gap in gaps {
                now += gap;
                pulse.found(now);
                prop_assert!(pulse.patience() <= LONGEST);
                prop_assert!(pulse.is_over(now + LONGEST + 1000 * EACH, 1000));
            }
        }

        /// Where frames are far apart the time that is spent looking is next to none.
        #[test]
        fn far_frames_cost_little(gaps in prop::collection::vec(1_000_000u64..20_000_000, 50..200)) {
            let (spent, _) = simulate(&gaps, 1000);
            let all: u64 = gaps.iter().sum();
            prop_assert!(spent * 20 < all, "{} of {}", spent, all);
        }

        /// A steady pace that is worth it is never slept through.
        #[test]
        fn a_steady_pace_is_kept(gap in 500u64..WORTH / 2, frames in 10usize..500) {
            let (_, sleeps) = simulate(&vec![gap; frames], 100);
            prop_assert_eq!(sleeps, 0);
        }

        /// One connection among many that are in use stays hot as long as it has its part in the traffic, and is let go when it has none.
        #[test]
        fn each_is_kept_by_its_own_use(peers in 2u64..1000, gap in 100u64..1000, rounds in 2u64..20) {
            let mut heats = vec![Heat::new(0); peers as usize];
            let mut now = 0;
            for _ in 0..rounds {
                for heat in &mut heats {
                    now += gap;
                    heat.used(now);
                }
            }
            // A whole rotation is at most a millisecond.
            prop_assert!(heats.iter().all(|heat| !heat.is_over(now, peers as usize)));
            let later = now + KEPT;
            heats[0].used(later);
            prop_assert!(!heats[0].is_over(later, peers as usize));
            prop_assert!(heats[1..].iter().all(|heat| heat.is_over(later, peers as usize)));
        }

        /// A clock that stands still or goes back does no harm.
        #[test]
        fn any_clock_will_do(moments in prop::collection::vec(any::<u64>(), 1..100)) {
            let (mut pulse, mut heat) = (Pulse::new(moments[0]), Heat::new(moments[0]));
            for moment in moments {
                pulse.found(moment);
                heat.used(moment);
                let _ = pulse.is_over(moment.wrapping_add(1), 1) || heat.is_over(moment.wrapping_add(1), 1);
            }
        }
    }
}
