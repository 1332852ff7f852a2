//! Waits on the ladder, in simulated time.

use super::Step::{Pause, Sleep, Yield};
use super::*;
use proptest::prelude::*;

/// A look and what belongs to it takes so long; so does a wake.
const LOOK: Duration = Duration::from_micros(3);
const WAKE: Duration = Duration::from_micros(30);

struct Run {
    ladder: Ladder,
    lately: Patience,
    now: Instant,
    spun: Duration,
    sleeps: u32,
}

fn new(wait: Wait, cores: Cores, budget: Option<Duration>) -> Run {
    Run {
        ladder: Ladder::new(wait, cores, budget),
        lately: Patience::default(),
        now: Instant::now(),
        spun: Duration::ZERO,
        sleeps: 0,
    }
}

impl Run {
    fn wait(&mut self, lasts: Duration) {
        let due = self.now + lasts;
        self.ladder.begin(self.now, &mut self.lately);
        while self.now < due {
            match self.ladder.step(self.now) {
                Pause | Yield => {
                    self.now += LOOK;
                    self.spun += LOOK;
                }
                Sleep => {
                    self.sleeps += 1;
                    self.now = due + WAKE;
                }
            }
        }
        self.ladder.end(self.now, true, &mut self.lately);
    }

    fn waits(&mut self, lasts: Duration, times: u32) {
        (0..times).for_each(|_| self.wait(lasts));
    }
}

const SHORT: Duration = Duration::from_micros(15);
const LONG: Duration = Duration::from_millis(1);

#[test]
fn each_way_climbs_its_own_ladder() {
    let first = |wait, cores| {
        let mut run = new(wait, cores, None);
        run.ladder.begin(run.now, &mut run.lately);
        [0, 40, 100].map(|micros| run.ladder.step(run.now + Duration::from_micros(micros)))
    };
    assert_eq!(first(Wait::Spin, Cores::Several), [Pause; 3]);
    assert_eq!(first(Wait::Spin, Cores::Rationed), [Pause; 3]);
    assert_eq!(first(Wait::Spin, Cores::One), [Yield; 3]);
    assert_eq!(first(Wait::Park, Cores::Several), [Sleep; 3]);
    assert_eq!(first(Wait::Adaptive, Cores::Several), [Pause, Yield, Sleep]);
    assert_eq!(first(Wait::Adaptive, Cores::One), [Sleep; 3]);
    assert_eq!(first(Wait::Adaptive, Cores::Rationed), [Sleep; 3]);
}

/// A server that waits for a client who thinks for `pause` before each request: both sides' sleeps, and how long each spun, in the last thousand of so many round trips.
fn ping_pong(pause: Duration) -> [(u32, Duration); 2] {
    let mut sides = [(); 2].map(|()| new(Wait::Adaptive, Cores::Several, None));
    for round in 0..1300 {
        if round == 300 {
            for side in &mut sides {
                (side.sleeps, side.spun) = (0, Duration::ZERO);
            }
        }
        let [server, client] = &mut sides;
        let before = server.sleeps;
        server.wait(pause);
        client.now = server.now;
        if server.sleeps == before {
            // The reply is there before the client looks at a clock.
            client.ladder.found_soon();
        } else {
            client.wait(WAKE);
        }
        server.now = client.now;
    }
    sides.map(|side| (side.sleeps, side.spun))
}

#[test]
fn think_times_up_to_20_us_are_spun_through_and_a_millisecond_is_slept() {
    for micros in [1, 5, 20] {
        let [server, client] = ping_pong(Duration::from_micros(micros));
        assert_eq!((server.0, client.0), (0, 0), "{micros} us: nobody sleeps");
    }
    for millis in [1, 3, 10] {
        let [server, client] = ping_pong(Duration::from_millis(millis));
        assert_eq!(server.0, 1000, "{millis} ms: each wait is slept");
        assert!(
            server.1 < Duration::from_millis(1),
            "{millis} ms: {:?} spun as trials in 1,000 waits",
            server.1
        );
        // The reply is as far away as a wake, which may be spun through, and no more than that.
        assert!(client.1 <= 1000 * (WAKE + LOOK), "{:?}", client.1);
    }
}

/// The peer shares our CPU, and answers when we yield or sleep: spinning only holds it up, and is given up.
#[test]
fn a_spin_that_a_yield_ends_was_in_vain() {
    let mut run = new(Wait::Adaptive, Cores::Several, None);
    let mut spun = [0, 0];
    for round in 0..1000 {
        run.ladder.begin(run.now, &mut run.lately);
        while run.ladder.step(run.now) == Pause {
            run.now += LOOK;
            spun[usize::from(round >= 100)] += 1;
        }
        run.now += Duration::from_micros(4);
        run.ladder.end(run.now, true, &mut run.lately);
    }
    assert!(spun[0] > 0);
    assert!(LOOK * spun[1] < Duration::from_micros(3) * 900, "{spun:?}");
}

#[test]
fn one_cpu_or_a_quota_of_one_never_spins() {
    for cores in [Cores::One, Cores::Rationed] {
        let mut run = new(Wait::Adaptive, cores, None);
        for lasts in [SHORT, LONG].repeat(1000) {
            assert!(!run.ladder.spins() && !run.ladder.may_look());
            run.ladder.found_soon();
            run.wait(lasts);
        }
        assert_eq!((run.spun, run.sleeps), (Duration::ZERO, 2000));
    }
}

#[test]
fn short_waits_are_spun_through_and_long_ones_slept() {
    let mut run = new(Wait::Adaptive, Cores::Several, None);
    run.waits(SHORT, 1000);
    assert_eq!(run.sleeps, 0);
    assert!(run.ladder.spins());
    run.waits(LONG, 20);
    run.spun = Duration::ZERO;
    run.waits(LONG, 1000);
    assert!(run.spun < Duration::from_millis(2), "{:?}", run.spun);
    let spins = (0..128).filter(|_| {
        run.wait(LONG);
        run.ladder.spins()
    });
    assert!(spins.count() <= 4, "looks without a clock only for a trial");
    run.waits(SHORT, 100);
    let before = run.sleeps;
    run.waits(SHORT, 100);
    assert_eq!(run.sleeps, before);
}

/// A thousand waits that end by their deadline, with nothing found, are long ones.
#[test]
fn what_times_out_is_learned_from() {
    let mut run = new(Wait::Adaptive, Cores::Several, None);
    let mut spins = 0;
    for _ in 0..1000 {
        run.ladder.begin(run.now, &mut run.lately);
        while run.ladder.step(run.now) != Sleep {
            run.now += LOOK;
            spins += 1;
        }
        run.now += LONG;
        run.ladder.end(run.now, false, &mut run.lately);
    }
    assert!(spins < 1000, "{spins}");
}

/// A deadline that ends a short sleep does not say that what was waited for would have come as soon; what comes that soon does.
#[test]
fn what_a_deadline_cuts_short_is_not_learned_from() {
    let spun = |found| {
        let mut run = new(Wait::Adaptive, Cores::Several, None);
        run.waits(LONG, 100);
        for _ in 0..1000 {
            run.ladder.begin(run.now, &mut run.lately);
            let due = run.now + SHORT;
            while run.now < due && run.ladder.step(run.now) != Sleep {
                run.now += LOOK;
            }
            run.now = run.now.max(due);
            run.ladder.end(run.now, found, &mut run.lately);
        }
        run.ladder.spins()
    };
    assert_eq!([false, true].map(spun), [false, true]);
}

/// Four times the longest spin is the limit: a deadline that ends a sleep by then says nothing, and a later one does.
#[test]
fn a_deadline_that_ends_a_long_sleep_is_learned_from() {
    let spins = |lasts: Duration| {
        let mut run = new(Wait::Adaptive, Cores::Several, None);
        let rounds = (0..1000).filter(|_| {
            run.ladder.begin(run.now, &mut run.lately);
            let first = run.ladder.step(run.now);
            let later = run.now + 2 * LONGEST;
            assert!((0..3).any(|_| run.ladder.step(later) == Sleep));
            run.now += lasts;
            run.ladder.end(run.now, false, &mut run.lately);
            first == Pause
        });
        rounds.count()
    };
    assert_eq!(spins(4 * LONGEST), 1000);
    assert!(spins(4 * LONGEST + Duration::from_nanos(1)) < 100);
}

/// They slept because there was no budget: nothing is known of what the spin would have found.
#[test]
fn waits_that_are_denied_their_spin_do_not_count_against_it() {
    let budget = Some(Duration::from_micros(10));
    let mut run = new(Wait::Adaptive, Cores::Several, budget);
    for _ in 0..5000 {
        run.wait(SHORT);
        assert!(!run.ladder.patience.spin().is_zero());
        assert!(!run.lately.spin().is_zero());
    }
    assert!(run.sleeps > 4900, "{}", run.sleeps);
}

/// The half has learned that its own waits are long, and asks for no spin; what its thread asks for is neither in vain nor good.
#[test]
fn a_wait_says_nothing_of_a_spin_that_it_was_not_asked_for() {
    let mut run = experienced();
    let (learned, before) = (run.ladder.patience, run.sleeps);
    for _ in 0..5000 {
        run.ladder.patience = learned;
        run.wait(SHORT);
        assert!(!run.lately.spin().is_zero());
    }
    assert_eq!(run.sleeps, before + 5000);
}

#[test]
fn no_budget_no_spin_and_a_whole_second_is_no_limit() {
    let mut run = new(Wait::Adaptive, Cores::Several, Some(Duration::ZERO));
    run.waits(SHORT, 1000);
    assert_eq!((run.spun, run.sleeps), (Duration::ZERO, 1000));
    let mut run = new(Wait::Adaptive, Cores::Several, Some(Duration::from_secs(1)));
    assert!(run.ladder.spins());
    run.waits(SHORT, 1000);
    assert_eq!(run.sleeps, 0);
}

/// Waits that sleep because the budget is used up say nothing against a spin: when there is some again, it is spun.
#[test]
fn a_budget_that_comes_back_is_used_at_once() {
    let mut run = new(
        Wait::Adaptive,
        Cores::Several,
        Some(Duration::from_millis(20)),
    );
    run.waits(SHORT, 5000);
    assert!(run.sleeps > 1000, "{}", run.sleeps);
    for _ in 0..20 {
        run.now += Duration::from_millis(500);
        let before = run.sleeps;
        run.waits(SHORT, 3);
        assert_eq!(run.sleeps, before);
    }
}

/// Of five rings that find nothing yet, four are followed by what they are for: it stays awake for them, and no longer where nothing comes.
#[test]
fn it_lingers_behind_rings_that_something_follows() {
    let lingers = |finds: bool| {
        let mut run = new(Wait::Park, Cores::Several, None);
        let mut lingered = false;
        for round in 0..50 {
            run.ladder.begin(run.now, &mut run.lately);
            run.ladder.rung_in_vain(run.now);
            lingered = run.ladder.step(run.now) == Pause;
            if finds && round % 5 > 0 {
                run.ladder.found();
            }
            while run.ladder.step(run.now) == Pause {
                run.now += LOOK;
            }
            run.ladder.end(run.now, true, &mut run.lately);
        }
        lingered
    };
    assert_eq!([true, false].map(lingers), [true, false]);
}

/// It would keep the peer from the CPU that both share, or spin where that is rationed.
#[test]
fn who_may_not_spin_as_it_likes_does_not_linger() {
    let step = |cores, budget| {
        let mut run = new(Wait::Park, cores, budget);
        run.ladder.begin(run.now, &mut run.lately);
        run.ladder.rung_in_vain(run.now);
        run.ladder.step(run.now)
    };
    assert_eq!(step(Cores::Several, None), Pause);
    assert_eq!(step(Cores::One, None), Sleep);
    assert_eq!(step(Cores::Rationed, None), Sleep);
    let budget = Some(Duration::from_millis(20));
    assert_eq!(step(Cores::Several, budget), Sleep);
}

#[test]
fn only_who_spins_unlimited_may_look_on_its_own() {
    let may_look = |wait, cores, budget| new(wait, cores, budget).ladder.may_look();
    assert!(may_look(Wait::Spin, Cores::Several, None));
    assert!(may_look(Wait::Spin, Cores::Rationed, None));
    assert!(!may_look(Wait::Spin, Cores::One, None));
    assert!(!may_look(Wait::Park, Cores::Several, None));
    let budget = Some(Duration::from_millis(20));
    assert!(may_look(Wait::Adaptive, Cores::Several, None));
    assert!(!may_look(Wait::Adaptive, Cores::Several, budget));
}

proptest! {
    /// Whatever the waits: the spin of any run stays within its budget. It is used, too, where it pays.
    #[test]
    fn the_budget_is_obeyed(
        millis in 1u32..500,
        waits in prop::collection::vec(1u64..200_000, 1..500),
    ) {
        let budget = Duration::from_millis(1) * millis;
        let mut run = new(Wait::Adaptive, Cores::Several, Some(budget));
        let start = run.now;
        for nanos in waits {
            prop_assert!(!run.ladder.spins(), "looks that nobody counts");
            run.wait(Duration::from_nanos(nanos));
            let brought = (run.now - start).mul_f64(budget.as_secs_f64());
            let most = brought + (budget / 10).max(LONGEST) + 2 * LOOK;
            prop_assert!(run.spun <= most, "{:?} of {most:?}", run.spun);
        }
        let start = run.now;
        run.spun = Duration::ZERO;
        run.waits(SHORT, 5000);
        let brought = (run.now - start).mul_f64(budget.as_secs_f64());
        prop_assert!(run.spun * 2 >= brought.min(SHORT * 5000), "{:?} of {brought:?}", run.spun);
    }
}

/// Where both sides run is asked in the first wait, and again in later ones, less often while nothing changes; what is learned counts at once.
#[test]
fn what_there_is_to_spin_on_may_change() {
    let mut run = new(Wait::Adaptive, Cores::One, None);
    assert!(run.ladder.asks(run.now), "another thread may have made it");
    let (mut last, mut every) = (run.now, ASK_SOON);
    for _ in 0..10 {
        last += every;
        let sooner = last.checked_sub(Duration::from_nanos(1)).unwrap();
        assert!(!run.ladder.asks(sooner));
        assert!(run.ladder.asks(last) && !run.ladder.asks(last));
        run.ladder.stand_on(Cores::One);
        every = (2 * every).min(ASK_LATER);
    }
    assert!(
        (
            run.ladder.is_on_one(),
            run.ladder.spins(),
            run.ladder.may_look()
        ) == (true, false, false)
    );
    run.waits(SHORT, 10);
    assert_eq!((run.sleeps, run.spun), (10, Duration::ZERO));
    run.ladder.stand_on(Cores::Several);
    assert!(run.ladder.asks(last + ASK_SOON), "it may change again");
    assert!(
        (
            run.ladder.is_on_one(),
            run.ladder.spins(),
            run.ladder.may_look()
        ) == (false, true, true)
    );
    run.waits(SHORT, 100);
    assert_eq!(run.sleeps, 10, "short waits are spun through");
    run.ladder.stand_on(Cores::One);
    assert!(!run.ladder.spins() && !run.ladder.may_look());
    run.waits(SHORT, 10);
    assert_eq!(run.sleeps, 20);
    let mut spin = new(Wait::Spin, Cores::Several, None);
    assert_eq!(spin.ladder.step(spin.now), Pause);
    spin.ladder.stand_on(Cores::One);
    assert_eq!(
        (spin.ladder.step(spin.now), spin.ladder.spins()),
        (Yield, false)
    );
    let mut park = new(Wait::Park, Cores::One, None);
    assert!(!park.ladder.asks(park.now));
}

/// It has learned that its waits are long, and `lately` says the contrary.
fn experienced() -> Run {
    let mut run = new(Wait::Adaptive, Cores::Several, None);
    run.waits(LONG, 1000);
    // The next one is no trial.
    let knows = (0..100).any(|_| {
        run.wait(LONG);
        run.ladder.patience.spin().is_zero()
    });
    assert!(knows);
    run.lately = Patience::default();
    run
}

#[test]
fn who_waits_often_knows_better_than_its_thread() {
    let mut run = experienced();
    let mut first = |later| {
        run.ladder.begin(run.now + later, &mut run.lately);
        run.ladder.step(run.now + later)
    };
    assert_eq!(first(Duration::ZERO), Sleep);
    assert_eq!(first(STALE.saturating_sub(Duration::from_nanos(1))), Sleep);
    assert_eq!(first(STALE), Pause);
}

/// What was found before anybody looked at a clock is told when the next wait begins: to the half, and to its thread.
#[test]
fn what_was_found_soon_is_learned_once() {
    let mut run = experienced();
    run.lately = run.ladder.patience;
    for _ in 0..100 {
        run.ladder.found_soon();
    }
    run.ladder.begin(run.now, &mut run.lately);
    assert_eq!(run.ladder.step(run.now), Pause);
    assert!(!run.lately.spin().is_zero());
    let learned = run.lately;
    run.lately = Patience::default();
    run.ladder.begin(run.now, &mut run.lately);
    assert_ne!(run.lately.spin(), learned.spin(), "it was told");
}

/// A thread that asks a thousand others in turn: of each it hears once in a rotation, and what it learns from one it knows for all.
#[test]
fn who_waits_seldom_learns_from_its_thread() {
    let mut runs: Vec<Run> = (0..1000)
        .map(|_| new(Wait::Adaptive, Cores::Several, None))
        .collect();
    let (mut now, mut lately) = (Instant::now(), Patience::default());
    let mut rotate = |lasts: Duration| {
        let (mut sleeps, mut spun) = (0, Duration::ZERO);
        for run in &mut runs {
            (run.now, run.lately, run.spun, run.sleeps) = (now, lately, Duration::ZERO, 0);
            run.wait(lasts);
            (now, lately) = (run.now, run.lately);
            sleeps += run.sleeps;
            spun += run.spun;
        }
        (sleeps, spun)
    };
    // They answer late, and then soon.
    for _ in 0..30 {
        rotate(LONG);
    }
    let (_, spun) = rotate(LONG);
    assert!(spun < Duration::from_millis(4), "{spun:?} of a second");
    rotate(SHORT);
    let (sleeps, _) = rotate(SHORT);
    assert!(
        sleeps < 100,
        "{sleeps} of a thousand sleep through an answer that is near"
    );
}
