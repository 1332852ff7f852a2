//! A peer that is killed while it copies a large frame in, which the survivor copies out at the same time: that frame was never sent. One that is stopped there has not sent it yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::{Frames, Page, Random, alone, die_after, fork};
use crate::{COMMITTED, path, soon, with_child_by};
use ringway::{Config, RecvError, Wait};

const MOST: usize = 1 << 20;

/// Bytes behind the head that `Frames` writes, so that every frame is a large one.
const MORE: usize = 100_000;

/// The next frame, with `MORE` bytes that follow from its number.
fn next(frames: &mut Frames, frame: &mut Vec<u8>) {
    frames.next(frame);
    let sequence = frames.sequence;
    frame.extend((0..MORE).map(|place| (place as u64 ^ sequence) as u8));
}

#[test]
fn killed_in_the_middle_of_a_large_frame() {
    alone(
        "large::killed_in_the_middle_of_a_large_frame",
        Duration::from_secs(300),
        || {
            let (page, path) = (Page::new(), path("large"));
            let limits = Config::new()
                .handshake_timeout(Duration::from_secs(20))
                .capacity(2 * MOST)
                .peer_capacity(2 * MOST);
            let mut listener = limits.clone().bind(path.as_path()).unwrap();
            let rounds = std::env::var("RINGWAY_KILLS").map_or(2_000, |text| text.parse().unwrap());
            for seed in 0..(rounds / 10u64).max(20) {
                let mut random = Random::new(seed);
                let wait = [Wait::Adaptive, Wait::Park, Wait::Spin][random.below(3) as usize];
                let config = limits.clone().wait(wait);
                let delay = Duration::from_nanos(random.below(6_000_000));
                page.set(COMMITTED, 0);
                let mut child = fork(|| {
                    let mut connection = config.connect(path.as_path()).unwrap();
                    die_after(delay);
                    let mut frames = Frames::new(seed, MOST / 4);
                    let mut frame = Vec::new();
                    loop {
                        next(&mut frames, &mut frame);
                        connection.sender().send(&frame).unwrap();
                        page.set(COMMITTED, frames.sequence);
                    }
                });
                let mut connection = listener.accept_deadline(soon()).unwrap();
                let receiver = connection.receiver();
                let mut frames = Frames::new(seed, MOST / 4);
                let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
                let mut received = 0;
                let ended = loop {
                    match receiver.recv_into_deadline(&mut buffer, soon()) {
                        Ok(length) => {
                            next(&mut frames, &mut frame);
                            assert!(buffer[..length] == frame, "frame {received} of seed {seed}");
                            received += 1;
                        }
                        Err(error) => break error,
                    }
                };
                assert_eq!(ended, RecvError::PeerDied, "seed {seed}");
                child.reap_killed();
                let committed = page.get(COMMITTED);
                assert!(
                    (committed..=committed + 1).contains(&received),
                    "{committed} committed, {received} arrived, seed {seed}"
                );
            }
        },
    );
}

/// Pages that may not be read before the process has stood still: where, and how many bytes.
static BARRED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

extern "C" fn stop_here(_signal: libc::c_int) {
    let [at, length] = [&BARRED[0], &BARRED[1]].map(|word| word.load(Ordering::Relaxed));
    let pages = std::ptr::with_exposed_provenance_mut(at);
    // SAFETY: the pages are a mapping of this process, which lives as long as it; all three calls may be made by a handler.
    unsafe {
        if libc::mprotect(pages, length, libc::PROT_READ) != 0 {
            libc::_exit(102);
        }
        libc::raise(libc::SIGSTOP);
    }
}

/// So many bytes of which the second half cannot be read: who copies them is stopped half way, and has them all when it goes on.
fn barred(length: usize) -> &'static [u8] {
    let mut bytes = std::ptr::null_mut();
    // SAFETY: a fresh mapping that is never unmapped, of which the second half is barred once it is written; `stop_here` is a handler of one argument.
    unsafe {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        bytes = libc::mmap(bytes, length, rights, kind, -1, 0);
        assert_ne!(bytes, libc::MAP_FAILED);
        for place in 0..length {
            bytes.cast::<u8>().add(place).write(pattern(place));
        }
        let half = bytes.add(length / 2);
        BARRED[0].store(half.expose_provenance(), Ordering::Relaxed);
        BARRED[1].store(length / 2, Ordering::Relaxed);
        assert_eq!(libc::mprotect(half, length / 2, libc::PROT_NONE), 0);
        let handler = stop_here as extern "C" fn(libc::c_int);
        libc::signal(libc::SIGSEGV, handler as libc::sighandler_t);
        std::slice::from_raw_parts(bytes.cast(), length)
    }
}

fn pattern(place: usize) -> u8 {
    (place ^ (place >> 9)) as u8
}

/// Half of the frame lies in the ring, and may be with its receiver already.
#[test]
fn stopped_in_the_middle_of_a_large_frame() {
    let name = "large::stopped_in_the_middle_of_a_large_frame";
    alone(name, Duration::from_secs(120), || {
        let ways = [Wait::Spin, Wait::Adaptive, Wait::Park];
        for (wait, killed) in ways
            .into_iter()
            .flat_map(|wait| [(wait, false), (wait, true)])
        {
            let case = format!("{wait:?}, killed: {killed}");
            let config = Config::new()
                .wait(wait)
                .handshake_timeout(Duration::from_secs(20))
                .capacity(2 * MOST)
                .peer_capacity(2 * MOST);
            let (mut ours, mut child) = with_child_by(&config, "large-stopped", |mut theirs| {
                let sender = theirs.sender();
                sender.send(b"before").unwrap();
                sender.send(barred(MOST)).unwrap();
                sender.send(b"behind").unwrap();
            });
            let (sender, receiver) = ours.halves();
            let mut buffer = vec![0; 2 * MOST];
            assert_eq!(receiver.recv_into_deadline(&mut buffer, soon()), Ok(6));
            child.until_it_stops();
            let shortly = Instant::now() + Duration::from_millis(50);
            let end = receiver.recv_into_deadline(&mut buffer, shortly);
            assert_eq!(end, Err(RecvError::TimedOut), "{case}");
            let nothing = receiver.try_recv_into(&mut buffer);
            assert_eq!(nothing, Err(RecvError::Empty), "{case}");
            assert_eq!(
                receiver.try_recv().map(drop),
                Err(RecvError::Empty),
                "{case}"
            );
            assert_eq!(sender.check(), Ok(()), "{case}");
            if killed {
                child.signal(libc::SIGKILL);
                child.reap_killed();
                let end = receiver.recv_into_deadline(&mut buffer, soon());
                assert_eq!(end, Err(RecvError::PeerDied), "{case}");
                continue;
            }
            child.signal(libc::SIGCONT);
            let length = receiver.recv_into_deadline(&mut buffer, soon());
            assert_eq!(length, Ok(MOST), "{case}");
            let places = buffer[..MOST].iter().enumerate();
            assert!(
                places
                    .into_iter()
                    .all(|(place, byte)| *byte == pattern(place))
            );
            assert_eq!(receiver.recv_into_deadline(&mut buffer, soon()), Ok(6));
            assert_eq!(&buffer[..6], b"behind");
            assert_eq!(child.reap(), 0, "{case}");
        }
    });
}
