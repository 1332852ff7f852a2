//! A server in a task whose client resumes: what it has in hand when it ends is in doubt, however it was received.

use std::cell::Cell;
use std::future::pending;
use std::thread;
use std::time::Instant;

use futures_util::{FutureExt, StreamExt};
use ringway::tokio::Receiver;
use ringway::{Connection, Listener, RecvError};

use crate::scene::{LONG, one_thread, path, patient, run};

/// The server's end, and what the client makes.
fn meet<T: Send>(listener: &mut Listener, client: impl FnOnce() -> T + Send) -> (Connection, T) {
    thread::scope(|scope| {
        let client = scope.spawn(client);
        let server = listener.accept_deadline(Instant::now() + LONG).unwrap();
        (server, client.join().unwrap())
    })
}

/// What a server comes to that has been sent four frames, and how many of them are in doubt, and unseen, behind its end.
fn left_by<T>(serves: impl AsyncFnOnce(Connection) -> T) -> (T, (u64, u64)) {
    let (config, path) = (patient().resumable(true), path());
    let mut listener = config.bind(path.as_path()).unwrap();
    let connect = || config.connect(path.as_path()).unwrap();
    let (server, mut client) = meet(&mut listener, connect);
    for number in 0..4 {
        client.sender().send(&[number]).unwrap();
    }
    let served = run(&one_thread(), serves(server));
    let end = client.receiver().recv_deadline(Instant::now() + LONG);
    assert_eq!(end.map(drop), Err(RecvError::Closed));
    let resume = || config.resume(path.as_path(), client, Instant::now() + LONG);
    let (_server, resumed) = meet(&mut listener, || resume().unwrap());
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
