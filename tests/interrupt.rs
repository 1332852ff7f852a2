//! Waits that this process ends: by an interrupter, or by a signal; and waits whose frame another call receives.

mod pair;
mod stale;

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use pair::{pair, soon};
use ringway::{Config, RecvError, SendError, Wait};

const WAITS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];

#[test]
fn an_interrupter_ends_a_wait_for_a_frame_and_the_connection_goes_on() {
    for wait in WAITS {
        let config = Config::new().wait(wait);
        let (left, right) = pair("interrupt-recv", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        let interrupter = receiver.interrupter();
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let mut large = vec![0; 1 << 17];
                let heard = [
                    receiver.recv().map(drop),
                    receiver.recv_deadline(soon()).map(drop),
                    receiver.recv_into(&mut [0; 8]).map(drop),
                    receiver.recv_into(&mut large).map(drop),
                    receiver.wait_for_frame(None),
                ];
                assert_eq!(heard, [Err(RecvError::Interrupted); 5], "{wait:?}");
            });
            while !waits.is_finished() {
                interrupter.interrupt();
                thread::sleep(Duration::from_millis(5));
            }
            waits.join().unwrap();
        });
        sender.send(b"goes on").unwrap();
        // What is there is received, and not passed over for an interruption that came too late.
        interrupter.interrupt();
        assert_eq!(receiver.recv().unwrap().to_vec(), b"goes on");
        assert_eq!(receiver.wait_for_frame(None), Err(RecvError::Interrupted));
        assert_eq!(
            receiver.wait_for_frame(Some(Instant::now())),
            Err(RecvError::TimedOut)
        );
        drop(receiver);
        interrupter.interrupt();
    }
}

#[test]
fn an_interrupter_ends_a_wait_for_room() {
    for wait in WAITS {
        let config = Config::new().wait(wait).capacity(4096).peer_capacity(4096);
        let (left, right) = pair("interrupt-send", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        while sender.try_send(&[7; 100]).is_ok() {}
        let interrupter = sender.interrupter();
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let heard = [
                    sender.send(&[1; 100]),
                    sender.send_deadline(&[2; 100], soon()),
                    sender.reserve(100).map(drop),
                    sender.wait_for_room(100, None),
                    sender.send_expiring(&[3; 100], soon()),
                ];
                // One that expires waits only if the queue is not too long.
                let [first @ .., expiring] = heard;
                assert_eq!(first, [Err(SendError::Interrupted); 4], "{wait:?}");
                assert!(
                    matches!(
                        expiring,
                        Err(SendError::Interrupted | SendError::QueueTooLong)
                    ),
                    "{expiring:?}"
                );
            });
            while !waits.is_finished() {
                interrupter.interrupt();
                thread::sleep(Duration::from_millis(5));
            }
            waits.join().unwrap();
        });
        let mut read = 0;
        while let Ok(frame) = receiver.try_recv() {
            assert_eq!(
                frame.to_vec(),
                [7; 100],
                "what was interrupted was not sent"
            );
            read += 1;
        }
        assert!(read > 0);
        sender.wait_for_room(100, Some(soon())).unwrap();
        sender.try_send(&[4; 100]).unwrap();
        assert_eq!(receiver.recv().unwrap().to_vec(), [4; 100]);
    }
}

/// Of several priorities no thread waits by the half itself: each looks by turns.
#[test]
fn an_interrupter_ends_a_wait_of_a_shared_sender_for_room() {
    for lanes in [1, 2] {
        let config = Config::new()
            .capacity(4096)
            .peer_capacity(4096)
            .lanes(lanes);
        let (left, right) = pair("interrupt-shared", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        let interrupter = sender.interrupter();
        let shared = sender.shared().at(lanes - 1).unwrap();
        // One that waited for nothing does not know of it.
        interrupter.interrupt();
        while shared.send_deadline(&[7; 100], Instant::now()).is_ok() {}
        assert_eq!(
            shared.send_deadline(&[0; 100], soon()),
            Err(SendError::Interrupted),
            "of {lanes}: where none waited, the next wait ends"
        );
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let heard = shared.send_deadline(&[1; 100], soon());
                assert_eq!(heard, Err(SendError::Interrupted), "of {lanes}");
                assert_eq!(shared.send(&[2; 100]), Err(SendError::Interrupted));
            });
            while !waits.is_finished() {
                interrupter.interrupt();
                thread::sleep(Duration::from_millis(5));
            }
            waits.join().unwrap();
        });
        while let Ok(frame) = receiver.try_recv() {
            assert_eq!(frame.to_vec(), [7; 100]);
        }
        interrupter.interrupt();
        shared.send(&[4; 100]).unwrap();
        assert_eq!(receiver.recv().unwrap().to_vec(), [4; 100]);
    }
}

/// A signal whose handler does nothing but run.
const SIGNAL: libc::c_int = libc::SIGUSR1;

extern "C" fn nothing(_: libc::c_int) {}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the handlers touch nothing but an atomic, and the action is of zeros but for it: no flags, so a sleep is interrupted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        assert_eq!(
            libc::sigaction(signal, &raw const action, std::ptr::null_mut()),
            0
        );
    }
}

#[test]
fn a_signal_ends_a_sleep_of_who_heeds_signals_and_of_nobody_else() {
    handle(SIGNAL, nothing);
    let config = Config::new().wait(Wait::Park);
    let (left, right) = pair("interrupt-signal", &config, &config);
    let (mut sender, _kept) = left.split();
    let (_other, mut receiver) = right.split();
    for heeds in [true, false] {
        receiver.heed_signals(heeds);
        let (tell, told) = mpsc::channel();
        let waits = thread::spawn(move || {
            let heard = receiver.recv().map(drop);
            tell.send(heard).unwrap();
            receiver
        });
        // One may come before the sleep.
        let mut heard = None;
        for _ in 0..if heeds { 1000 } else { 20 } {
            // SAFETY: the thread is not joined yet.
            unsafe { libc::pthread_kill(waits.as_pthread_t(), SIGNAL) };
            heard = told.recv_timeout(Duration::from_millis(10)).ok();
            if heard.is_some() {
                break;
            }
        }
        if heeds {
            assert_eq!(heard, Some(Err(RecvError::Interrupted)));
        } else {
            assert_eq!(heard, None, "the wait goes on");
            sender.send(b"x").unwrap();
            assert_eq!(told.recv().unwrap(), Ok(()));
        }
        receiver = waits.join().unwrap();
    }
}

/// Whether the frame is there that the handler of [`LATE`] waits for.
static SENT: AtomicBool = AtomicBool::new(false);

/// A signal whose handler returns when the frame has come.
const LATE: libc::c_int = libc::SIGUSR2;

/// A signal that ends a sleep just as the frame comes is that wait's, which has found it: the next wait hears nothing of it.
#[test]
fn a_signal_of_a_wait_that_found_its_frame_does_not_end_the_next_one() {
    extern "C" fn linger(_: libc::c_int) {
        // ORD: sent: SeqCst, a test; partner: the store in it.
        while !SENT.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    }
    handle(LATE, linger);
    let config = Config::new().wait(Wait::Park);
    let (left, right) = pair("interrupt-stale", &config, &config);
    let (mut sender, _kept) = left.split();
    let (_other, mut receiver) = right.split();
    receiver.heed_signals(true);
    let waits = thread::spawn(move || {
        receiver.recv().map(drop).unwrap();
        receiver.wait_for_frame(Some(Instant::now() + Duration::from_millis(50)))
    });
    thread::sleep(Duration::from_millis(200));
    // SAFETY: the thread is not joined yet.
    unsafe { libc::pthread_kill(waits.as_pthread_t(), LATE) };
    thread::sleep(Duration::from_millis(100));
    sender.send(b"x").unwrap();
    // ORD: sent: SeqCst, a test; partner: the load in the handler.
    SENT.store(true, Ordering::SeqCst);
    assert_eq!(waits.join().unwrap(), Err(RecvError::TimedOut));
}

#[test]
fn a_frame_is_seen_before_it_is_received() {
    for lanes in [1, 2] {
        let config = Config::new().lanes(lanes);
        let (left, right) = pair("interrupt-seen", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        assert!(!receiver.sees_frame_within(Duration::ZERO));
        assert!(!receiver.sees_frame_within(Duration::from_micros(50)));
        assert_eq!(receiver.peek_frame(), Ok(None));
        sender.send_kind(3, b"seen").unwrap();
        assert!(receiver.sees_frame_within(Duration::ZERO));
        assert_eq!(receiver.wait_for_frame(None), Ok(()));
        for _ in 0..2 {
            assert_eq!(receiver.peek_frame(), Ok(Some((4, 3))));
        }
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"seen");
        assert_eq!(receiver.peek_frame(), Ok(None));
        thread::scope(|scope| {
            let sends = scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                sender.send(b"later").unwrap();
            });
            receiver.wait_for_frame(Some(soon())).unwrap();
            assert_eq!(receiver.try_recv().unwrap().to_vec(), b"later");
            sends.join().unwrap();
        });
        drop(sender);
        assert_eq!(receiver.wait_for_frame(None), Err(RecvError::Closed));
    }
}

/// Whether there is more than one processor to run on: else nobody looks. A quota, which `available_parallelism` counts, says nothing of that.
fn has_processors() -> bool {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let ours = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true));
    ours.count() > 1
}

/// One that comes while it is looked for is seen, by who looks.
#[test]
fn a_frame_is_seen_while_it_is_looked_for() {
    let config = Config::new().wait(Wait::Spin);
    let looks = has_processors();
    for longest in [Duration::from_secs(20), Duration::MAX] {
        let (left, right) = pair("interrupt-looks", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        thread::scope(|scope| {
            let sends = scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                sender.send(b"seen").unwrap();
            });
            assert_eq!(receiver.sees_frame_within(longest), looks);
            sends.join().unwrap();
        });
        assert_eq!(receiver.recv().unwrap().to_vec(), b"seen");
    }
}

/// Nothing comes any more, and the call that follows tells why.
#[test]
fn who_looks_for_long_sees_that_the_peer_is_gone() {
    let config = Config::new().wait(Wait::Spin);
    let looks = has_processors();
    let (left, right) = pair("interrupt-gone", &config, &config);
    let (_other, mut receiver) = right.split();
    let (told, hears) = mpsc::channel();
    let (begins, begun) = mpsc::channel();
    thread::spawn(move || {
        // It is there yet.
        assert!(!receiver.sees_frame_within(Duration::from_millis(5)));
        begins.send(()).unwrap();
        let seen = receiver.sees_frame_within(Duration::MAX);
        told.send((seen, receiver)).unwrap();
    });
    begun.recv().unwrap();
    // It goes while it is looked for, as a rule, and not before.
    thread::sleep(Duration::from_millis(5));
    drop(left);
    let (seen, mut receiver) = hears.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(seen, looks);
    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
}

#[test]
fn a_frame_is_taken_by_who_wants_it_and_stays_for_who_does_not() {
    for lanes in [1, 2] {
        let config = Config::new().lanes(lanes);
        let (left, right) = pair("interrupt-wants", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        let none = receiver
            .try_recv_if(|_, _| panic!("there is none"))
            .map(drop);
        assert_eq!(none, Err(RecvError::Empty));
        sender.send_kind(3, b"wanted").unwrap();
        sender.send(b"next").unwrap();
        for _ in 0..2 {
            let mut told = None;
            let refused = receiver.try_recv_if(|len, kind| {
                told = Some((len, kind));
                false
            });
            assert!(refused.unwrap().is_none());
            assert_eq!(told, Some((6, 3)));
        }
        let taken = receiver.try_recv_if(|_, kind| kind == 3).unwrap().unwrap();
        assert_eq!((taken.to_vec(), taken.kind()), (b"wanted".to_vec(), 3));
        drop(taken);
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"next");
        drop(sender);
        let ended = receiver.try_recv_if(|_, _| true).map(drop);
        assert_eq!(ended, Err(RecvError::Closed));
    }
}

/// The one that is open is there again where no other comes, whichever lane it came by.
#[test]
fn a_held_frame_outlives_a_wait_for_the_next_that_ends_without_one() {
    let config = Config::new().lanes(2);
    let (left, right) = pair("wait-for-next", &config, &config);
    let (mut sender, _kept) = left.split();
    let (_other, mut receiver) = right.split();
    receiver.hold(true);
    for priority in [0, 1] {
        let mut at = sender.at(priority).unwrap();
        at.send(format!("of {priority}").as_bytes()).unwrap();
    }
    for priority in [0, 1] {
        let interrupter = receiver.interrupter();
        let frame = receiver.recv().unwrap();
        assert_eq!(frame.priority(), priority);
        if priority == 0 {
            assert!(frame.wait_for_next(Some(soon())).is_ok());
            continue;
        }
        let (why, frame) = frame.wait_for_next(Some(Instant::now())).unwrap_err();
        assert_eq!(why, RecvError::TimedOut);
        interrupter.interrupt();
        let (why, frame) = frame.wait_for_next(None).unwrap_err();
        assert_eq!(why, RecvError::Interrupted);
        assert_eq!((frame.priority(), frame.to_vec()), (1, b"of 1".to_vec()));
    }
    assert_eq!(receiver.rewind(), 32);
    assert_eq!(receiver.recv().unwrap().to_vec(), b"of 0");
}

/// Of one that expires too, by which its place and its moment lie behind a header that is looked at again; and where what has expired is dropped meanwhile.
#[test]
fn what_is_said_of_a_held_frame_is_the_same_behind_a_wait_for_the_next() {
    for (lanes, drops) in [(1, false), (1, true), (2, false), (2, true)] {
        let config = Config::new().lanes(lanes).drop_expired(drops);
        let (left, right) = pair("wait-expiring", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        receiver.hold(true);
        sender.send(b"before").unwrap();
        sender.send_expiring(b"expires", soon()).unwrap();
        assert_eq!(receiver.recv().unwrap().to_vec(), b"before");
        let frame = receiver.recv().unwrap();
        let said = |frame: &ringway::Frame<'_>| (frame.position(), frame.expires(), frame.to_vec());
        let before = said(&frame);
        assert!(before.1.is_some());
        let stale =
            drops.then(|| stale::sent(1, |expires| sender.send_expiring(b"stale", expires)));
        let (why, frame) = frame.wait_for_next(Some(Instant::now())).unwrap_err();
        assert_eq!(why, RecvError::TimedOut);
        assert_eq!(said(&frame), before, "{lanes} lanes, {stale:?}");
        drop(frame);
        receiver.rewind();
        assert_eq!(receiver.recv().unwrap().to_vec(), b"before");
        assert_eq!(said(&receiver.recv().unwrap()), before);
    }
}

/// What is open is not released before its guard is gone, or the peer would write under it: of a lone lane and of several, and where account is given of what is finished with.
#[test]
fn a_frame_that_is_not_held_is_not_released_by_a_wait_for_the_next() {
    for (resumable, lanes) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let config = Config::new().resumable(resumable).lanes(lanes);
        let config = config.capacity(4096).peer_capacity(4096);
        let (left, right) = pair("wait-unheld", &config, &config);
        let (mut sender, _kept) = left.split();
        let (_other, mut receiver) = right.split();
        sender.send(&[1; 2000]).unwrap();
        let frame = receiver.recv().unwrap();
        let (why, frame) = frame.wait_for_next(Some(Instant::now())).unwrap_err();
        let mut sent = 0;
        // The peer fills what it takes for free.
        while sender.try_send(&[2; 1000]).is_ok() {
            sent += 1;
        }
        let is_whole = frame.to_vec() == [1; 2000];
        assert!(is_whole, "resumable: {resumable}, {lanes} lanes");
        assert_eq!((why, sent), (RecvError::Unheld, 2));
        // Nor is it where there is another one.
        let (why, frame) = frame.wait_for_next(None).unwrap_err();
        assert_eq!((why, frame.to_vec()), (RecvError::Unheld, vec![1; 2000]));
        drop(frame);
        // The connection is as it was.
        for _ in 0..sent {
            assert_eq!(receiver.recv().unwrap().to_vec(), [2; 1000]);
        }
        // Nor a batch's, which is released with the others of it.
        sender.send_deadline(&[3; 2000], soon()).unwrap();
        let mut frames = receiver.recv_batch(2).unwrap();
        let (why, frame) = frames
            .next_frame()
            .unwrap()
            .wait_for_next(None)
            .unwrap_err();
        assert_eq!((why, frame.to_vec()), (RecvError::Unheld, vec![3; 2000]));
    }
}
