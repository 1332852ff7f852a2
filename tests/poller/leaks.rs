//! Whatever is dropped first, nothing is left and nothing hangs.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Connection, Event, Listener, Poller, Wait};

use crate::process::{alone, holdings, threads_were_there};
use crate::server::{ask, path, patient, smallest, soon};

const LIMIT: Duration = Duration::from_secs(120);

struct World {
    poller: Poller,
    listener: ringway::Token,
    ours: Vec<ringway::Token>,
    theirs: Vec<Connection>,
}

fn world(name: &str, lean: bool) -> World {
    let name = path(name);
    let config = smallest().few_descriptors(lean).wait(Wait::Adaptive);
    let mut poller = Poller::new().unwrap();
    let listener = config.bind(name.as_path()).unwrap();
    let listener = poller.listen(listener, |connection| connection).unwrap();
    let clients = 5;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let connecting = scope.spawn(|| -> Vec<_> {
            let connect = |_| config.connect(name.as_path()).unwrap();
            (0..clients).map(connect).collect()
        });
        while ours.len() < clients {
            if let Some(Event::Connected(turn)) = poller.event_deadline(soon()).unwrap() {
                ours.push(turn.token());
            }
        }
        theirs = connecting.join().unwrap();
    });
    World {
        poller,
        listener,
        ours,
        theirs,
    }
}

/// Waits for threads that close aside.
fn settles_at(before: (usize, usize, usize)) {
    let until = soon();
    loop {
        let now = holdings();
        // Not all mappings: threads of the test leave stacks and heaps that are used again.
        if now.0 <= before.0 && now.2 <= before.2 {
            return;
        }
        assert!(Instant::now() < until, "{before:?} became {now:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn any_order_of_dropping_leaves_nothing() {
    alone("leaks::any_order_of_dropping_leaves_nothing", LIMIT, || {
        let orders: [fn(World); 7] = [
            |world| {
                drop(world.poller);
                drop(world.theirs);
            },
            |world| {
                drop(world.theirs);
                drop(world.poller);
            },
            |mut world| {
                assert!(world.poller.stop(world.listener));
                assert!(!world.poller.stop(world.listener));
                drop(world.theirs);
                let mut ended = 0;
                while let Some(event) = world.poller.event().unwrap() {
                    assert!(matches!(event, Event::Ended(_)), "{event:?}");
                    ended += 1;
                }
                assert_eq!(ended, world.ours.len(), "then nothing could ever come");
            },
            // Connections that outlive the poller in which they were, and still work.
            |mut world| {
                let mut kept: Vec<_> = world
                    .ours
                    .iter()
                    .map(|token| world.poller.remove(*token).unwrap())
                    .collect();
                drop(world.poller);
                for (ours, theirs) in kept.iter_mut().zip(&mut world.theirs) {
                    thread::scope(|scope| {
                        scope.spawn(|| ask(theirs, 10));
                        let (sender, receiver) = ours.halves();
                        for _ in 0..10 {
                            let question = receiver.recv_deadline(soon()).unwrap().to_vec();
                            let answer: Vec<_> =
                                question.iter().map(|byte| byte.wrapping_add(1)).collect();
                            sender.send(&answer).unwrap();
                        }
                    });
                }
            },
            // A half taken out behind the poller's back.
            |mut world| {
                let other = world.poller.remove(world.ours[1]).unwrap();
                let first = world.poller.get_mut(world.ours[0]).unwrap();
                let before = core::mem::replace(first, other);
                world.theirs[1].sender().send(b"x").unwrap();
                match world.poller.event_deadline(soon()).unwrap() {
                    Some(Event::Ready(mut turn)) => {
                        assert_eq!(turn.token(), world.ours[0]);
                        assert_eq!(turn.receiver().recv().unwrap().to_vec(), b"x");
                    }
                    other => panic!("{other:?}"),
                }
                // It has become cold, and is rung where it is now.
                let quiet = Instant::now() + Duration::from_millis(20);
                assert!(world.poller.event_deadline(quiet).unwrap().is_none());
                world.theirs[1].sender().send(b"y").unwrap();
                assert!(matches!(
                    world.poller.event_deadline(soon()).unwrap(),
                    Some(Event::Ready(_))
                ));
                drop(world.poller);
                drop(before);
            },
            // Between two turns, with frames unread and connections that are hot.
            |mut world| {
                for theirs in &mut world.theirs {
                    theirs.sender().send(b"unread").unwrap();
                }
                assert!(world.poller.event_deadline(soon()).unwrap().is_some());
                drop(world.poller);
                for mut theirs in world.theirs {
                    assert!(theirs.receiver().recv_deadline(soon()).is_err());
                }
            },
            |mut world| {
                if let Some(Event::Ended(_)) = world.poller.try_event().unwrap() {
                    panic!("nobody has gone");
                }
                thread::spawn(move || drop(world.poller)).join().unwrap();
                drop(world.theirs);
            },
        ];
        // What a process has once.
        drop(world("warm", false));
        warm();
        threads_were_there();
        let mut before = holdings();
        for lap in 0..4 {
            for (index, order) in orders.into_iter().enumerate() {
                for lean in [false, true] {
                    order(world(&format!("order{index}{lean}"), lean));
                    settles_at(before);
                }
            }
            if lap == 0 {
                before = holdings();
            }
        }
        // Two hundred connections later, each of which had five on either side. Heaps of the test's threads grow meanwhile.
        let now = holdings();
        assert!(now.1 <= before.1 + 100, "{before:?} became {now:?}");
    });
}

/// The first ring of a process opens a descriptor that stays.
fn warm() {
    let name = path("warmer");
    let mut listener: Listener = patient().wait(Wait::Park).bind(name.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut connection = patient().connect(name.as_path()).unwrap();
            thread::sleep(Duration::from_millis(20));
            connection.sender().send(b"x").unwrap();
            connection
        });
        let mut server = listener.accept_deadline(soon()).unwrap();
        drop(server.receiver().recv_deadline(soon()).unwrap());
        drop(client.join().unwrap());
    });
}
