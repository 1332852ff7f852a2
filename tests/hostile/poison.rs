//! Descriptors whose release takes as long as their sender likes: nobody else waits for it.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use ringway::{Config, Listener};

use crate::peer::{self, Watchdog, eventfd, soon};

const LINGER: Duration = Duration::from_secs(8);

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

/// A connection with bytes that nobody reads: its last close takes [`LINGER`].
fn poison() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set(&listener, libc::SO_RCVBUF, &2304i32);
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.write(&[0; 4096]).is_ok() {}
    stream.set_nonblocking(false).unwrap();
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: i32::try_from(LINGER.as_secs()).unwrap(),
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
    let mut listener = Listener::bind(peer::path("poison")).unwrap();
    let path = listener.path().to_path_buf();
    let filler = eventfd();
    for (messages, descriptors) in [(1, 1), (1, MOST), (3, 60)] {
        let (stream, _peer) = poison();
        let line = peer::dial(&path).unwrap();
        let mut attached: Vec<RawFd> = vec![filler.as_raw_fd(); descriptors];
        attached[descriptors - 1] = stream.as_raw_fd();
        for _ in 0..messages {
            peer::send(&line, b"no Hello", &attached);
        }
        drop(stream);
        let began = Instant::now();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| Config::new().connect(path.as_path()).unwrap());
            listener.accept_deadline(soon()).unwrap();
            client.join().unwrap();
        });
        let took = began.elapsed();
        assert!(
            took < LINGER / 2,
            "{messages} messages of {descriptors} descriptors: {took:?}"
        );
    }
}
