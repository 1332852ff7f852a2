//! A thousand clients that do nothing: no CPU, no wake, and what each one holds.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::{Event, Poller, Wait};

use crate::process::{alone, fork, holdings};
use crate::server::{Client, Seen, ask, path, serve, smallest, soon};

const LIMIT: Duration = Duration::from_secs(300);
/// What is promised for one idle connection.
const DESCRIPTORS: usize = 4;
const BYTES: usize = 24 << 10;
/// In hundredths: of two segments two of the file each, and the guards between neighbours; and a sixteenth, of the page of private words.
const MAPPINGS: usize = 620;

/// A thousand, or as many as two processes may have on a host with a low hard limit.
fn crowd() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let most = usize::try_from(hard).unwrap_or(usize::MAX);
    let crowd = (most.saturating_sub(100) / DESCRIPTORS).min(1000);
    assert!(crowd >= 200, "the hard limit of descriptors is {most}");
    crowd
}

/// Sets the soft limit to what most systems have, for this process and its children.
fn usual_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(1024), hard).unwrap();
}

/// CPU time that this thread has used.
fn cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

/// Bytes of private memory that this process has in use.
fn private() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes << 10
}

/// Bytes of the memory files that this process has made and still has mapped: each by its first mapping, the one that it may write.
fn own_segments() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let segments = maps.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (range, mode, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let is_own = mode == "rw-s" && offset == "00000000" && line.contains("memfd:ringway ");
        let (from, to) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        is_own.then(|| address(to) - address(from))
    });
    segments.sum()
}

/// Mappings of this process.
fn mappings() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().count()
}

#[test]
fn a_thousand_idle_clients_cost_no_cpu_and_little_else() {
    alone(
        "idle::a_thousand_idle_clients_cost_no_cpu_and_little_else",
        LIMIT,
        || {
            let crowd = crowd();
            usual_limit();
            let name = path("idle");
            let config = smallest().wait(Wait::Adaptive).raise_descriptor_limit(true);
            let mut poller = Poller::new().unwrap();
            poller
                .listen(config.bind(name.as_path()).unwrap(), Client::new)
                .unwrap();
            let mut peers = fork(|| {
                let mut clients = Poller::new().unwrap();
                let tokens: Vec<_> = (0..crowd)
                    .map(|_| {
                        let mut connection = config.connect(name.as_path()).unwrap();
                        ask(&mut connection, 1);
                        clients.add(connection).unwrap()
                    })
                    .collect();
                // Until the server has counted.
                match clients.event_deadline(soon()).unwrap() {
                    Some(Event::Ready(mut turn)) => {
                        assert_eq!(turn.receiver().recv().unwrap().to_vec(), b"done");
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(tokens.len(), crowd);
            });
            let mut seen = Seen::default();
            // What a process has once, and what grows in steps, is there after the first few.
            serve(&mut poller, &mut seen, |seen| seen.connected == 50);
            let before = (holdings().0, private(), own_segments(), mappings());
            // Each asks once: behind the last answer nothing comes any more.
            serve(&mut poller, &mut seen, |seen| seen.answered == crowd as u64);
            assert_eq!(seen.connected, crowd);
            let late = soon();
            let mut quiet = Instant::now() + Duration::from_millis(500);
            loop {
                while let Some(event) = poller.event_deadline(quiet).unwrap() {
                    match event {
                        Event::Ready(turn) => assert_eq!(crate::server::answer(turn), 0),
                        other => panic!("{other:?}"),
                    }
                }
                if poller.hot() == 0 {
                    break;
                }
                assert!(Instant::now() < late, "{} stay awake", poller.hot());
                quiet = Instant::now() + Duration::from_millis(20);
            }

            let mut half_a_second = || {
                let (cpu_before, wakes) = (cpu(), poller.wakes());
                let until = Instant::now() + Duration::from_millis(500);
                assert!(poller.event_deadline(until).unwrap().is_none());
                let used = cpu().checked_sub(cpu_before).unwrap();
                (used, poller.wakes() - wakes)
            };
            // Again where this thread stood still until the moment was over, and did not sleep. A processor that a host took away may count as used: one that looks all the time has used it each time.
            let slept = (0..100).map(|_| half_a_second()).filter(|some| some.1 > 0);
            let idle = slept
                .take(5)
                .find(|some| some.0 < Duration::from_millis(25));
            let (used, wakes) = idle.expect("a sleep that takes less than 25 ms of half a second");
            assert_eq!(wakes, 1, "only the deadline ended the sleep");

            let count = crowd - 50;
            let descriptors = holdings().0 - before.0;
            let segments = own_segments() - before.2;
            let private = private().saturating_sub(before.1);
            let mappings = (mappings() - before.3) * 100 / count;
            println!(
                "{count} idle connections: {} descriptors, {} bytes of segments and {} of private memory each, {mappings} hundredths of a mapping; {used:?} of CPU in 500 ms",
                descriptors / count,
                segments / count,
                private / count
            );
            assert!(
                descriptors <= count * DESCRIPTORS,
                "{descriptors} descriptors"
            );
            assert_eq!(
                segments / count,
                8192,
                "a control area and the smallest ring"
            );
            assert!(
                segments + private <= count * BYTES,
                "{segments} and {private} bytes"
            );

            assert!(mappings <= MAPPINGS, "{mappings} hundredths of a mapping");

            let token = poller.tokens().next().unwrap();
            poller
                .get_mut(token)
                .unwrap()
                .connection
                .sender()
                .send(b"done")
                .unwrap();
            serve(&mut poller, &mut seen, |seen| seen.ended.len() == crowd);
            assert_eq!(peers.reap(), 0);
        },
    );
}
