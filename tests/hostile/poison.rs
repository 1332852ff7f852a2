//! Descriptors whose release takes as long as their sender likes: nobody else waits for it.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::peer::{self, Watchdog, eventfd, soon};

const LINGER: i32 = 40;
/// Nobody else waits so long.
const LIMIT: Duration = Duration::from_secs(20);

/// Sends descriptors, which the kernel has to take: otherwise nothing would wait for anybody.
fn give(line: &OwnedFd, descriptors: &[RawFd]) {
    assert!(peer::send(line, b"no Hello", descriptors));
}

/// Without this the other tests here could not fail.
#[test]
fn the_last_close_of_poison_takes_its_time() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("poison, closed here");
    let (stream, _peer) = poison(1);
    let began = Instant::now();
    drop(stream);
    assert!(began.elapsed() > Duration::from_millis(500));
}

fn set<T>(fd: &impl AsRawFd, option: libc::c_int, value: &T) {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap();
    // SAFETY: `value` is valid for reads of `length` bytes.
    let set = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    assert_eq!(set, 0);
}

/// A connection with bytes that nobody reads: its last close takes so many seconds.
fn poison(seconds: i32) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set(&listener, libc::SO_RCVBUF, &2304i32);
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.write(&[0; 4096]).is_ok() {}
    stream.set_nonblocking(false).unwrap();
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: seconds,
    };
    set(&stream, libc::SO_LINGER, &linger);
    (stream, peer)
}

/// The most descriptors that one message carries (`SCM_MAX_FD`).
const MOST: usize = 253;

#[test]
fn a_client_that_attaches_poison_delays_nobody() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("poison");
    let mut listener = peer::patient().bind(peer::path("poison")).unwrap();
    let path = listener.path().to_path_buf();
    let filler = eventfd();
    for (messages, descriptors) in [(1, 1), (1, MOST), (3, 60)] {
        let (stream, _peer) = poison(LINGER);
        let line = peer::dial(&path).unwrap();
        let mut attached: Vec<RawFd> = vec![filler.as_raw_fd(); descriptors];
        attached[descriptors - 1] = stream.as_raw_fd();
        for _ in 0..messages {
            give(&line, &attached);
        }
        drop(stream);
        let began = Instant::now();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| peer::patient().connect(path.as_path()).unwrap());
            listener.accept_deadline(soon()).unwrap();
            client.join().unwrap();
        });
        let took = began.elapsed();
        assert!(
            took < LIMIT,
            "{messages} messages of {descriptors} descriptors: {took:?}"
        );
    }
}

/// Opens files until no place is left in the table of descriptors.
fn fill_table() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

/// Lowers the limit of open descriptors while it lives.
struct Limit {
    /// The soft one before, and the hard one.
    before: (u64, u64),
}

impl Limit {
    fn of(soft: u64) -> Self {
        let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft, before.1).unwrap();
        Self { before }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, self.before.0, self.before.1);
    }
}

#[test]
fn a_listener_without_a_place_for_what_is_sent_is_not_delayed() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("poison, full table");
    let mut listener = peer::patient().bind(peer::path("poison-full")).unwrap();
    let path = listener.path().to_path_buf();
    let filler = eventfd();
    let (stream, _peer) = poison(LINGER);
    let line = peer::dial(&path).unwrap();
    let attached = [filler.as_raw_fd(), stream.as_raw_fd()];
    for _ in 0..50 {
        give(&line, &attached);
    }
    drop(stream);
    let _limit = Limit::of(300);
    let mut held = fill_table();
    // One place, for the client's socket: nothing of what it has sent finds one.
    held.pop();
    let began = Instant::now();
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!(listener.refusals(), 1, "{:?}", listener.last_refusal());
    drop(held);
    drop(listener);
    let took = began.elapsed();
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn a_listener_is_dropped_at_once_whatever_waits_at_its_door() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("poison, unaccepted");
    let listener = peer::patient().bind(peer::path("poison-door")).unwrap();
    let (stream, _peer) = poison(LINGER);
    let lines: Vec<_> = (0..3)
        .map(|_| {
            let line = peer::dial(listener.path()).unwrap();
            give(&line, &[stream.as_raw_fd()]);
            line
        })
        .collect();
    drop(stream);
    let began = Instant::now();
    drop(listener);
    let took = began.elapsed();
    assert!(took < LIMIT, "{took:?}");
    drop(lines);
}
