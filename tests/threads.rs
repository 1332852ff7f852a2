//! What the threads of one process share, used by all of them at once: one sender, both halves of a connection, the book of the counters, the pages that a fork
//! wipes, a poller's calls, a listener's attendant.
//!
//! `cargo verify --only tsan` runs it under `ThreadSanitizer` too. So threads are joined one by one, and tell each other things by what the sanitizer sees: the end of a
//! scope and channels are code of the standard library that is built without it. And what a test itself needs no order for is `Relaxed`: it must not be the
//! test that orders what the library has to.

mod pair;

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pair::pair;
use ringway::{
    Config, Connection, Counters, Event, Interrupter, Poller, Receiver, RecvError, SendError,
    Sender, SharedSender, Wait,
};

/// Frames of one thread.
const FRAMES: u64 = 150;
const LIMIT: Duration = Duration::from_secs(30);

fn soon() -> Instant {
    Instant::now() + LIMIT
}

fn small(wait: Wait) -> Config {
    Config::new().wait(wait).capacity(4096).peer_capacity(4096)
}

fn all<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    let joined = threads.into_iter().map(JoinHandle::join);
    joined.map(|ended| ended.unwrap()).collect()
}

/// Where threads meet, and none sees what another did before.
struct Meeting {
    awaited: u64,
    here: AtomicU64,
}

impl Meeting {
    fn of(awaited: u64) -> Arc<Self> {
        Arc::new(Self {
            awaited,
            here: AtomicU64::new(0),
        })
    }

    fn wait(&self) {
        let late = soon();
        // ORD: met: Relaxed, it is to order nothing; partner: the load below.
        let before = self.here.fetch_add(1, Ordering::Relaxed);
        let full = (before / self.awaited + 1) * self.awaited;
        // ORD: met: Relaxed, as above; partner: the addition above.
        while self.here.load(Ordering::Relaxed) < full {
            assert!(Instant::now() < late, "somebody does not come");
            thread::yield_now();
        }
    }
}

/// Says that it is over, and nothing else.
#[derive(Clone, Default)]
struct Over(Arc<AtomicBool>);

impl Over {
    fn set(&self) {
        // ORD: over: Relaxed, it is to order nothing; partner: the load below.
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        // ORD: over: Relaxed, as above; partner: the store above.
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends waits, again and again, until it is over.
fn interrupting(
    interrupters: impl IntoIterator<Item = Interrupter>,
    over: &Over,
) -> thread::JoinHandle<()> {
    let (interrupters, over) = (Vec::from_iter(interrupters), over.clone());
    thread::spawn(move || {
        while !over.is_set() {
            for interrupter in &interrupters {
                interrupter.interrupt();
            }
            thread::sleep(Duration::from_micros(300));
        }
    })
}

/// The ways to send by a sender that is shared.
const WAYS: u8 = 5;

fn send(shared: &SharedSender, way: u8) -> Result<(), SendError> {
    let payload = [way; 100];
    match way {
        0 => shared.send(&payload),
        1 => shared.send_deadline(&payload, soon()),
        2 => shared.try_send(&payload),
        3 => {
            let mut sender = shared.lock()?;
            let mut reserved = sender.reserve(payload.len())?;
            reserved.copy_from_slice(&payload);
            reserved.commit();
            Ok(())
        }
        _ => shared.send_expiring(&payload, Instant::now() + Duration::from_secs(3600)),
    }
}

/// Frames of each way, until the sender is gone.
fn counted(mut receiver: Receiver) -> [u64; WAYS as usize] {
    let mut counts = [0; WAYS as usize];
    loop {
        match receiver.recv_deadline(soon()) {
            Ok(frame) => {
                let payload = frame.to_vec();
                assert!(payload.iter().all(|byte| *byte == payload[0]));
                counts[usize::from(payload[0])] += 1;
            }
            Err(RecvError::Interrupted) => {}
            Err(RecvError::Closed) => return counts,
            Err(error) => panic!("{error}"),
        }
    }
}

/// They send in every way, while one receives, one interrupts all waits, and one looks.
#[test]
fn one_sender_is_used_by_many_threads() {
    for lanes in [1, 2] {
        let config = small(Wait::Park).lanes(lanes);
        let (server, client) = pair(&format!("threads-shared-{lanes}"), &config, &config);
        let (_kept, mut receiver) = server.split();
        let (mut sender, _other) = client.split();
        let interrupters = [sender.interrupter(), receiver.interrupter()];
        let shared = sender.shared();
        let receives = thread::spawn(move || counted(receiver));
        let over = Over::default();
        let interrupts = interrupting(interrupters, &over);
        let looks = {
            let (over, shared) = (over.clone(), shared.clone());
            thread::spawn(move || {
                while !over.is_set() {
                    assert_eq!((shared.check(), shared.capacity()), (Ok(()), 4096));
                    let counters = Counters::own().unwrap().connections().unwrap();
                    assert!(counters.len() >= 2, "{counters:?}");
                    thread::sleep(Duration::from_micros(300));
                }
            })
        };
        let senders = (0..WAYS).map(|way| {
            let shared = shared.at(usize::from(way) % lanes).unwrap();
            thread::spawn(move || {
                let late = soon();
                let mut sent = 0;
                while sent < FRAMES {
                    match send(&shared, way) {
                        Ok(()) => sent += 1,
                        Err(SendError::Interrupted | SendError::Full | SendError::QueueTooLong) => {
                            thread::yield_now();
                        }
                        Err(error) => panic!("{error}"),
                    }
                    assert!(Instant::now() < late, "way {way}: {sent} sent");
                }
            })
        });
        all(senders.collect());
        over.set();
        all(vec![interrupts, looks]);
        // The last one, which is a sender again.
        drop(shared.into_sender().unwrap());
        assert_eq!(receives.join().unwrap(), [FRAMES; WAYS as usize]);
    }
}

fn sends(mut sender: Sender) -> JoinHandle<()> {
    thread::spawn(move || (0..50).for_each(|n| sender.send_deadline(&[n; 100], soon()).unwrap()))
}

/// How many frames came, and what came behind them.
fn receives(mut receiver: Receiver) -> JoinHandle<(u8, RecvError)> {
    thread::spawn(move || {
        for count in 0.. {
            match receiver.recv_deadline(soon()) {
                Ok(frame) => assert_eq!(frame.to_vec(), [count; 100]),
                Err(error) => return (count, error),
            }
        }
        unreachable!("there are no more than 255")
    })
}

/// Each of four halves has a thread: they work, and end, beside one another.
#[test]
fn four_halves_work_and_end_at_once() {
    for round in 0..4 {
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            let name = format!("threads-halves-{round}-{wait:?}");
            let (server, client) = pair(&name, &small(wait), &small(wait));
            let ((one, two), (three, four)) = (server.split(), client.split());
            let sending = vec![sends(one), sends(three)];
            let receiving = vec![receives(two), receives(four)];
            all(sending);
            assert_eq!(all(receiving), [(50, RecvError::Closed); 2], "{wait:?}");
        }
    }
}

/// A panic drops a half, while both halves of the peer and its own sibling wait.
#[test]
fn a_panic_in_one_thread_is_heard_by_three_others() {
    let (server, client) = pair("threads-panic", &small(Wait::Park), &small(Wait::Park));
    let ((sender, one), (kept, two)) = (server.split(), client.split());
    let (sibling, peer) = (receives(one), receives(two));
    let panics = thread::spawn(move || {
        let _dropped = sender;
        panic::resume_unwind(Box::new("the test's own panic"));
    });
    assert!(panics.join().is_err());
    assert_eq!(peer.join().unwrap(), (0, RecvError::PeerClosed));
    drop(kept);
    let (_, end) = sibling.join().unwrap();
    println!("its sibling: {end}");
}

/// Asks, and is answered.
fn ask(one: &mut Connection, other: &mut Connection, byte: u8) {
    one.sender().send_deadline(&[byte; 64], soon()).unwrap();
    let asked = other.receiver().recv_deadline(soon()).unwrap().to_vec();
    other.sender().send_deadline(&asked, soon()).unwrap();
    let answer = one.receiver().recv_deadline(soon()).unwrap().to_vec();
    assert_eq!(answer, [byte; 64]);
}

/// Each thread makes connections, uses and drops them, and another one reads the counters of all.
#[test]
fn connections_come_and_go_in_many_threads() {
    const THREADS: u64 = 3;
    let meeting = Meeting::of(THREADS);
    let over = Over::default();
    let looks = {
        let over = over.clone();
        thread::spawn(move || {
            while !over.is_set() {
                Counters::own().unwrap().connections().unwrap();
                thread::sleep(Duration::from_micros(300));
            }
        })
    };
    let threads = (0..THREADS).map(|thread| {
        let meeting = Arc::clone(&meeting);
        thread::spawn(move || {
            for round in 0..5 {
                let name = format!("threads-many-{thread}-{round}");
                let (mut one, mut other) = pair(&name, &small(Wait::Park), &small(Wait::Park));
                // From here to the next meeting no two threads have anything in common.
                meeting.wait();
                (0..30).for_each(|byte| ask(&mut one, &mut other, byte));
                meeting.wait();
            }
        })
    });
    all(threads.collect());
    over.set();
    looks.join().unwrap();
}

/// Answers until so many frames were answered, or all peers have ended.
fn serve(poller: &mut Poller, mut frames: u64) {
    while frames > 0 && !poller.is_empty() {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => {
                while turn.more() {
                    let (sender, receiver) = turn.halves();
                    let asked = match receiver.try_recv() {
                        Ok(frame) => frame.to_vec(),
                        Err(RecvError::Empty) => break,
                        Err(error) => panic!("{error}"),
                    };
                    // There is room: who asks waits for the answer.
                    sender.try_send(&asked).unwrap();
                    frames = frames.saturating_sub(1);
                }
            }
            Some(Event::Ended(ended)) => {
                assert_eq!(ended.end, RecvError::Closed);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Its connections are called by another thread's interrupters, and it moves from one thread to the next meanwhile.
#[test]
fn a_poller_is_called_by_other_threads_and_moves() {
    const CLIENTS: usize = 3;
    let mut poller: Poller = Poller::new().unwrap();
    let (mut clients, mut interrupters) = (Vec::new(), Vec::new());
    for number in 0..CLIENTS {
        let name = format!("threads-poller-{number}");
        let (mut server, client) = pair(&name, &small(Wait::Park), &small(Wait::Park));
        interrupters.push(server.receiver().interrupter());
        interrupters.push(server.sender().interrupter());
        poller.add(server).unwrap();
        clients.push(client);
    }
    let over = Over::default();
    let interrupts = interrupting(interrupters, &over);
    let clients = clients.into_iter().map(|client| {
        thread::spawn(move || {
            let (mut sender, mut receiver) = client.split();
            for number in 0..FRAMES {
                sender.send_deadline(&number.to_le_bytes(), soon()).unwrap();
                let answer = receiver.recv_deadline(soon()).unwrap().to_vec();
                assert_eq!(answer, number.to_le_bytes());
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let moved = thread::spawn(move || {
        serve(&mut poller, CLIENTS as u64 * FRAMES / 2);
        poller
    });
    let mut poller = moved.join().unwrap();
    serve(&mut poller, u64::MAX);
    all(clients);
    drop(poller);
    over.set();
    interrupts.join().unwrap();
}

/// It answers observers on a thread of its own.
#[test]
fn an_attendant_is_asked_by_many_threads() {
    let path = std::env::temp_dir().join(format!("ringway-threads-attend-{}", std::process::id()));
    let config = Config::new().handshake_timeout(LIMIT);
    let attendant = config.bind(path.as_path()).unwrap().attend().unwrap();
    let observers = (0..3).map(|_| {
        let (config, path) = (config.clone(), path.clone());
        thread::spawn(move || {
            for _ in 0..20 {
                let observed = config.observe(path.as_path()).unwrap();
                observed.connections().unwrap();
            }
        })
    });
    all(observers.collect());
    drop(attendant);
    assert!(!path.exists());
}
