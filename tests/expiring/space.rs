//! Two processes in different time namespaces, whose clocks differ by a thousand seconds.

use std::io;
use std::time::{Duration, Instant};

use ringway::{Config, ErrorKind, RecvError, SendError};

use crate::process::{Page, alone, fork};

const READY: usize = 0;
const GO: usize = 1;

/// Moves children of this process that are forked from now on into a time namespace of their own.
fn unshare(seconds: i64) -> io::Result<()> {
    const CLONE_NEWTIME: i32 = 0x80;
    // SAFETY: no memory is passed.
    let mut made = unsafe { libc::unshare(CLONE_NEWTIME) };
    if made != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM) {
        // SAFETY: no memory is passed.
        let (uid, also_users) = unsafe { (libc::geteuid(), libc::CLONE_NEWUSER) };
        // SAFETY: as above.
        made = unsafe { libc::unshare(also_users | CLONE_NEWTIME) };
        if made == 0 {
            // Who has no uid there can tell nobody's own server from others.
            std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        }
    }
    if made != 0 {
        return Err(io::Error::last_os_error());
    }
    std::fs::write(
        "/proc/self/timens_offsets",
        format!("monotonic {seconds} 0"),
    )
}

fn monotonic() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec
}

/// The offsets that can be had here: a clock cannot be negative. Empty, and told why, where there are no namespaces to be had.
fn offsets() -> Vec<i64> {
    let wanted = [1000, -1000.max(-(monotonic() - 10))];
    let page = Page::new();
    let mut trial = fork(|| {
        if let Err(error) = unshare(7) {
            println!("SKIPPED: no time namespace can be made here: {error}");
            page.set(READY, 1);
        }
    });
    assert_eq!(trial.reap(), 0);
    if page.get(READY) == 1 {
        return Vec::new();
    }
    println!("offsets {wanted:?} s");
    wanted.to_vec()
}

/// Runs `body` in a process in another time namespace.
fn elsewhere(seconds: i64, body: impl FnOnce()) -> crate::process::Child {
    let here = monotonic();
    fork(move || {
        unshare(seconds).unwrap();
        let mut inside = fork(|| {
            let ahead = monotonic() - here;
            assert!((seconds..seconds + 30).contains(&ahead), "{ahead} s ahead");
            body();
        });
        assert_eq!(inside.reap(), 0);
    })
}

/// No side is refused because its processor was somebody else's for a while.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("ringway-space-{name}-{}", std::process::id()))
}

/// A frame that is good for a minute arrives, one that was good for milliseconds is dropped, in both directions, and both sides read the same moment.
#[test]
fn moments_are_the_same_in_other_time_namespaces() {
    alone(
        "space::moments_are_the_same_in_other_time_namespaces",
        Duration::from_secs(60),
        || {
            for seconds in offsets() {
                let path = path(&format!("moments{seconds}"));
                let config = patient().drop_expired(true);
                // Which sides have sent.
                let page = Page::new();
                let exchange = |connection: ringway::Connection, own: usize| {
                    let (mut sender, mut receiver) = connection.split();
                    let minute = Instant::now() + Duration::from_secs(60);
                    let expires = Instant::now() + Duration::from_millis(30);
                    let sent = sender.send_expiring(b"stale", expires).is_ok();
                    sender.send_expiring(&[u8::from(sent)], minute).unwrap();
                    page.set(own, 1);
                    page.until(1 - own, 1);
                    std::thread::sleep(Duration::from_millis(60));
                    let frame = receiver.recv().unwrap();
                    let left = frame.expires().unwrap() - Instant::now();
                    assert!(
                        left > Duration::from_secs(20) && left < Duration::from_secs(60),
                        "{left:?} of a minute are left"
                    );
                    let told = frame.to_vec();
                    drop(frame);
                    assert_eq!(receiver.expired(), u64::from(told[0]));
                    // Until the other is done too.
                    sender.send(b"done").unwrap();
                    assert_eq!(receiver.recv().unwrap().to_vec(), b"done");
                };
                let mut listener = config.bind(path.as_path()).unwrap();
                let mut child = elsewhere(seconds, || {
                    exchange(config.connect(path.as_path()).unwrap(), 0);
                });
                let soon = Instant::now() + Duration::from_secs(20);
                exchange(listener.accept_deadline(soon).unwrap(), 1);
                assert_eq!(child.reap(), 0, "{seconds} s");
                page.unmap();
                println!("{seconds} s: judged rightly");
            }
        },
    );
}

/// A process that has unshared its time namespace stays in the old one, and cannot know by how much that is off.
#[test]
fn who_has_unshared_its_time_namespace_is_told_so() {
    alone(
        "space::who_has_unshared_its_time_namespace_is_told_so",
        Duration::from_secs(60),
        || {
            let Some(seconds) = offsets().first().copied() else {
                return;
            };
            let path = path("unshared");
            let page = Page::new();
            let mut listener = patient().bind(path.as_path()).unwrap();
            let mut child = fork(|| {
                let connection = patient().connect(path.as_path()).unwrap();
                let (mut sender, mut receiver) = connection.split();
                unshare(seconds).unwrap();
                let minute = Instant::now() + Duration::from_secs(60);
                assert_eq!(sender.send_expiring(b"?", minute), Err(SendError::Clock));
                let error = receiver.drop_expired(true).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Clock);
                assert!(
                    error.to_string().contains("unshared its time namespace"),
                    "{error}"
                );
                let refused = Config::new().drop_expired(true).connect(path.as_path());
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::Clock);
                // What has nothing to do with clocks goes on; when a frame expires is not known.
                page.set(GO, 1);
                let frame = receiver.recv().unwrap();
                assert_eq!((frame.expires(), frame.len()), (None, 5));
                drop(frame);
                sender.send(b"plain").unwrap();
            });
            let soon = Instant::now() + Duration::from_secs(20);
            let mut ours = listener.accept_deadline(soon).unwrap();
            page.until(GO, 1);
            let minute = Instant::now() + Duration::from_secs(60);
            ours.sender().send_expiring(b"frame", minute).unwrap();
            assert_eq!(ours.receiver().recv().unwrap().to_vec(), b"plain");
            assert_eq!(ours.receiver().recv().map(drop), Err(RecvError::Closed));
            assert_eq!(child.reap(), 0);
        },
    );
}
