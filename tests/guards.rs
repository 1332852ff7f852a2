//! Frames, reservations and groups that are leaked, held, rewound or misused; kinds, the capacities that were agreed, and room for what is absurd.

mod pair;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pair::{pair, soon};
use ringway::{Config, Connection, ErrorKind, RecvError, Room, SendError, Wait};

fn small(name: &str) -> (Connection, Connection) {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    pair(name, &config, &config)
}

#[test]
fn a_plain_send_takes_a_kind() {
    let (mut server, mut client) = pair("kind", &Config::new(), &Config::new());
    let sender = client.sender();
    sender.send_kind(1, b"a").unwrap();
    sender.try_send_kind(u16::MAX, b"b").unwrap();
    sender.send_kind_deadline(3, b"c", soon()).unwrap();
    sender.send(b"d").unwrap();
    let mut group = sender.group();
    group.send_kind(5, b"e").unwrap();
    group.send(b"f").unwrap();
    group.try_send_kind(6, b"g").unwrap();
    group.publish();
    for (kind, payload) in [
        (1, b"a"),
        (u16::MAX, b"b"),
        (3, b"c"),
        (0, b"d"),
        (5, b"e"),
        (0, b"f"),
        (6, b"g"),
    ] {
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert_eq!((frame.kind(), frame.to_vec()), (kind, payload.to_vec()));
    }
}

/// The kind is not lost on the slow paths: behind the end of a lap, and after a wait for space.
#[test]
fn a_kind_survives_the_slow_paths() {
    let (server, client) = small("kind-slow");
    let (_unused, mut receiver) = server.split();
    let (mut sender, _keep) = client.split();
    let writer = std::thread::spawn(move || {
        for n in 0..10_000u16 {
            if n % 3 == 0 {
                sender.group().send_kind(n, &[0; 300]).unwrap();
            } else {
                sender.send_kind(n, &[0; 300]).unwrap();
            }
        }
    });
    for n in 0..10_000u16 {
        assert_eq!(receiver.recv_deadline(soon()).unwrap().kind(), n);
    }
    writer.join().unwrap();
}

/// Numbers of bytes that no ring has are refused by both sides, with the option's name and what would do; the ones next to them are taken.
#[test]
fn sizes_that_make_no_ring_are_refused_with_what_would() {
    let path = std::env::temp_dir().join(format!("ringway-guards-sizes-{}", std::process::id()));
    let some = || Config::new().capacity(8192).peer_capacity(8192);
    let most = 1 << 30;
    for (config, word) in [
        (some().capacity(0), "capacity is 0"),
        (some().capacity(2048), "capacity is 2048"),
        (some().capacity(8200), "capacity is 8200"),
        (some().max_capacity(2 * most).capacity(2 * most), "1 GiB"),
        (some().peer_capacity(4095), "peer_capacity is 4095"),
        (some().max_capacity(12_288), "max_capacity is 12288"),
        (
            some().capacity(4096).max_capacity(4096),
            "raise max_capacity",
        ),
        (
            some().peer_capacity(4096).max_capacity(4096),
            "raise max_capacity",
        ),
        (some().alignment(0), "alignment is 0"),
        (some().alignment(4), "alignment is 4"),
        (some().alignment(24), "alignment is 24"),
        (some().alignment(8192), "alignment is 8192"),
        (
            some().capacity(4096).alignment(4096),
            "no room for alignment 4096",
        ),
        (some().huge_pages(true), "at least 2 MiB"),
    ] {
        for error in [
            config.bind(path.as_path()).map(drop).err(),
            config.connect(path.as_path()).map(drop).err(),
        ] {
            let error = error.expect(word);
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    for config in [
        some(),
        some().capacity(4096).peer_capacity(4096).max_capacity(4096),
        some().alignment(8),
        some().alignment(4096),
    ] {
        drop(config.bind(path.as_path()).unwrap());
    }
}

/// A server cuts a client's wishes to its maximum, and its own capacity makes no ring.
#[test]
fn both_sides_are_told_what_was_agreed() {
    let listener = Config::new()
        .capacity(8192)
        .peer_capacity(4096)
        .max_capacity(64 << 10);
    let wishes = Config::new().capacity(1 << 20).peer_capacity(32 << 10);
    let (mut server, mut client) = pair("agreed", &listener, &wishes);
    let there = (client.sender().capacity(), server.receiver().capacity());
    let back = (server.sender().capacity(), client.receiver().capacity());
    assert_eq!((there, back), ((64 << 10, 64 << 10), (32 << 10, 32 << 10)));
    assert!(client.sender().max_payload() < 64 << 10);
}

/// The panic of a misuse names the caller's line.
#[test]
fn a_commit_of_too_much_panics_where_it_was_called() {
    static PLACE: Mutex<Option<String>> = Mutex::new(None);
    let (_server, mut client) = pair("commit", &Config::new(), &Config::new());
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| place.file().to_owned());
        if place.is_some() && info.to_string().contains("were reserved") {
            *PLACE.lock().unwrap() = place;
        } else {
            before(info);
        }
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        client.sender().reserve(3).unwrap().commit_len(4);
    }));
    assert!(outcome.is_err());
    assert_eq!(PLACE.lock().unwrap().as_deref(), Some(file!()));
    client.sender().send(b"as before").unwrap();
}

#[test]
fn a_leaked_frame_is_released_by_what_follows() {
    let (mut server, mut client) = small("leaked");
    // More than the ring holds: what a leaked frame did not release, the next one does.
    for n in 0..1_000u16 {
        // Neither does an aborted reservation take anything.
        drop(client.sender().reserve(100).unwrap());
        client
            .sender()
            .send_deadline(&n.to_le_bytes(), soon())
            .unwrap();
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert_eq!(frame.to_vec(), n.to_le_bytes());
        if n % 2 == 0 {
            std::mem::forget(frame);
        }
    }
}

/// A group that nothing followed is not sent: its sender's goodbye is no call that publishes.
#[test]
fn a_leaked_group_that_nothing_follows_is_never_sent() {
    let (server, client) = small("leaked-group");
    let (mut sender, _keep) = client.split();
    sender.send(b"before").unwrap();
    let mut group = sender.group();
    group.send(b"leaked").unwrap();
    std::mem::forget(group);
    drop(sender);
    let mut receiver = server.split().1;
    assert_eq!(receiver.recv().unwrap().to_vec(), b"before");
    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
}

/// Through the whole ring, many times over, with every way to wait: each batch is read twice, and then released.
#[test]
fn held_batches_are_rewound_and_released_lap_after_lap() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let config = Config::new().wait(wait).capacity(4096);
        let (server, client) = pair(&format!("held-{wait:?}"), &config, &config);
        let (mut sender, _keep) = client.split();
        let writer = std::thread::spawn(move || {
            for n in 0..5_000u32 {
                sender.send_deadline(&n.to_le_bytes(), soon()).unwrap();
            }
        });
        let mut receiver = server.split().1;
        receiver.hold(true);
        for batch in 0..500u32 {
            for again in [false, true] {
                for n in batch * 10..batch * 10 + 10 {
                    let frame = receiver.recv_deadline(soon()).unwrap();
                    assert_eq!(frame.to_vec(), n.to_le_bytes(), "{wait:?}");
                }
                if !again {
                    assert_eq!(receiver.rewind(), 160);
                }
            }
            receiver.release();
        }
        assert_eq!(receiver.rewind(), 0, "all is released");
        assert_eq!(
            receiver.recv_deadline(soon()).map(drop),
            Err(RecvError::Closed)
        );
        writer.join().unwrap();
    }
}

#[test]
fn held_frames_count_against_the_ring_until_they_are_released() {
    let (mut server, mut client) = small("hold-full");
    let (sender, receiver) = (client.sender(), server.receiver());
    receiver.hold(true);
    let mut sent = 0;
    while sender.try_send(&[0; 56]).is_ok() {
        sent += 1;
        receiver.try_recv().map(drop).unwrap();
    }
    let late = Instant::now() + Duration::from_millis(20);
    assert_eq!(
        sender.send_deadline(&[0; 56], late),
        Err(SendError::TimedOut)
    );
    assert_eq!(receiver.rewind(), sent * 64, "all of it can be read again");
    (0..sent).for_each(|_| receiver.try_recv().map(drop).unwrap());
    receiver.hold(false);
    assert_eq!(receiver.rewind(), 0);
    sender.send_deadline(&[0; 56], soon()).unwrap();
}

/// What was held when the peer went can be read again after its end was told.
#[test]
fn held_frames_survive_the_peer() {
    let (server, mut client) = small("hold-end");
    let mut receiver = server.split().1;
    client.sender().send(b"held").unwrap();
    drop(client);
    receiver.hold(true);
    for _ in 0..2 {
        assert_eq!(receiver.recv().unwrap().to_vec(), b"held");
        assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
        assert_eq!(receiver.rewind(), 16);
    }
}

/// A frame that a panic drops is released as by any drop; where frames are held, it is one of those.
#[test]
fn a_panic_with_a_frame_releases_it_unless_frames_are_held() {
    let (mut server, mut client) = small("panic");
    let panics = |server: &mut Connection| {
        let mut position = None;
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            let frame = server.receiver().recv_deadline(soon()).unwrap();
            position = Some((frame.position(), frame.to_vec()));
            // Past the hook: no report is wanted of a panic that is meant.
            panic::resume_unwind(Box::new("the test's own panic"));
        }));
        assert!(outcome.is_err());
        position.unwrap()
    };
    // Several laps of the ring: each is released.
    for n in 0..200u8 {
        client.sender().send_deadline(&[n; 100], soon()).unwrap();
        assert_eq!(panics(&mut server).1, [n; 100]);
    }
    assert_eq!(server.receiver().rewind(), 0);
    assert_eq!(
        server.receiver().try_recv().map(drop),
        Err(RecvError::Empty)
    );

    server.receiver().hold(true);
    client.sender().send(b"held").unwrap();
    let first = panics(&mut server);
    assert_eq!(
        server.receiver().try_recv().map(drop),
        Err(RecvError::Empty)
    );
    assert!(server.receiver().rewind() > 0);
    assert_eq!(panics(&mut server), first, "the same frame comes again");
    server.receiver().release();
    assert_eq!(server.receiver().rewind(), 0);
}

/// Until its deadline, and what it holds by then stays in it.
#[test]
fn a_group_waits_for_room_until_a_deadline() {
    let (mut server, mut client) = small("group-deadline");
    let mut group = client.sender().group();
    group.send_deadline(b"first", soon()).unwrap();
    let mut sent = 0;
    let refused = loop {
        let until = Instant::now() + Duration::from_millis(20);
        match group.send_deadline(&[7; 500], until) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100, "it is never full");
    };
    assert_eq!(refused, SendError::TimedOut);
    assert!(sent > 0);
    group.publish();
    let receiver = server.receiver();
    assert_eq!(receiver.try_recv().unwrap().to_vec(), b"first");
    for _ in 0..sent {
        assert_eq!(receiver.try_recv().unwrap().to_vec(), [7; 500]);
    }
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
}

/// Also where the length of a frame, or that with a pad or an extension before it, would go round. No wait begins, however long it might be.
#[test]
fn a_payload_as_long_as_no_memory_is_refused_by_every_call() {
    let config = Config::new().alignment(4096).lanes(2);
    let (mut server, _client) = pair("absurd", &config, &config);
    let max = server.sender().max_payload();
    let expires = soon();
    let around = (0..=24).map(|less| usize::MAX - less);
    for len in around.chain([max + 1, u32::MAX as usize, u32::MAX as usize + 1]) {
        for priority in [0, 1] {
            let mut sender = server.sender().at(priority).unwrap();
            let refused = Err(SendError::TooLarge { len, max });
            assert_eq!(sender.reserve(len).map(drop), refused);
            assert_eq!(sender.reserve_deadline(len, expires).map(drop), refused);
            assert_eq!(sender.try_reserve(len).map(drop), refused);
            assert_eq!(sender.group().reserve(len).map(drop), refused);
            assert_eq!(sender.wait_for_room(len, None), refused);
            assert_eq!(sender.arm(len).map(drop), refused);
            for power in 0..=12 {
                let align = 1 << power;
                assert_eq!(sender.reserve_aligned(len, align).map(drop), refused);
                assert_eq!(sender.try_reserve_aligned(len, align).map(drop), refused);
                let room = Room::of(len).aligned(align);
                assert_eq!(sender.wait_for_room(room, None), refused);
                assert_eq!(sender.arm(room).map(drop), refused);
            }
            let max = max - 8;
            let refused = Err(SendError::TooLarge { len, max });
            assert_eq!(sender.reserve_expiring(len, expires).map(drop), refused);
            assert_eq!(sender.arm(Room::of(len).expiring()).map(drop), refused);
            let mut group = sender.group();
            assert_eq!(group.reserve_expiring(len, expires).map(drop), refused);
        }
    }
    // What is certain to fit does, wherever it is aligned.
    for power in 0..=12 {
        let place = server.sender().try_reserve_aligned(max, 1 << power);
        assert!(place.is_ok(), "aligned by 2^{power}");
    }
}
