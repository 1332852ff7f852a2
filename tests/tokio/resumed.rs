//! A server in a task whose client resumes: what it has in hand when it ends is in doubt, however it was received.

use std::cell::Cell;
use std::future::pending;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ::tokio::time::timeout;
use futures_util::{FutureExt, StreamExt};
use ringway::tokio::{self, Receiver, typed as tasks};
use ringway::typed::{self, Message, Nothing};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{Config, Connection, ErrorKind, RecvError, Redelivery, RedialStep};

use crate::scene::{LONG, on_both, one_thread, path, patient, run};

#[derive(Message, FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Number {
    number: u64,
}

fn soon() -> Instant {
    Instant::now() + LONG
}

/// What is accepted, and what the client makes.
fn meet<S, T: Send>(accept: impl FnOnce() -> S, client: impl FnOnce() -> T + Send) -> (S, T) {
    thread::scope(|scope| {
        let client = scope.spawn(client);
        let server = accept();
        (server, client.join().unwrap())
    })
}

/// What a server comes to that has been sent four frames, and how many of them are in doubt, and unseen, behind its end.
fn left_by<T>(serves: impl AsyncFnOnce(Connection) -> T) -> (T, (u64, u64)) {
    let (config, path) = (patient().resumable(true), path());
    let mut listener = config.bind(path.as_path()).unwrap();
    let mut accept = || listener.accept_deadline(soon()).unwrap();
    let connect = || config.connect(path.as_path()).unwrap();
    let (server, mut client) = meet(&mut accept, connect);
    for number in 0..4 {
        client.sender().send(&[number]).unwrap();
    }
    let served = run(&one_thread(), serves(server));
    let end = client.receiver().recv_deadline(soon());
    assert_eq!(end.map(drop), Err(RecvError::Closed));
    let resume = || config.resume(path.as_path(), client, soon());
    let (_server, resumed) = meet(&mut accept, || resume().unwrap());
    (served, (resumed.in_doubt(), resumed.unseen()))
}

#[test]
fn what_a_stream_has_yielded_is_in_doubt_until_the_next_one_is_asked_for() {
    for made in [false, true] {
        let serves = async |server: Connection| {
            let (_sender, receiver) = server.split();
            let mut receiver = Receiver::new(receiver).unwrap();
            for number in 0..2 {
                let found = if made {
                    let mut found = receiver.stream_of(|frame| frame.to_vec());
                    found.next().await.unwrap().unwrap()
                } else {
                    receiver.next().await.unwrap().unwrap().to_vec()
                };
                assert_eq!(found, [number]);
            }
        };
        let ((), found) = left_by(serves);
        assert_eq!(found, (1, 2), "{made}");
    }
}

/// What its server does behind that.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Ends,
    ComesBack,
    LeavesTheRuntime,
}

/// Whoever cancels a future has it drop what it has in hand, as if it were done.
#[test]
fn what_a_handler_that_is_cancelled_has_in_hand_is_in_doubt_until_the_next_one_is_asked_for() {
    let ways = [Then::Ends, Then::ComesBack, Then::LeavesTheRuntime];
    for (batched, then) in ways.into_iter().flat_map(|it| [(false, it), (true, it)]) {
        let serves = async |server: Connection| {
            let (_sender, receiver) = server.split();
            let mut receiver = Receiver::new(receiver).unwrap();
            drop(receiver.recv().await.unwrap());
            let taken = Cell::new(0);
            let handler = async {
                if batched {
                    let mut frames = receiver.recv_batch(2).await.unwrap();
                    while frames.next_frame().is_some() {
                        taken.set(taken.get() + 1);
                    }
                    pending::<()>().await;
                } else {
                    let _frame = receiver.recv().await.unwrap();
                    taken.set(1);
                    pending::<()>().await;
                }
            };
            assert!(handler.now_or_never().is_none());
            match then {
                Then::Ends => {}
                Then::ComesBack => drop(receiver.try_recv().unwrap()),
                Then::LeavesTheRuntime => drop(receiver.into_inner().try_recv().unwrap()),
            }
            taken.get()
        };
        let (taken, found) = left_by(serves);
        assert_eq!(taken, 1 + u64::from(batched));
        let wanted = match then {
            Then::Ends => (taken, 3 - taken),
            Then::ComesBack => (1, 2 - taken),
            Then::LeavesTheRuntime => (0, 2 - taken),
        };
        assert_eq!(found, wanted, "{batched}, {then:?}");
    }
}

/// What its program has said of drops is so again when it has left the task.
#[test]
fn whoever_goes_on_with_copies_does_so_behind_a_task_too() {
    for copies in [true, false] {
        let serves = async |server: Connection| {
            let (_sender, mut receiver) = server.split();
            receiver.leave_when_dropped(copies);
            let mut receiver = Receiver::new(receiver).unwrap();
            drop(receiver.recv().await.unwrap());
            drop(receiver.into_inner().try_recv().unwrap());
        };
        let in_doubt = u64::from(copies);
        assert_eq!(left_by(serves), ((), (in_doubt, 2)), "{copies}");
    }
}

/// A server that ends in order says of what it has answered that it is done with it: there may be no other that it could ask for.
#[test]
fn what_is_released_in_a_task_is_not_in_doubt() {
    let serves = async |server: Connection| {
        let (_sender, receiver) = server.split();
        let mut receiver = Receiver::new(receiver).unwrap();
        drop(receiver.recv().await.unwrap());
        drop(receiver.recv().await.unwrap());
        receiver.release();
    };
    assert_eq!(left_by(serves), ((), (0, 2)));
}

/// The same of messages.
#[test]
fn a_message_that_is_released_in_a_task_is_not_in_doubt() {
    let (config, path) = (patient().resumable(true), path());
    let mut listener =
        typed::Listener::<Nothing, Number>::bind_with(&config, path.as_path()).unwrap();
    let mut accept = || listener.accept_deadline(soon()).unwrap();
    let connect = || typed::connect_with::<Number, Nothing>(&config, path.as_path()).unwrap();
    let (server, mut client) = meet(&mut accept, connect);
    for number in 0..4 {
        client.sender().send(&Number { number }).unwrap();
    }
    run(&one_thread(), async {
        let mut receiver = tasks::Receiver::new(server.split().1).unwrap();
        for number in 0..2 {
            assert_eq!(receiver.recv().await.unwrap(), Number { number });
        }
        receiver.release();
    });
    let end = client.receiver().recv_deadline(soon());
    assert!(end.unwrap_err().is_closed());
    let resume = || typed::Connection::resume(&config, path.as_path(), client, soon()).unwrap();
    let (_server, resumed) = meet(&mut accept, resume);
    assert_eq!((resumed.in_doubt(), resumed.unseen()), (0, 2));
}

/// A client in a task whose server has ended in order, with a frame that it has not received.
async fn lost(config: &Config, path: &Path) -> (tokio::Listener, Connection) {
    let mut listener = tokio::Listener::new(config.bind(path).unwrap()).unwrap();
    let connects = tokio::connect_with(config, path);
    let (client, server) = ::tokio::join!(connects, listener.accept());
    let (mut sender, mut receiver) = client.unwrap().split();
    sender.send(b"kept").await.unwrap();
    drop(server.unwrap());
    assert_eq!(receiver.recv().await.err(), Some(RecvError::Closed));
    let (sender, in_hand) = sender.into_inner();
    assert!(in_hand.is_none());
    let lost = Connection::reunite(sender, receiver.into_inner()).unwrap();
    (listener, lost)
}

/// Nobody listens for a while, and then somebody does who does not accept yet: whoever gives it up meanwhile loses nothing.
#[test]
fn a_client_resumes_in_a_task_that_may_be_cancelled_at_any_time() {
    on_both(|| async {
        let (config, path) = (patient().resumable(true), path());
        let (listener, lost) = lost(&config, &path).await;
        drop(listener);
        let mut redial = config.redial(path.as_path(), lost, soon()).unwrap();
        let briefly = Duration::from_millis(5);
        for _ in 0..3 {
            let vain = timeout(briefly, tokio::resume(&mut redial)).await;
            assert!(vain.is_err(), "nobody listens");
        }
        let mut listener = tokio::Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        let vain = timeout(4 * briefly, tokio::resume(&mut redial)).await;
        assert!(vain.is_err(), "nobody accepts");
        let lost = redial.into_connection().unwrap();
        // In a task of its own.
        let mut redial = config.redial(path.as_path(), lost, soon()).unwrap();
        let resumes = ::tokio::spawn(async move { tokio::resume(&mut redial).await.unwrap() });
        // Who has given it up has said no more than hello, and is passed over.
        let mut server = listener.accept().await.unwrap();
        let resumed = resumes.await.unwrap();
        assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 0));
        let frame = server.receiver().recv().await.unwrap();
        let said = (frame.redelivery(), frame.to_vec());
        assert_eq!(said, (Redelivery::Unseen, b"kept".to_vec()));
        drop(resumed);
    });
}

#[test]
fn whom_nobody_answers_in_time_has_its_connection_back() {
    on_both(|| async {
        let (config, path) = (patient().resumable(true), path());
        let (listener, lost) = lost(&config, &path).await;
        let soon = Instant::now() + Duration::from_millis(50);
        let mut redial = config.redial(path.as_path(), lost, soon).unwrap();
        let late = tokio::resume(&mut redial).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut, "{late}");
        assert!(Instant::now() >= soon);
        let mut lost = redial.into_connection().unwrap();
        let end = lost.receiver().try_recv().map(drop);
        assert_eq!(end, Err(RecvError::Closed));
        drop(listener);
    });
}

/// Without a runtime nothing happens, and it goes on in one.
#[test]
fn outside_of_a_runtime_it_is_told_so_and_goes_on_in_one() {
    let (config, path) = (patient().resumable(true), path());
    let runtime = one_thread();
    let (mut listener, lost) = run(&runtime, lost(&config, &path));
    let mut redial = config.redial(path.as_path(), lost, soon()).unwrap();
    let outside = tokio::resume(&mut redial).now_or_never();
    let outside = outside.expect("it does not wait").unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::Runtime, "{outside}");
    run(&runtime, async {
        let (resumed, server) = ::tokio::join!(tokio::resume(&mut redial), listener.accept());
        assert_eq!(resumed.unwrap().unseen(), 1);
        drop(server);
    });
}

/// What is made of it has to be watched by a runtime too: without one nothing is taken over.
#[test]
fn who_is_let_in_outside_of_a_runtime_loses_nothing_and_goes_on_in_one() {
    let (config, path) = (patient().resumable(true), path());
    let runtime = one_thread();
    let (mut listener, lost) = run(&runtime, lost(&config, &path));
    let mut redial = config.redial(path.as_path(), lost, soon()).unwrap();
    // By hand, as far as the last step.
    assert!(matches!(redial.step(), Ok(RedialStep::Waits)));
    run(&runtime, async {
        let briefly = Duration::from_millis(50);
        let welcomes = timeout(briefly, listener.accept()).await;
        assert!(welcomes.is_err(), "nobody takes a step");
    });
    assert!(matches!(redial.step(), Ok(RedialStep::Waits)));
    let mut vain = run(&runtime, listener.accept()).unwrap();
    let outside = tokio::resume(&mut redial).now_or_never();
    let outside = outside.expect("it does not wait").unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::Runtime, "{outside}");
    run(&runtime, async {
        let end = vain.receiver().recv().await.map(drop);
        assert_eq!(end, Err(RecvError::Closed), "and nothing was shown");
        let (resumed, server) = ::tokio::join!(tokio::resume(&mut redial), listener.accept());
        assert_eq!(resumed.unwrap().unseen(), 1);
        let mut server = server.unwrap();
        let frame = server.receiver().recv().await.unwrap();
        assert_eq!(frame.to_vec(), b"kept");
    });
}

/// Messages, with one call that is cancelled while nobody listens.
#[test]
fn messages_are_resumed_in_a_task() {
    on_both(|| async {
        let (config, path) = (patient().resumable(true), path());
        let bind = || {
            let listener =
                typed::Listener::<Number, Number>::bind_with(&config, path.as_path()).unwrap();
            tasks::Listener::new(listener).unwrap()
        };
        let mut listener = bind();
        let connects = tasks::connect_with::<Number, Number>(&config, path.as_path());
        let (client, server) = ::tokio::join!(connects, listener.accept());
        let (mut sender, mut receiver) = client.unwrap().split();
        sender.send(&Number { number: 7 }).await.unwrap();
        drop((server.unwrap(), listener));
        assert!(receiver.recv().await.unwrap_err().is_closed());
        let (sender, in_hand) = sender.into_inner();
        assert!(in_hand.is_none());
        let lost = typed::Connection::reunite(sender, receiver.into_inner()).unwrap();
        let mut redial = typed::Connection::redial(&config, path.as_path(), lost, soon()).unwrap();
        let vain = timeout(Duration::from_millis(5), tasks::resume(&mut redial)).await;
        assert!(vain.is_err(), "nobody listens");
        let mut listener = bind();
        let (resumed, server) = ::tokio::join!(tasks::resume(&mut redial), listener.accept());
        let (resumed, mut server) = (resumed.unwrap(), server.unwrap());
        assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 0));
        assert!(redial.into_connection().is_none());
        let again = server.receiver().recv().await.unwrap();
        assert_eq!(again, Number { number: 7 });
        assert_eq!(
            server.receiver().get_ref().last_redelivery(),
            Redelivery::Unseen
        );
        server.sender().send(&again).await.unwrap();
        let mut client = resumed.connection;
        assert_eq!(client.receiver().recv().await.unwrap(), again);
    });
}
