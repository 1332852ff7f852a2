//! What connections have done is counted exactly, in a segment that nobody else can write.

mod pair;

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringway::codec::{self, Codec};
use ringway::{Arm, Config, ConnectionCounters, Counters, RecvError, SendError, Wait};

use pair::soon;

/// The connections of a process are in one segment: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// The two ends of the connection of that name: the one that has sent most first.
fn ends(name: &str) -> Vec<ConnectionCounters> {
    let mut found = Counters::own().unwrap().connections().unwrap();
    found.retain(|connection| connection.name.contains(name));
    found.sort_by_key(|connection| std::cmp::Reverse(connection.sends.frames));
    found
}

#[test]
fn frames_bytes_and_groups_are_exact() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let config = Config::new().wait(Wait::Park);
    let (mut server, mut client) = pair::pair("exact", &config, &config);
    let (mut frames, mut bytes) = (0, 0);
    let mut buffer = [0; 300];
    for round in 0..10_000usize {
        let length = round % 300;
        client.sender().send(&buffer[..length]).unwrap();
        // One half of them by the length that is known, the others by any.
        if round % 2 == 0 {
            server.receiver().recv_into(&mut buffer[..length]).unwrap();
        } else {
            drop(server.receiver().recv().unwrap());
        }
        frames += 1;
        bytes += 8 + length.next_multiple_of(8) as u64;
    }
    for _ in 0..10 {
        let mut group = client.sender().group();
        for _ in 0..3 {
            group.send(&[1; 8]).unwrap();
            frames += 1;
            bytes += 16;
        }
        group.publish();
        for _ in 0..3 {
            drop(server.receiver().recv().unwrap());
        }
    }
    for _ in 0..5 {
        let mut reserved = client.sender().reserve(8).unwrap();
        reserved.copy_from_slice(&[2; 8]);
        reserved.commit();
        drop(server.receiver().recv().unwrap());
        frames += 1;
        bytes += 16;
    }
    // Whoever arms has time to tell.
    assert_eq!(client.sender().arm(8), Ok(Arm::Ready));
    assert_eq!(server.receiver().arm(), Ok(Arm::Armed));
    let ends = ends("ringway-exact-");
    let [client_end, server_end] = &ends[..] else {
        panic!("two ends live in this process: {ends:?}");
    };
    let (sent, received) = (client_end.sends, server_end.receives);
    assert_eq!((sent.frames, sent.bytes, sent.batches), (frames, bytes, 10));
    assert_eq!((received.frames, received.bytes), (frames, bytes));
    let releases = received.batches;
    assert!(
        releases >= bytes / (256 << 10) * 7,
        "an eighth each: {releases}"
    );
    assert!(sent.high_water > 0 && sent.high_water <= 256 << 10);
    assert!(received.high_water >= 32 << 10 && received.high_water <= 256 << 10);
    assert_eq!(
        (server_end.sends.frames, client_end.receives.frames),
        (0, 0)
    );
    for end in &ends {
        assert_eq!(end.peer_pid, Some(std::process::id()));
        // SAFETY: no preconditions.
        assert_eq!(end.peer_uid, unsafe { libc::geteuid() });
    }
    drop((server, client));
    assert_eq!(self::ends("ringway-exact-"), []);
}

#[test]
fn what_is_read_again_counts_once() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut server, mut client) = pair::pair("again", &Config::new(), &Config::new());
    (0..4).for_each(|_| client.sender().send(b"frame").unwrap());
    server.receiver().hold(true);
    (0..3).for_each(|_| drop(server.receiver().recv().unwrap()));
    assert_eq!(server.receiver().rewind(), 48);
    drop(server.receiver().recv().unwrap());
    server.receiver().release();
    drop(server.receiver().recv().unwrap());
    server.receiver().rewind();
    drop(server.receiver().recv().unwrap());
    assert_eq!(server.receiver().arm(), Ok(Arm::Ready));
    let received: u64 = ends("ringway-again-")
        .iter()
        .map(|end| end.receives.frames)
        .sum();
    assert_eq!(received, 2);
}

/// Where nothing is announced there is nothing to follow: who may sleep does, however large a frame its buffer has room for.
#[test]
fn who_waits_with_a_large_buffer_sleeps() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for wait in [Wait::Adaptive, Wait::Park] {
        let config = Config::new().wait(wait);
        let name = format!("large-buffer-{wait:?}");
        let (mut server, mut client) = pair::pair(&name, &config, &config);
        client.sender().send(b"first").unwrap();
        let mut buffer = vec![0; 1 << 19];
        server.receiver().recv_into(&mut buffer).unwrap();
        for sleeps in 1..4 {
            // A stall of the machine may take some of it, or all: then it waits again.
            let slept = (0..8).any(|_| {
                let late = Instant::now() + Duration::from_millis(500);
                let outcome = server.receiver().recv_into_deadline(&mut buffer, late);
                assert_eq!(outcome, Err(RecvError::TimedOut));
                // The client has not told yet that it has sent: neither comes first.
                let both = ends(&format!("ringway-{name}-"));
                both.iter().map(|end| end.receives.sleeps).max() >= Some(sleeps)
            });
            assert!(slept, "{wait:?}: not {sleeps} times");
        }
    }
}

#[test]
fn waits_sleeps_wakes_refusals_and_drops_are_counted() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let config = Config::new()
        .capacity(4096)
        .peer_capacity(4096)
        .wait(Wait::Park);
    let (mut server, mut client) = pair::pair("waits", &config, &config);
    thread::scope(|scope| {
        let reader = scope.spawn(|| drop(server.receiver().recv().unwrap()));
        // It has said that it sleeps before it counts that.
        let until = soon();
        while ends("ringway-waits-")
            .iter()
            .all(|end| end.receives.sleeps == 0)
        {
            assert!(Instant::now() < until, "the reader never sleeps");
            thread::sleep(Duration::from_millis(1));
        }
        client.sender().send(b"wake up").unwrap();
        reader.join().unwrap();
    });
    let asleep = ends("ringway-waits-");
    // The sender woke somebody, and had time to tell what it had sent.
    assert_eq!((asleep[0].sends.frames, asleep[0].sends.wakes), (1, 1));
    let receives = asleep[1].receives;
    assert_eq!((receives.waits, receives.sleeps), (1, 1));
    let mut sent = 1;
    loop {
        match client.sender().try_send(&[0; 100]) {
            Ok(()) => sent += 1,
            Err(SendError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(!client.sender().send_or_drop(&[0; 100]).unwrap());
    let late = Instant::now() + Duration::from_millis(5);
    assert_eq!(
        client.sender().send_deadline(&[0; 100], late),
        Err(SendError::TimedOut)
    );
    let full = ends("ringway-waits-")[0].sends;
    assert_eq!(full.frames, sent);
    assert_eq!(
        full.refused, 3,
        "the try, the drop, and the first look of the wait"
    );
    assert_eq!((full.dropped, full.waits), (1, 1));
    assert!(full.high_water > 2048 && full.high_water <= 4096);
    assert!(server.receiver().recv_deadline(soon()).is_ok());
}

/// Of one lane and of several, whose threads look by turns.
#[test]
fn a_wait_of_a_shared_sender_counts_once_however_often_it_looks() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for lanes in [1, 2] {
        let config = Config::new()
            .capacity(4096)
            .peer_capacity(4096)
            .lanes(lanes);
        let (_server, client) = pair::pair("shared-waits", &config, &config);
        let (sender, _receiver) = client.split();
        let shared = sender.shared();
        let sent = (0..100).take_while(|_| shared.try_send(&[0; 100]).is_ok());
        assert!(sent.count() < 100);
        let late = Instant::now() + Duration::from_millis(20);
        assert_eq!(
            shared.send_deadline(&[0; 100], late),
            Err(SendError::TimedOut)
        );
        assert_eq!(shared.try_send(&[0; 100]), Err(SendError::Full));
        let full = ends("ringway-shared-waits-")[0].sends;
        assert_eq!((full.refused, full.waits), (3, 1), "of {lanes}");
    }
}

/// A codec whose work takes a known time.
enum Slow {}

const TAKES: Duration = Duration::from_micros(200);

impl Codec<u64> for Slow {
    type Error = std::array::TryFromSliceError;

    fn encode(value: &u64, bytes: &mut Vec<u8>) -> Result<(), Self::Error> {
        thread::sleep(TAKES);
        bytes.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<u64, Self::Error> {
        thread::sleep(2 * TAKES);
        bytes.try_into().map(u64::from_le_bytes)
    }
}

#[test]
fn one_encoding_and_one_decoding_in_64_are_timed_where_that_is_asked_for() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for timing in [true, false] {
        let config = Config::new();
        let (server, client) = pair::pair("timed", &config, &config.clone().timing(timing));
        let (mut asks, mut answers) = codec::over::<Slow, u64, u64>(client).split();
        let (mut replies, mut asked) = codec::over::<Slow, u64, u64>(server).split();
        for number in 0..130 {
            asks.send(&number).unwrap();
            assert_eq!(asked.recv().unwrap(), number);
            replies.send(&number).unwrap();
            assert_eq!(answers.recv().unwrap(), number);
        }
        let all = ends("ringway-timed-");
        let codec = |pick: fn(&ConnectionCounters) -> u64| -> Vec<u64> {
            let mut found: Vec<u64> = all.iter().map(pick).collect();
            found.sort_unstable();
            found
        };
        // The server's end is never timed: nobody asked it to.
        let samples = if timing { 2 } else { 0 };
        assert_eq!(codec(|end| end.sends.codec_samples), [0, samples]);
        assert_eq!(codec(|end| end.receives.codec_samples), [0, samples]);
        let takes = TAKES.as_nanos() as u64 * samples;
        // Reading the clock is not counted, and taken off.
        let least = takes * 9 / 10;
        let (encode, decode) = (
            codec(|end| end.sends.codec_nanos)[1],
            codec(|end| end.receives.codec_nanos)[1],
        );
        assert!(encode >= least && decode >= 2 * least, "{encode} {decode}");
        assert_eq!(encode == 0, !timing);
    }
}

#[test]
fn a_child_times_nothing_for_its_parent() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let config = Config::new().timing(true);
    let (_server, client) = pair::pair("timed-fork", &config, &config);
    let mut sender = codec::over::<Slow, u64, u64>(client).split().0;
    // SAFETY: the child encodes in vain and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let sent = (0..64).any(|number| sender.send(&number).is_ok());
        // SAFETY: ends the child and runs nothing.
        unsafe { libc::_exit(i32::from(sent)) };
    }
    let mut status = 1;
    // SAFETY: `status` is valid for writes.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    let samples = ends("ringway-timed-fork-")
        .iter()
        .map(|end| end.sends.codec_samples)
        .sum::<u64>();
    assert_eq!(samples, 0);
}

#[test]
fn nobody_can_write_the_segment() {
    let counters = Counters::own().unwrap();
    let file = std::fs::File::from(counters.as_fd().try_clone_to_owned().unwrap());
    let refused = file.write_at(&[0xff; 8], 512).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
    assert!(file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
    let map = |protection| {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let mapped = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                4096,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        mapped != libc::MAP_FAILED
    };
    assert!(map(libc::PROT_READ));
    assert!(!map(libc::PROT_READ | libc::PROT_WRITE));
    assert_eq!(counters.uncounted().unwrap(), 0);
}

#[test]
fn a_child_of_a_fork_counts_for_itself() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (server, mut client) = pair::pair("forked", &Config::new(), &Config::new());
    client.sender().send(b"the parent's").unwrap();
    // SAFETY: the child drops what it has inherited, asks for its own counters and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop((server, client));
        let own =
            Counters::own().is_ok_and(|own| own.connections().is_ok_and(|all| all.is_empty()));
        // SAFETY: ends the child and runs nothing.
        unsafe { libc::_exit(i32::from(!own)) };
    }
    let mut status = 1;
    // SAFETY: `status` is valid for writes.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(client.sender().arm(1), Ok(Arm::Ready));
    let ends = ends("ringway-forked-");
    assert_eq!((ends.len(), ends[0].sends.frames), (2, 1));
}

/// What it has counted is told before it waits: nobody tells it while it does.
#[test]
fn who_waits_has_told_what_it_has_received() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (wait, name) in [(Wait::Park, "told-park"), (Wait::Spin, "told-spin")] {
        let config = Config::new().wait(wait);
        let (mut server, mut client) = pair::pair(name, &config, &config);
        let reader = thread::spawn(move || {
            for _ in 0..4 {
                server.receiver().recv().map(drop).unwrap();
            }
            server
        });
        for _ in 0..3 {
            client.sender().send(&[1; 8]).unwrap();
        }
        let end = soon();
        let told = || -> u64 {
            let ends = ends(&format!("ringway-{name}-"));
            ends.iter().map(|end| end.receives.frames).sum()
        };
        while told() < 3 && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        let before = told();
        client.sender().send(&[1; 8]).unwrap();
        drop(reader.join().unwrap());
        assert_eq!(before, 3, "{wait:?}");
    }
}

/// What a half has not told yet by its end it tells then, of every lane: its sibling goes on, and is seen.
#[test]
fn a_half_that_is_closed_has_told_all() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let config = Config::new().lanes(2);
    let (_server, client) = pair::pair("closed-half", &config, &config);
    let (mut sender, _receiver) = client.split();
    sender.send(b"one").unwrap();
    for _ in 0..3 {
        sender.at(1).unwrap().send(b"beside it").unwrap();
    }
    drop(sender);
    let told = ends("ringway-closed-half-");
    let each = |end: &ConnectionCounters| end.sends.by_priority.map(|lane| lane.frames);
    let told: Vec<_> = told
        .iter()
        .map(|end| (end.sends.frames, each(end)))
        .collect();
    let all = told.iter().find(|(frames, _)| *frames == 4).unwrap();
    assert_eq!(all.1[..2], [1, 3], "{told:?}");
}
