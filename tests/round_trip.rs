//! Frames through a real connection: every way to send, every way to receive, every way to wait.

mod pair;

use std::thread;
use std::time::{Duration, Instant};

use pair::{pair, soon};
use ringway::{Arm, Config, RecvError, SendError, Wait};

#[test]
fn every_wait_moves_frames_both_ways() {
    let waits = [
        Config::new().wait(Wait::Spin),
        Config::new().wait(Wait::Adaptive),
        Config::new().wait(Wait::Park),
        Config::new().spin_budget(Duration::ZERO),
        Config::new().spin_budget(Duration::from_millis(1)),
    ];
    for (index, config) in waits.into_iter().enumerate() {
        let config = config.capacity(4096).peer_capacity(4096);
        let (mut server, mut client) = pair(&format!("ways{index}"), &config, &config);
        let echo = thread::spawn(move || {
            let mut buffer = [0; 4096];
            for _ in 0..2_000 {
                let length = server
                    .receiver()
                    .recv_into_deadline(&mut buffer, soon())
                    .unwrap();
                server
                    .sender()
                    .send_deadline(&buffer[..length], soon())
                    .unwrap();
            }
        });
        for n in 0..2_000usize {
            let message = vec![n as u8; n % client.sender().max_payload()];
            client.sender().send_deadline(&message, soon()).unwrap();
            assert_eq!(
                client.receiver().recv_deadline(soon()).unwrap().to_vec(),
                message
            );
        }
        echo.join().unwrap();
    }
}

#[test]
fn a_stream_through_a_small_ring_arrives_in_order() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (server, client) = pair("stream", &config, &config);
    let (mut sender, _keep) = client.split();
    let writer = thread::spawn(move || {
        for n in 0..200_000u64 {
            sender.send_deadline(&n.to_ne_bytes(), soon()).unwrap();
        }
    });
    let (_sender, mut receiver) = server.split();
    let mut buffer = [0; 8];
    for n in 0..200_000u64 {
        assert_eq!(receiver.recv_into_deadline(&mut buffer, soon()).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(buffer), n);
    }
    assert_eq!(
        receiver.recv_into_deadline(&mut buffer, soon()),
        Err(RecvError::Closed)
    );
    writer.join().unwrap();
}

#[test]
fn reservations_groups_kinds_and_alignment() {
    let config = Config::new().alignment(4096);
    let (mut server, mut client) = pair("reserve", &config, &config);
    let sender = client.sender();
    drop(sender.reserve(100).unwrap());
    let mut reservation = sender.reserve(100).unwrap().kind(7);
    reservation[..3].copy_from_slice(b"abc");
    reservation.commit_len(3);
    let mut page = sender.reserve_aligned(10, 4096).unwrap();
    assert_eq!(page.as_ptr() as usize % 4096, 0);
    page.fill(9);
    page.commit();
    let line = sender.try_reserve_aligned(10, 64).unwrap();
    assert_eq!(line.as_ptr() as usize % 64, 0);
    drop(line);
    assert!(matches!(
        sender.try_reserve_aligned(1, 3),
        Err(SendError::Alignment { .. })
    ));
    assert!(matches!(
        sender.reserve_aligned(1, 3),
        Err(SendError::Alignment { .. })
    ));
    let receiver = server.receiver();
    let frame = receiver.try_recv().unwrap();
    assert_eq!((frame.kind(), frame.to_vec()), (7, b"abc".to_vec()));
    drop(frame);
    let frame = receiver.try_recv().unwrap();
    // SAFETY: the sender is this thread and writes nothing meanwhile.
    let in_place = unsafe { frame.as_trusted_slice() };
    assert_eq!(
        (in_place, in_place.as_ptr() as usize % 4096),
        ([9; 10].as_slice(), 0)
    );
    let mut part = [0; 4];
    assert_eq!(
        (frame.copy_at(8, &mut part), frame.copy_at(10, &mut part)),
        (2, 0)
    );
    drop(frame);
    let mut group = sender.group();
    group.send(b"one").unwrap();
    group.reserve(3).unwrap().commit();
    group.try_send(b"three").unwrap();
    assert!(
        matches!(receiver.try_recv(), Err(RecvError::Empty)),
        "an open group is invisible"
    );
    group.publish();
    assert_eq!(receiver.try_recv().unwrap().to_vec(), b"one");
    assert_eq!(receiver.try_recv().unwrap().len(), 3);
    assert_eq!(receiver.try_recv().unwrap().to_vec(), b"three");
}

#[test]
fn full_refuses_drops_or_times_out_and_gives_nothing_away() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (mut server, mut client) = pair("full", &config, &config);
    let sender = client.sender();
    let mut sent = 0;
    while sender.try_send(&[1; 56]).is_ok() {
        sent += 1;
    }
    assert_eq!(sender.try_send(&[1; 56]), Err(SendError::Full));
    assert_eq!(sender.dropped(), 0);
    for dropped in 1..3 {
        assert_eq!(sender.send_or_drop(&[1; 56]), Ok(false));
        assert_eq!(sender.dropped(), dropped);
    }
    assert_eq!(
        sender.send_deadline(&[1; 56], Instant::now() + Duration::from_millis(5)),
        Err(SendError::TimedOut)
    );
    let most = sender.max_payload();
    assert_eq!(
        sender.try_send(&vec![0; most + 1]),
        Err(SendError::TooLarge {
            len: most + 1,
            max: most
        })
    );
    let receiver = server.receiver();
    let mut short = [0; 55];
    assert_eq!(
        receiver.try_recv_into(&mut short),
        Err(RecvError::Truncated { len: 56 })
    );
    let mut buffer = [0; 56];
    for _ in 0..sent {
        receiver.try_recv_into(&mut buffer).unwrap();
    }
    assert_eq!(receiver.try_recv_into(&mut buffer), Err(RecvError::Empty));
    assert_eq!(
        receiver
            .recv_deadline(Instant::now() + Duration::from_millis(5))
            .err(),
        Some(RecvError::TimedOut)
    );
    sender.send_deadline(&vec![2; most], soon()).unwrap();
}

#[test]
fn held_frames_can_be_read_again() {
    let (mut server, mut client) = pair("hold", &Config::new(), &Config::new());
    for n in 0..3u8 {
        client.sender().send(&[n]).unwrap();
    }
    let receiver = server.receiver();
    receiver.hold(true);
    assert_eq!(receiver.recv().unwrap().to_vec(), [0]);
    receiver.release();
    assert_eq!(receiver.recv().unwrap().to_vec(), [1]);
    assert_eq!(receiver.recv().unwrap().to_vec(), [2]);
    assert_eq!(receiver.rewind(), 32);
    assert_eq!(receiver.recv().unwrap().to_vec(), [1]);
}

#[test]
fn arm_tells_when_the_descriptor_is_worth_polling() {
    use std::os::fd::{AsFd, AsRawFd};
    let (mut server, mut client) = pair("arm", &Config::new(), &Config::new());
    let readable = |fd: std::os::fd::BorrowedFd<'_>, timeout| {
        let mut entry = libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one entry, valid for the call.
        unsafe { libc::poll(&raw mut entry, 1, timeout) == 1 }
    };
    let receiver = server.receiver();
    assert_eq!(receiver.arm().unwrap(), Arm::Armed);
    assert!(!readable(receiver.as_fd(), 10));
    client.sender().send(b"x").unwrap();
    assert!(readable(receiver.as_fd(), 5_000));
    assert_eq!(receiver.arm().unwrap(), Arm::Ready);
    assert_eq!(receiver.try_recv().unwrap().to_vec(), b"x");
    assert_eq!(receiver.arm().unwrap(), Arm::Armed);
    drop(client);
    assert!(readable(receiver.as_fd(), 5_000));
    assert_eq!(receiver.arm().unwrap(), Arm::Ready);
    assert_eq!(receiver.try_recv().err(), Some(RecvError::Closed));
}

#[test]
fn a_closed_receiver_is_noticed_and_a_shared_sender_serves_threads() {
    let (server, client) = pair("closed", &Config::new(), &Config::new());
    let (_unused, mut receiver) = server.split();
    let (sender, _keep) = client.split();
    let shared = sender.shared();
    thread::scope(|scope| {
        for _ in 0..4 {
            let shared = shared.clone();
            scope.spawn(move || (0..1_000).for_each(|_| shared.send(&[5; 10]).unwrap()));
        }
        for _ in 0..4_000 {
            assert_eq!(receiver.recv_deadline(soon()).unwrap().len(), 10);
        }
    });
    drop(receiver);
    let mut last = Ok(());
    for _ in 0..2 {
        last = shared.send(b"late");
    }
    assert_eq!(last, Err(SendError::Closed));
}

/// A group whose guard was leaked is published by whatever comes next, or the sender would wait for room that nobody can make.
#[test]
fn a_leaked_group_is_published_by_the_next_call() {
    let config = Config::new();
    let (mut server, mut client) = pair("leak", &config, &config);
    let leak = |sender: &mut ringway::Sender, payload: &[u8]| {
        let mut group = sender.group();
        group.send(payload).unwrap();
        std::mem::forget(group);
    };
    let receiver = server.receiver();
    for (number, call) in [0u8, 1, 2, 3].into_iter().enumerate() {
        leak(client.sender(), &[call; 5]);
        assert!(matches!(receiver.try_recv(), Err(RecvError::Empty)));
        let sender = client.sender();
        match number {
            0 => drop(sender.arm(8).unwrap()),
            1 => drop(sender.try_reserve(8).unwrap()),
            2 => sender.try_send(&[9]).unwrap(),
            _ => drop(sender.group()),
        }
        assert_eq!(receiver.try_recv().unwrap().to_vec(), [call; 5]);
        while receiver.try_recv().is_ok() {}
    }
}

/// What is in it by then is published, or nobody could make the room.
#[test]
fn a_group_that_waits_for_room_is_seen_in_parts() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (server, client) = pair("parts", &config, &config);
    let (mut sender, _keep) = client.split();
    let (_unused, mut receiver) = server.split();
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut group = sender.group();
            (0..100u8).for_each(|n| group.send(&[n; 56]).unwrap());
            // Of the last lap nobody has seen anything: it is not published.
            told.recv().unwrap();
            group.publish();
            sender
        });
        let mut next = 0;
        let mut receive = |deadline| {
            let frame = receiver.recv_deadline(deadline)?;
            assert_eq!(frame.to_vec(), [next; 56]);
            next += 1;
            Ok(next)
        };
        // So many lie beyond what the ring holds: there must have been room for them.
        while receive(soon()) != Ok(36) {}
        while receive(Instant::now() + Duration::from_millis(20)) != Err(RecvError::TimedOut) {}
        let early = next;
        assert!(
            (36..100).contains(&early),
            "{early} of 100 before the publishing"
        );
        go_on.send(()).unwrap();
        for n in early..100 {
            assert_eq!(receiver.recv_deadline(soon()).unwrap().to_vec(), [n; 56]);
        }
    });
}

/// A hint: whatever state the connection is in, it says and does nothing.
/// Whatever is added to a group, and however: it fits, or it waits until a moment and no longer.
#[test]
fn no_wait_in_a_group_is_for_ever() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let config = config.alignment(64);
    let (mut server, mut client) = pair("group-late", &config, &config);
    let (sender, receiver) = (client.sender(), server.receiver());
    let mut number = 0;
    let mut group = sender.group();
    while group.try_send(&[1; 500]).is_ok() {
        number += 1;
    }
    let late = Instant::now() + Duration::from_millis(20);
    let refused = [
        group.try_reserve(500).map(drop),
        group.try_reserve_aligned(500, 64).map(drop),
        group.try_send_kind(3, &[1; 500]),
    ];
    assert_eq!(refused, [Err(SendError::Full); 3]);
    let refused = [
        group.send_kind_deadline(3, &[1; 500], late),
        group.reserve_deadline(500, late).map(drop),
        group.reserve_aligned_deadline(500, 64, late).map(drop),
    ];
    assert_eq!(refused, [Err(SendError::TimedOut); 3]);
    for _ in 0..number {
        assert_eq!(receiver.recv_deadline(soon()).unwrap().kind(), 0);
    }
    group.send_kind_deadline(3, &[3; 500], soon()).unwrap();
    let reserved = group.reserve_deadline(500, soon()).unwrap();
    reserved.kind(4).commit();
    group.try_reserve(500).unwrap().kind(5).commit();
    let mut aligned = Vec::new();
    for kind in 6..9 {
        let reserved = match kind {
            6 => group.reserve_aligned(10, 64),
            7 => group.reserve_aligned_deadline(10, 64, soon()),
            _ => group.try_reserve_aligned(10, 64),
        };
        let reserved = reserved.unwrap().kind(kind);
        aligned.push(reserved.as_ptr().addr() % 64);
        reserved.commit();
    }
    assert_eq!(aligned, [0; 3]);
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    group.publish();
    for kind in 3..9 {
        assert_eq!(receiver.recv_deadline(soon()).unwrap().kind(), kind);
    }
}

#[test]
fn prefetching_changes_nothing() {
    for lanes in [1, 3] {
        let config = Config::new()
            .lanes(lanes)
            .capacity(4096)
            .peer_capacity(4096);
        let (mut server, mut client) = pair(&format!("prefetch{lanes}"), &config, &config);
        let mut buffer = [0; 64];
        for round in 0..500u64 {
            client.prefetch();
            server.prefetch();
            client.sender().send(&round.to_ne_bytes()).unwrap();
            server.prefetch();
            assert_eq!(server.receiver().try_recv_into(&mut buffer), Ok(8));
            assert_eq!(buffer[..8], round.to_ne_bytes());
        }
        while client.sender().try_send(&[7; 100]).is_ok() {}
        client.prefetch();
        let held = server.receiver().recv_deadline(soon()).unwrap().to_vec();
        server.receiver().prefetch();
        assert_eq!(held, [7; 100]);
        drop(client);
        server.prefetch();
        let left = std::iter::from_fn(|| server.receiver().recv_deadline(soon()).map(drop).ok());
        assert!(left.count() > 10);
        server.prefetch();
        assert_eq!(
            server.receiver().try_recv().map(drop),
            Err(RecvError::Closed)
        );
    }
}
