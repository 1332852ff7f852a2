//! What a half looks at, how often it asks the kernel, and what it learns from its waits. The moments are made up.

use std::time::{Duration, Instant};

use super::pair::pair;
use super::{Heard, LIFE_EVERY, Rest};
use crate::connection::Config;
use crate::wake::ladder::{LOOKS_PER_CHECK, Wait};

#[test]
fn what_the_kernel_has_said_counts_for_as_long_as_is_asked_for() {
    let (_server, mut client) = pair("age", &Config::new());
    let rest = client.receiver().resting();
    let heard = |rest: &mut Rest, now, age| {
        assert_eq!(rest.ask(now, age), None);
        match rest.heard {
            Heard::Alive(at) => at,
            other => panic!("{other:?}"),
        }
    };
    let first = Instant::now();
    assert_eq!(heard(rest, first, Duration::ZERO), first);
    let before = first + LIFE_EVERY.saturating_sub(Duration::from_nanos(1));
    assert_eq!(heard(rest, before, LIFE_EVERY), first);
    let then = first + LIFE_EVERY;
    assert_eq!(heard(rest, then, LIFE_EVERY), then);
    assert_eq!(heard(rest, then, Duration::ZERO), then);
}

/// Nothing else tells of it: the peer may be asleep, and what it was heard to be a moment ago it still is.
#[test]
fn a_half_that_a_panic_has_left_asks_however_lately_it_did() {
    // Who loses the processor until that is over finds that it is: then there is another look.
    let fades = (0..8).any(|_| {
        let (_server, mut client) = pair("left", &Config::new());
        let rest = client.receiver().resting();
        let now = Instant::now();
        assert_eq!(rest.ask(now, Duration::ZERO), None);
        assert!(!rest.is_fading());
        rest.link.abandon(rest.place);
        let soon = rest.ask(now, LIFE_EVERY).is_none() && rest.is_fading();
        rest.heard = Heard::Alive(now);
        soon && rest.end().is_none() && rest.is_fading()
    });
    assert!(fades);
}

/// The kernel closes the sockets of a process before it tells of its end.
#[test]
fn a_socket_that_is_closed_is_no_end_at_once() {
    // Who loses the processor for as long as the peer has finds that it is over: then there is another look.
    let fades = (0..8).any(|_| {
        let (mut server, mut client) = pair("closed", &Config::new());
        let there = server.receiver().resting();
        there.link.abandon(there.place);
        let rest = client.receiver().resting();
        rest.ask(Instant::now(), Duration::ZERO).is_none() && rest.is_fading()
    });
    assert!(fades);
}

/// Who always finds something to read asks nobody whether its peer lives, but for now and then.
#[test]
fn who_reads_on_asks_whether_the_peer_lives_once_in_some_laps() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (mut server, mut client) = pair("laps", &config);
    let (receiver, mut asked, mut last) = (client.receiver(), 0, None);
    // Each is a release, and what was heard before it has grown old.
    for _ in 0..256 {
        server.sender().send(&[0; 1000]).unwrap();
        std::thread::sleep(LIFE_EVERY);
        drop(receiver.try_recv().unwrap());
        if let Heard::Alive(at) = receiver.resting().heard {
            asked += u32::from(last.replace(at) != Some(at));
        }
    }
    assert!((1..=5).contains(&asked), "asked {asked} times");
}

#[test]
fn who_hears_of_a_closed_socket_alone_waits_for_the_end_of_the_process() {
    let (_server, mut client) = pair("fading", &Config::new());
    let rest = client.receiver().resting();
    assert!(!rest.is_fading() && rest.fades_until().is_none());
    let until = Instant::now() + Duration::from_millis(5);
    rest.heard = Heard::Fading(until);
    assert!(rest.is_fading());
    assert_eq!(rest.fades_until(), Some(until));
}

/// Many looks before anything else; a wait that is over by then is none that counts.
#[test]
fn a_half_that_spins_looks_many_times_before_it_looks_at_the_clock() {
    let (_server, mut client) = pair("looks", &Config::new().wait(Wait::Spin));
    let rest = client.receiver().resting();
    if !rest.spins() {
        return;
    }
    let mut looks = 0;
    let mut found_by = |rest: &mut Rest, enough| {
        looks = 0;
        let mut look = || {
            looks += 1;
            Ok::<_, ()>((looks >= enough).then_some(()))
        };
        let found = rest.wait(Some(Instant::now()), &mut look).unwrap().is_ok();
        (found, looks)
    };
    assert_eq!(found_by(rest, 5), (true, 5));
    assert_eq!(found_by(rest, LOOKS_PER_CHECK), (true, LOOKS_PER_CHECK));
    assert_eq!(rest.counts.waits.value(), 0);
    let (found, looks) = found_by(rest, u32::MAX);
    assert!(!found && looks > LOOKS_PER_CHECK, "{looks}");
    assert_eq!(rest.counts.waits.value(), 1);
}

/// Waits of a task that turn out long are slept through from their beginning, until there were short ones again.
#[cfg(feature = "tokio")]
#[test]
fn the_waits_of_a_task_teach_it_how_long_to_spin() {
    use crate::wake::ladder::Step;

    let (_server, mut client) = pair("learns", &Config::new());
    let rest = client.receiver().resting();
    if !rest.spins() {
        return;
    }
    let mut now = Instant::now();
    // What comes after a millisecond, and what the first look in vain was followed by.
    let mut long_one = |rest: &mut Rest| {
        rest.begin_wait(now);
        let first = rest.step(now);
        let until = now + Duration::from_millis(1);
        while now < until && rest.step(now) != Step::Sleep {
            now += Duration::from_micros(2);
        }
        now = until;
        rest.end_wait(now, true);
        first
    };
    assert_eq!(long_one(rest), Step::Pause);
    for _ in 0..100 {
        long_one(rest);
    }
    // But for a trial.
    let asleep = (0..10).filter(|_| long_one(rest) == Step::Sleep).count();
    assert!(asleep >= 8, "{asleep} of 10");
    for _ in 0..10 {
        (0..100).for_each(|_| rest.found_soon());
        assert_eq!(long_one(rest), Step::Pause);
    }
}

/// What came between the look in vain and the word that it sleeps is found by the look behind that.
#[test]
fn who_finds_something_when_it_has_said_that_it_sleeps_does_not_sleep() {
    let (_server, mut client) = pair("falls", &Config::new());
    let rest = client.receiver().resting();
    assert!(!rest.fall_asleep(|| true));
    assert!(!rest.park.is_armed());
    assert!(rest.fall_asleep(|| false));
    assert!(rest.park.is_armed());
    rest.rise();
    assert!(!rest.park.is_armed());
}
