//! An observer sees counters and schemas of a process that listens, is no peer of it, and costs its clients nothing.

mod record;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Config, ErrorKind, Listener, Observed};

use record::quote;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()))
}

/// Observes while the listener is looked after; no connection comes of it.
fn observed(listener: &mut Listener) -> Observed {
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let observer = scope.spawn(|| Config::new().observe(path));
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
    let server = Config::new().sends(sends.clone()).expects(expects.clone());
    let client = Config::new().sends(expects.clone());
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
    }
    assert_eq!(listener.refusals(), 0);
    drop((sender, receiver));
    let mut ends = observed.counters().connections().unwrap();
    ends.retain(|end| end.name == path.to_string_lossy());
    assert_eq!(ends, []);
}

#[test]
fn a_listener_without_schemas_is_observed_too_and_one_that_is_not_there_is_not_found() {
    let mut listener = Listener::bind(path("plain").as_path()).unwrap();
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
