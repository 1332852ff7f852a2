//! A batcher between two ends of a connection: what is kept back, what is published, and by whom. Batches of a receiver.

mod pair;

use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use pair::{pair, soon};
use ringway::batch::{Batcher, Bounds, TypedBatcher};
use ringway::typed::{self, Message, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use ringway::{Arm, Config, Connection, Counters, Receiver, RecvError, SendError, Sender, Wait};

/// So long that no machine is slow enough for it to pass.
const LONG: Duration = Duration::from_secs(3600);

fn small(name: &str) -> (Connection, Connection) {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    pair(name, &config, &config)
}

/// A batcher that keeps back what it accepts, on a ring of 4 KiB, and its receiver, in the middle of which a backlog lies. Nothing that a slow machine does
/// makes it publish. Returns how many frames of 8 bytes lie before what is sent next.
fn keeping(name: &str, bounds: Bounds) -> (Batcher, Receiver, (Receiver, Sender), u64) {
    let (server, client) = small(name);
    let (back, receiver) = server.split();
    let (sender, there) = client.split();
    let mut batcher = Batcher::new(sender, bounds);
    let mut sent = 0u64;
    // Half of the ring unread is a backlog: 128 frames of 16 bytes; the look at it comes once every 32. Or the machine is fast, and it is a stream.
    while !batcher.keeps_back() {
        batcher.try_send(&sent.to_le_bytes()).expect("room");
        sent += 1;
    }
    batcher.flush();
    (batcher, receiver, (there, back), sent)
}

fn expect(receiver: &mut Receiver, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let frame = receiver.recv_deadline(soon()).unwrap();
        assert_eq!(frame.to_vec(), number.to_le_bytes());
    }
}

fn patient() -> Bounds {
    Bounds::new().budget(LONG).frames(1000)
}

#[test]
fn what_is_kept_back_is_not_seen_and_a_flush_publishes_it() {
    let (mut batcher, mut receiver, _rest, sent) = keeping("batch-flush", patient());
    batcher.send(&sent.to_le_bytes()).unwrap();
    assert!(batcher.keeps_back());
    expect(&mut receiver, 0..sent);
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    batcher.flush();
    assert!(!batcher.keeps_back());
    assert_eq!(batcher.deadline(), None);
    expect(&mut receiver, sent..sent + 1);
}

#[test]
fn the_deadline_is_within_the_budget_and_publishes() {
    let (mut batcher, mut receiver, _rest, sent) = keeping("batch-due", patient());
    assert_eq!(batcher.deadline(), None);
    batcher.send(&sent.to_le_bytes()).unwrap();
    let deadline = batcher.deadline().expect("a frame is kept back");
    assert!(deadline <= Instant::now() + LONG);
    assert!(!batcher.flush_due(Instant::now()));
    assert!(!batcher.flush_due(deadline.checked_sub(Duration::from_nanos(1)).unwrap()));
    assert!(batcher.keeps_back());
    assert!(batcher.flush_due(deadline));
    assert!(!batcher.flush_due(deadline));
    expect(&mut receiver, 0..sent + 1);
}

/// The next call is an owner too: whoever has read everything and waits is not left waiting.
#[test]
fn a_receiver_that_waits_gets_what_is_kept_back_with_the_next_call() {
    for way in 0..3 {
        let (mut batcher, mut receiver, _rest, mut sent) =
            keeping(&format!("batch-waiting-{way}"), patient());
        batcher.send(&sent.to_le_bytes()).unwrap();
        assert!(batcher.keeps_back());
        expect(&mut receiver, 0..sent);
        // It says so before it sleeps, when it is armed, and when it has looked in vain for some time.
        match way {
            0 => assert_eq!(
                receiver.recv_deadline(Instant::now()).map(drop),
                Err(RecvError::TimedOut)
            ),
            1 => assert_eq!(receiver.arm(), Ok(Arm::Armed)),
            _ => {
                for _ in 0..1000 {
                    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
                }
            }
        }
        batcher.send(&(sent + 1).to_le_bytes()).unwrap();
        assert!(!batcher.keeps_back(), "way {way}");
        expect(&mut receiver, sent..sent + 2);
        sent += 2;
        // And from then on at once.
        batcher.send(&sent.to_le_bytes()).unwrap();
        assert!(!batcher.keeps_back());
        expect(&mut receiver, sent..sent + 1);
    }
}

#[test]
fn a_drop_publishes_and_so_does_giving_the_sender_back() {
    let (mut batcher, mut receiver, rest, sent) = keeping("batch-drop", patient());
    batcher.send(&sent.to_le_bytes()).unwrap();
    batcher.sender().send(&(sent + 1).to_le_bytes()).unwrap();
    batcher.send(&(sent + 2).to_le_bytes()).unwrap();
    assert!(batcher.keeps_back());
    drop(batcher);
    expect(&mut receiver, 0..sent + 3);
    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
    drop(rest);

    let (mut batcher, mut receiver, _rest, sent) = keeping("batch-back", patient());
    batcher.send(&sent.to_le_bytes()).unwrap();
    let mut sender = batcher.into_sender();
    sender.send(&(sent + 1).to_le_bytes()).unwrap();
    expect(&mut receiver, 0..sent + 2);
}

/// The frames are the peer's, but it hears that they may not be all.
#[test]
fn a_drop_by_a_panic_publishes_too() {
    let (mut batcher, mut receiver, _rest, sent) = keeping("batch-panic", patient());
    let panicked = thread::spawn(move || {
        batcher.send(&sent.to_le_bytes()).unwrap();
        assert!(batcher.keeps_back());
        panic::resume_unwind(Box::new("the test's own panic"));
    });
    assert!(panicked.join().is_err());
    expect(&mut receiver, 0..sent + 1);
    assert_eq!(receiver.recv().map(drop), Err(RecvError::PeerClosed));
}

#[test]
fn a_refused_frame_fails_alone() {
    let (mut batcher, mut receiver, _rest, sent) = keeping("batch-refused", patient());
    batcher.send(&sent.to_le_bytes()).unwrap();
    let too_large = batcher.send(&[0; 5000]);
    assert!(matches!(
        too_large,
        Err(SendError::TooLarge { len: 5000, .. })
    ));
    assert!(batcher.keeps_back(), "what was accepted is as it was");
    batcher.send(&(sent + 1).to_le_bytes()).unwrap();
    batcher.flush();
    expect(&mut receiver, 0..sent + 2);
}

/// What is kept back is published before the batcher says that there is no room, or nobody could make any.
#[test]
fn a_full_ring_is_no_trap() {
    let (mut batcher, mut receiver, _rest, mut sent) = keeping("batch-full", patient());
    let late = || Instant::now() + Duration::from_millis(5);
    while batcher.try_send(&sent.to_le_bytes()).is_ok() {
        sent += 1;
    }
    assert!(!batcher.keeps_back());
    let outcome = batcher.send_deadline(&sent.to_le_bytes(), late());
    assert_eq!(outcome, Err(SendError::TimedOut));
    assert_eq!(batcher.try_send_kind(3, &[0; 3000]), Err(SendError::Full));
    expect(&mut receiver, 0..sent);
    // The longest that fits, behind one that is kept back.
    batcher.send(&sent.to_le_bytes()).unwrap();
    let most = batcher.sender().max_payload();
    let reader = thread::spawn(move || {
        expect(&mut receiver, sent..sent + 1);
        receiver.recv_deadline(soon()).unwrap().len()
    });
    batcher.send_deadline(&vec![1; most], soon()).unwrap();
    batcher.flush();
    assert_eq!(reader.join().unwrap(), most);
}

#[test]
fn a_stream_through_it_arrives_whole_and_in_order() {
    for (index, wait) in [Wait::Spin, Wait::Adaptive, Wait::Park]
        .into_iter()
        .enumerate()
    {
        let config = Config::new().wait(wait).capacity(8192).peer_capacity(8192);
        let (server, client) = pair(&format!("batch-stream-{index}"), &config, &config);
        let (_back, mut receiver) = server.split();
        let (sender, _there) = client.split();
        let reader = thread::spawn(move || {
            let mut number = 0u64;
            loop {
                match receiver.recv_batch(50) {
                    Ok(mut frames) => {
                        while let Some(frame) = frames.next_frame() {
                            assert_eq!(frame.len() as u64, 8 + number % 90);
                            let mut copy = [0; 8];
                            frame.copy_to(&mut copy);
                            assert_eq!(u64::from_le_bytes(copy), number);
                            number += 1;
                        }
                    }
                    Err(error) => return (number, error),
                }
            }
        });
        let mut batcher = Batcher::new(sender, Bounds::new().frames(40));
        let mut buffer = [7; 100];
        for number in 0..30_000u64 {
            buffer[..8].copy_from_slice(&number.to_le_bytes());
            batcher.send(&buffer[..8 + (number % 90) as usize]).unwrap();
            batcher.flush_due(Instant::now());
        }
        drop(batcher);
        assert_eq!(reader.join().unwrap(), (30_000, RecvError::Closed));
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Tick {
    symbol: Text<8>,
    price: f64,
}

#[test]
fn messages_of_a_type_go_through_it() {
    let path = std::env::temp_dir().join(format!("ringway-batch-typed-{}", std::process::id()));
    let config = pair::patient(&Config::new());
    let mut listener =
        typed::Listener::<typed::Nothing, Tick>::bind_with(&config, path.as_path()).unwrap();
    let tick = |number: u32| Tick {
        symbol: Text::literal("EURUSD"),
        price: f64::from(number),
    };
    let feed = thread::spawn(move || {
        let (sender, _receiver) = typed::connect_with::<Tick, typed::Nothing>(&config, path)
            .unwrap()
            .split();
        let mut batcher = TypedBatcher::new(sender, Bounds::new());
        (0..9_999).for_each(|number| batcher.send(&tick(number)).unwrap());
        batcher.send_any_deadline(&tick(9_999), soon()).unwrap();
        batcher.flush();
        let mut sender = batcher.into_sender();
        sender.send(&tick(10_000)).unwrap();
    });
    let mut connection = listener.accept_deadline(soon()).unwrap();
    for number in 0..=10_000 {
        assert_eq!(connection.receiver().recv().unwrap(), tick(number));
    }
    feed.join().unwrap();
}

/// A group rings a peer that sleeps once, however many frames it has.
#[test]
fn a_group_wakes_once() {
    let parked = Config::new().wait(Wait::Park);
    let (server, client) = pair("batch-wake", &parked, &parked);
    let (_back, mut receiver) = server.split();
    let (sender, _there) = client.split();
    let wakes = || {
        let all = Counters::own().unwrap().connections().unwrap();
        let ours = all
            .iter()
            .filter(|one| one.name.contains("ringway-batch-wake-"));
        ours.map(|one| one.sends.wakes).sum::<u64>()
    };
    let mut batcher = Batcher::new(sender, patient());
    // Armed: from its word on it sleeps, and is rung once until it arms again.
    assert_eq!(receiver.arm(), Ok(Arm::Armed));
    for number in 0..200u64 {
        batcher.send(&number.to_le_bytes()).unwrap();
    }
    batcher.flush();
    assert_eq!(wakes(), 1);
    expect(&mut receiver, 0..200);
    assert_eq!(receiver.arm(), Ok(Arm::Armed));
    batcher.send(&200u64.to_le_bytes()).unwrap();
    batcher.flush();
    assert_eq!(wakes(), 2);
}

fn releases(name: &str) -> u64 {
    let all = Counters::own().unwrap().connections().unwrap();
    let ours = all.iter().filter(|one| one.name.contains(name));
    ours.map(|one| one.receives.batches).sum()
}

/// A ring of 4 KiB is released in steps of 512 bytes; a batch tells it once.
#[test]
fn a_batch_is_released_at_once_and_bounded() {
    let name = "batch-once";
    let (mut server, mut client) = small(name);
    let fill = |sender: &mut Sender| (0..30u8).for_each(|n| sender.send(&[n; 56]).unwrap());
    let released = || releases("ringway-batch-once-");
    for round in 1..4 {
        fill(client.sender());
        let before = released();
        let mut frames = server.receiver().recv_batch(100).unwrap();
        for n in 0..30 {
            assert_eq!(frames.next_frame().unwrap().to_vec(), [n; 56]);
        }
        assert!(frames.next_frame().is_none());
        assert_eq!(released(), before, "not before its end");
        drop(frames);
        assert_eq!(released(), before + 1, "round {round}");
    }
    // No more than was asked for (none is one), and no more than half of the ring.
    fill(client.sender());
    (0..20).for_each(|_| client.sender().send(&[1; 56]).unwrap());
    let count = |receiver: &mut Receiver, max| {
        let mut frames = receiver.recv_batch_deadline(max, soon()).unwrap();
        std::iter::from_fn(|| frames.next_frame().map(drop)).count()
    };
    assert_eq!(count(server.receiver(), 0), 1);
    assert_eq!(count(server.receiver(), 7), 7);
    assert_eq!(count(server.receiver(), 100), 32);
    assert_eq!(count(server.receiver(), 100), 10);
    assert_eq!(
        server.receiver().try_recv_batch(9).map(drop),
        Err(RecvError::Empty)
    );
}

#[test]
fn a_batch_that_is_left_loses_nothing() {
    let (mut server, mut client) = small("batch-left");
    let sender = client.sender();
    let mut send = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| sender.send_deadline(&number.to_le_bytes(), soon()).unwrap());
    };
    let receiver = server.receiver();
    send(0..100);
    drop(receiver.recv_batch(50).unwrap());
    let mut frames = receiver.recv_batch(50).unwrap();
    assert_eq!(frames.next_frame().unwrap().to_vec(), 0u64.to_le_bytes());
    drop(frames);
    expect(receiver, 1..2);
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut frames = receiver.recv_batch(50).unwrap();
        while let Some(frame) = frames.next_frame() {
            if frame.to_vec() == 10u64.to_le_bytes() {
                panic::resume_unwind(Box::new("the test's own panic"));
            }
        }
    }));
    assert!(panicked.is_err());
    expect(receiver, 11..12);
    // A batch that is leaked holds nothing up: a whole lap follows.
    let mut frames = receiver.recv_batch(80).unwrap();
    (12..90).for_each(|_| drop(frames.next_frame().unwrap()));
    std::mem::forget(frames);
    expect(receiver, 90..100);
    for lap in 1..10 {
        send(lap * 100..lap * 100 + 100);
        expect(receiver, lap * 100..lap * 100 + 100);
    }
}

#[test]
fn a_batch_of_held_frames_can_be_read_again() {
    let (mut server, mut client) = small("batch-held");
    (0..20u64).for_each(|n| client.sender().send(&n.to_le_bytes()).unwrap());
    let receiver = server.receiver();
    receiver.hold(true);
    let mut frames = receiver.recv_batch(5).unwrap();
    while frames.next_frame().is_some() {}
    drop(frames);
    assert!(receiver.rewind() > 0);
    expect(receiver, 0..20);
}

/// Whoever asks for none gets the one that was waited for, or a loop would ask for ever.
#[test]
fn a_batch_of_none_is_one_of_one() {
    let (server, client) = small("batch-none");
    let (mut sender, _there) = server.split();
    let (_back, mut receiver) = client.split();
    for number in 0..3u8 {
        sender.send(&[number]).unwrap();
    }
    for number in 0..2u8 {
        let mut frames = receiver.recv_batch(0).unwrap();
        let first = frames.next_frame().map(|frame| frame.to_vec());
        assert_eq!(first, Some(vec![number]));
        assert!(frames.next_frame().is_none());
    }
    assert!(receiver.try_recv_batch(0).unwrap().next_frame().is_some());
    assert_eq!(receiver.try_recv_batch(0).err(), Some(RecvError::Empty));
}
