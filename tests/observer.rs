//! An observer sees counters and schemas of a process that listens, is no peer of it, and costs its clients nothing.

#[path = "crash/process.rs"]
mod process;
mod record;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Config, ErrorKind, Listener, Observed};

use process::{Page, alone, fork};
use record::quote;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()))
}

/// A handshake with a thread or process that may be stalled for seconds is waited for.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

/// Observes while the listener is looked after; no connection comes of it.
fn observed(listener: &mut Listener) -> Observed {
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let observer = scope.spawn(|| patient().observe(path));
        while !observer.is_finished() {
            assert!(listener.try_accept().unwrap().is_none(), "it is no peer");
            thread::sleep(Duration::from_millis(1));
        }
        observer.join().unwrap().unwrap()
    })
}

#[test]
fn an_observer_follows_the_counters_of_others() {
    let sends = quote(&[("price", 8)]);
    let expects = quote(&[("size", 8)]);
    let server = patient().sends(sends.clone()).expects(expects.clone());
    let client = patient().sends(expects.clone());
    let path = path("followed");
    let mut listener = server.bind(path.as_path()).unwrap();
    let (mut sender, mut receiver) = thread::scope(|scope| {
        let client = scope.spawn(|| client.connect(path.as_path()).unwrap().split().0);
        let server = listener.accept_deadline(soon()).unwrap().split().1;
        (client.join().unwrap(), server)
    });
    let observed = observed(&mut listener);
    assert_eq!(observed.sends(), Some(&sends));
    assert_eq!(observed.expects(), Some(&expects));
    assert_eq!(observed.codec(), 0);
    assert_eq!(observed.peer().pid, i32::try_from(std::process::id()).ok());
    // The same segment shows what happens later.
    for round in 1..=3 {
        sender.send(&[7; 8]).unwrap();
        drop(receiver.recv_deadline(soon()).unwrap());
        assert_eq!(sender.arm(8), Ok(Arm::Ready));
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        let mut ends = observed.counters().connections().unwrap();
        ends.retain(|end| end.name == path.to_string_lossy());
        assert_eq!(ends.len(), 2, "both ends live here");
        let sum = |count: fn(&ringway::ConnectionCounters) -> u64| -> u64 {
            ends.iter().map(count).sum()
        };
        assert_eq!(sum(|end| end.sends.frames), round);
        assert_eq!(sum(|end| end.receives.frames), round);
        assert_eq!(sum(|end| end.sends.bytes), 16 * round);
        assert_eq!(observed.connections().unwrap(), ends);
    }
    assert_eq!(listener.refusals(), 0);
    drop((sender, receiver));
    let mut ends = observed.counters().connections().unwrap();
    ends.retain(|end| end.name == path.to_string_lossy());
    assert_eq!(ends, []);
}

#[test]
fn a_listener_without_schemas_is_observed_too_and_one_that_is_not_there_is_not_found() {
    let mut listener: Listener = patient().bind(path("plain").as_path()).unwrap();
    let observed = observed(&mut listener);
    assert_eq!((observed.sends(), observed.expects()), (None, None));
    let error = Config::new().observe(path("nobody")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Nobody calls accept.
    let began = Instant::now();
    let patience = Duration::from_millis(50);
    let error = Config::new()
        .handshake_timeout(patience)
        .observe(listener.path())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= patience);
}

/// Its segment is memory that we have mapped: nobody takes it away, and nobody writes to it again.
#[test]
fn counters_of_a_killed_process_stand_still_and_are_a_lap_old_at_most() {
    let name = "counters_of_a_killed_process_stand_still_and_are_a_lap_old_at_most";
    alone(name, Duration::from_secs(60), || {
        const FRAMES: u64 = 1_000;
        const SENT: usize = 0;
        const READ: usize = 1;
        let (page, path) = (Page::new(), path("killed"));
        let config = patient().capacity(4096).peer_capacity(4096);
        let mut child = fork(|| {
            let mut listener = config.bind(path.as_path()).unwrap();
            let mut connection = listener.accept().unwrap();
            // For as long as the observer needs.
            while page.get(SENT) == 0 {
                assert!(listener.try_accept().unwrap().is_none());
            }
            let (sender, receiver) = connection.halves();
            for _ in 0..FRAMES {
                sender.send(&[0; 56]).unwrap();
                drop(receiver.recv().unwrap());
            }
            page.set(READ, 1);
            thread::sleep(Duration::from_secs(50));
        });
        let mut ours = loop {
            match config.connect(path.as_path()) {
                Ok(connection) => break connection,
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
        };
        let observed = patient().observe(path.as_path()).unwrap();
        page.set(SENT, 1);
        for _ in 0..FRAMES {
            drop(ours.receiver().recv_deadline(soon()).unwrap());
            ours.sender().send_deadline(&[0; 56], soon()).unwrap();
        }
        page.until(READ, 1);
        child.signal(libc::SIGKILL);
        child.reap_killed();
        std::fs::remove_file(&path).unwrap();
        let end = ours.receiver().recv_deadline(soon()).map(drop);
        assert_eq!(end, Err(ringway::RecvError::PeerDied));
        drop(ours);
        let before = observed.counters().connections().unwrap();
        let [one] = before.as_slice() else {
            panic!("its connection is shown as if it lived: {before:?}");
        };
        assert_eq!(one.peer_pid, Some(std::process::id()));
        let lap = 4096 / 64;
        let (sent, read) = (one.sends.frames, one.receives.frames);
        assert!((FRAMES - lap..=FRAMES).contains(&sent), "{sent} sent");
        assert!(
            (FRAMES - lap / 8..=FRAMES).contains(&read),
            "{read} received"
        );
        assert_eq!(observed.counters().connections().unwrap(), before);
    });
}
