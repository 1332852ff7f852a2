//! A peer at exactly the instruction that matters: on its way through a publishing, and between what it has stored and the ring of the bell.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{
    Config, Connection, Counters, LaneCounters, Receiver, RecvError, SendError, Sender, Wait,
};

use super::process::{Child, Page, alone};
use super::traced::{self, Traced, halt};
use super::{path, soon, with_child_by};

/// A child goes step by step, which takes minutes on a machine that has others to serve.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
/// How a bell is rung: each where those before it cannot be had.
pub(super) const RINGS: [libc::c_long; 3] = [
    libc::SYS_io_uring_enter,
    libc::SYS_io_submit,
    libc::SYS_sendto,
];

type Way = (&'static str, usize, fn(&mut Sender));

/// A name, how many frames become visible, and what makes them so behind the halt.
const WAYS: [Way; 4] = [
    ("send", 1, |sender| {
        halt();
        sender.send(&[0; 40]).unwrap();
    }),
    ("commit", 1, |sender| {
        let reservation = sender.reserve(40).unwrap();
        halt();
        reservation.commit();
    }),
    // With a frame before it that pads, and is none.
    ("aligned", 1, |sender| {
        let reservation = sender.reserve_aligned(40, 64).unwrap();
        halt();
        reservation.commit();
    }),
    ("group", 5, |sender| {
        let mut group = sender.group();
        (0..5).for_each(|n| group.send(&[n; 40]).unwrap());
        halt();
        group.publish();
    }),
];

pub(super) fn small(wait: Wait) -> Config {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    config.wait(wait).handshake_timeout(Duration::from_secs(20))
}

/// How many frames there are; they can be read again.
fn seen(receiver: &mut Receiver) -> usize {
    let mut frames = 0;
    while receiver.try_recv().is_ok() {
        frames += 1;
    }
    receiver.rewind();
    frames
}

fn at_the_halt(config: &Config, way: fn(&mut Sender)) -> (Connection, Traced) {
    let (ours, child) = with_child_by(config, "instant", |mut theirs| {
        way(theirs.sender());
        panic!("it was to be killed before");
    });
    (ours, Traced::new(child))
}

/// All that a kill leaves is what lies in the ring: so it is looked at behind each instruction, and killed behind some.
#[test]
fn killed_at_any_instruction_of_a_publishing_leaves_all_or_nothing() {
    let name = "instants::killed_at_any_instruction_of_a_publishing_leaves_all_or_nothing";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        // Each has its own way to commit.
        let manners = [
            ("fenced", small(Wait::Adaptive).alignment(64)),
            ("without a fence", small(Wait::Spin).alignment(64)),
        ];
        for (manner, config) in manners {
            for (way, frames, publish) in WAYS {
                let way = format!("{way}, {manner}");
                each_instruction(&way, frames, || at_the_halt(&config, publish));
            }
        }
    });
}

fn each_instruction(way: &str, frames: usize, start: impl Fn() -> (Connection, Traced)) {
    let (mut ours, child) = start();
    ours.receiver().hold(true);
    let mut steps = 0;
    loop {
        match seen(ours.receiver()) {
            0 => {}
            all if all == frames => break,
            part => panic!("{way}: {part} of {frames} after {steps} instructions"),
        }
        child.step();
        steps += 1;
    }
    println!("{way}: {steps} instructions");
    assert!(steps > 10, "{way}: it was there after {steps} instructions");
    child.kill();
    assert_eq!(seen(ours.receiver()), frames, "{way}");
    for at in [0, steps / 2, steps - 1, steps] {
        let (mut ours, child) = start();
        ours.receiver().hold(true);
        (0..at).for_each(|_| child.step());
        let before = seen(ours.receiver());
        child.kill();
        let case = format!("{way}, killed behind {at} of {steps}");
        assert!(before == 0 || before == frames, "{case}: {before}");
        assert_eq!(seen(ours.receiver()), before, "{case}");
        (0..before).for_each(|_| drop(ours.receiver().recv().unwrap()));
        let end = ours.receiver().recv_deadline(soon()).map(drop);
        assert_eq!(end, Err(RecvError::PeerDied), "{case}");
    }
}

/// The counters of our end of the connection called `name`.
fn counted(name: &str, half: fn(&ringway::ConnectionCounters) -> LaneCounters) -> LaneCounters {
    let all = Counters::own().unwrap().connections().unwrap();
    let name = path(name);
    let ours = all.iter().find(|one| one.name == name.to_string_lossy());
    half(ours.expect("it lives"))
}

/// Runs `wait` on another thread, and `then` once that sleeps. Returns what the wait came to, when it ended, and what `then` returned; `None` where its
/// deadline was `until` and came first.
pub(super) fn while_asleep<T: Send, U>(
    name: &str,
    half: fn(&ringway::ConnectionCounters) -> LaneCounters,
    until: Option<Instant>,
    wait: impl FnOnce() -> T + Send,
    then: impl FnOnce() -> Option<U>,
) -> Option<(T, Instant, U)> {
    let before = counted(name, half).sleeps;
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let outcome = wait();
            (outcome, Instant::now())
        });
        // It has said that it sleeps before it counts that.
        while counted(name, half).sleeps == before && !sleeper.is_finished() {
            thread::sleep(Duration::from_micros(200));
        }
        let asleep = counted(name, half).sleeps != before;
        let done = if asleep { then() } else { None };
        let (outcome, ended) = sleeper.join().unwrap();
        if done.is_none() {
            let late = until.is_some_and(|until| ended >= until);
            assert!(late, "it has ended early, asleep: {asleep}");
        }
        done.map(|done| (outcome, ended, done))
    })
}

/// What `attempt` returns, which is given a name of its own and how long a sleeper waits. A peer that is to come to its bell meanwhile does so at once, but on a
/// loaded machine: then it is tried again, with more time.
pub(super) fn in_time<T>(name: &str, mut attempt: impl FnMut(&str, Duration) -> Option<T>) -> T {
    let mut patience = [1, 4, 16].into_iter();
    let found = patience
        .find_map(|seconds| attempt(&format!("{name}-{seconds}"), Duration::from_secs(seconds)));
    found.expect("it has not come to its bell in 16 s")
}

#[test]
fn a_sender_stopped_before_its_bell_is_found_at_the_deadline_or_when_it_goes_on() {
    let name =
        "instants::a_sender_stopped_before_its_bell_is_found_at_the_deadline_or_when_it_goes_on";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let start = |name: &str| {
            let (ours, child) = with_child_by(&small(Wait::Park), name, |mut theirs| {
                halt();
                theirs.sender().send(b"committed").unwrap();
                assert_eq!(theirs.receiver().recv().map(drop), Err(RecvError::Closed));
            });
            (ours, Traced::new(child))
        };
        let receives = |counters: &ringway::ConnectionCounters| counters.receives;

        in_time("late", |name, patience| {
            let (mut ours, child) = start(name);
            let deadline = Instant::now() + patience;
            let wait = || {
                let found = ours.receiver().recv_deadline(deadline);
                found.map(|frame| frame.to_vec())
            };
            let (found, ended, ()) = while_asleep(name, receives, Some(deadline), wait, || {
                child.enter_before(&RINGS, deadline).then_some(())
            })?;
            assert_eq!(found, Ok(b"committed".to_vec()));
            assert!(ended >= deadline, "nobody has rung");
            drop(ours);
            assert_eq!(child.let_go().reap(), 0);
            Some(())
        });

        let (mut ours, child) = start("goes-on");
        let wait = || ours.receiver().recv().map(|frame| frame.to_vec());
        let (found, _, mut child) = while_asleep("goes-on", receives, None, wait, || {
            child.enter(&RINGS);
            Some(child.let_go())
        })
        .unwrap();
        assert_eq!(found, Ok(b"committed".to_vec()));
        drop(ours);
        assert_eq!(child.reap(), 0);
    });
}

#[test]
fn a_receiver_stopped_before_its_bell_is_found_at_the_deadline_or_when_it_goes_on() {
    let name =
        "instants::a_receiver_stopped_before_its_bell_is_found_at_the_deadline_or_when_it_goes_on";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let start = |name: &str| {
            let (mut ours, child) = with_child_by(&small(Wait::Park), name, |mut theirs| {
                halt();
                while let Ok(frame) = theirs.receiver().recv() {
                    drop(frame);
                }
            });
            while ours.sender().try_send(&[0; 56]).is_ok() {}
            (ours, Traced::new(child))
        };
        let sends = |counters: &ringway::ConnectionCounters| counters.sends;

        in_time("late", |name, patience| {
            let (mut ours, child) = start(name);
            let deadline = Instant::now() + patience;
            let wait = || ours.sender().send_deadline(&[1; 56], deadline);
            let (sent, ended, ()) = while_asleep(name, sends, Some(deadline), wait, || {
                child.enter_before(&RINGS, deadline).then_some(())
            })?;
            assert_eq!(sent, Ok(()));
            assert!(ended >= deadline, "nobody has rung");
            drop(ours);
            assert_eq!(child.let_go().reap(), 0);
            Some(())
        });

        let (mut ours, child) = start("goes-on");
        let wait = || ours.sender().send(&[1; 56]);
        let (sent, _, mut child) = while_asleep("goes-on", sends, None, wait, || {
            child.enter(&RINGS);
            Some(child.let_go())
        })
        .unwrap();
        assert_eq!(sent, Ok(()));
        drop(ours);
        assert_eq!(child.reap(), 0);
    });
}

/// What a receiver had read when it was killed, and what its sender knows of that.
#[test]
fn a_killed_receiver_leaves_its_released_position_short_by_less_than_a_step() {
    let name = "instants::a_killed_receiver_leaves_its_released_position_short_by_less_than_a_step";
    alone(name, LIMIT, || {
        const FRAME: u64 = 64;
        const STEP: u64 = 4096 / 8;
        let page = Page::new();
        let (mut short, mut exact) = (0, 0);
        for reads in 1..=20 {
            page.set(0, 0);
            let (mut ours, mut child): (Connection, Child) =
                with_child_by(&small(Wait::Adaptive), "short", |mut theirs| {
                    (0..reads).for_each(|_| drop(theirs.receiver().recv().unwrap()));
                    page.set(0, 1);
                    thread::sleep(Duration::from_secs(50));
                });
            let sender = ours.sender();
            let fill = |sender: &mut Sender| {
                let mut sent = 0;
                while sender.try_send(&[0; 56]).is_ok() {
                    sent += 1;
                }
                sent
            };
            let lap = fill(sender);
            page.until(0, 1);
            let more = fill(sender);
            child.signal(libc::SIGKILL);
            child.reap_killed();
            // The room that there is now is what was released. (Some may have been so before the first lap was over.)
            let released = (lap + more) * FRAME - (4096 - FRAME);
            let read = reads * FRAME;
            assert!(released <= read, "{released} released, {read} read");
            assert!(read - released < STEP, "{released} released, {read} read");
            short += u32::from(released < read);
            exact += u32::from(released == read);
            assert_eq!(sender.check(), Err(SendError::PeerDied));
        }
        assert!(short > 0 && exact > 0, "{short} short, {exact} exact");
    });
}
