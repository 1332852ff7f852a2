//! A scripted client, written from docs/PROTOCOL.md and not from the library, that lies in the handshake and in every word of
//! its segment. The server answers each lie with an error that names it, and serves the next client.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway::{Connection, ErrorKind, Listener, RecvError, SendError, Violation};

const CAPACITY: usize = 4096;
const SEALS: i32 =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-hostile-{name}-{}", std::process::id()))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// A message with its prefix.
fn message(kind: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    put(&mut bytes, 0, *b"RINGWAY\0");
    put(&mut bytes, 8, kind.to_le_bytes());
    put(&mut bytes, 12, u32::try_from(length).unwrap().to_le_bytes());
    bytes
}

fn hello() -> Vec<u8> {
    let mut bytes = message(1, 256);
    put(&mut bytes, 16, 1u16.to_le_bytes());
    put(&mut bytes, 18, 1u16.to_le_bytes());
    put(&mut bytes, 22, 1u16.to_le_bytes());
    for at in [40, 48, 56] {
        put(&mut bytes, at, (CAPACITY as u64).to_le_bytes());
    }
    bytes
}

fn attach() -> Vec<u8> {
    let mut bytes = message(3, 128);
    put(&mut bytes, 16, (4096 + CAPACITY as u64).to_le_bytes());
    put(&mut bytes, 24, 4096u64.to_le_bytes());
    put(&mut bytes, 32, (CAPACITY as u64).to_le_bytes());
    put(&mut bytes, 48, 512u32.to_le_bytes());
    put(&mut bytes, 52, 8u32.to_le_bytes());
    put(&mut bytes, 60, 1u32.to_le_bytes());
    bytes
}

/// The client's segment, mapped writable before it is sealed.
struct Segment {
    fd: OwnedFd,
    base: *mut u8,
    bytes: usize,
}

impl Segment {
    fn new(bytes: usize, allocate: bool, seals: i32) -> Self {
        // SAFETY: plain system calls on a descriptor and a mapping of our own; each result is checked.
        unsafe {
            let raw = libc::memfd_create(
                c"hostile".as_ptr(),
                libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
            );
            assert!(raw >= 0);
            let fd = OwnedFd::from_raw_fd(raw);
            let length = libc::off_t::try_from(bytes).unwrap();
            assert_eq!(libc::ftruncate(raw, length), 0);
            if allocate {
                assert_eq!(libc::fallocate(raw, 0, 0, length), 0);
            }
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let base = libc::mmap(
                std::ptr::null_mut(),
                bytes,
                access,
                libc::MAP_SHARED,
                raw,
                0,
            );
            assert_ne!(base, libc::MAP_FAILED);
            assert_eq!(libc::fcntl(raw, libc::F_ADD_SEALS, seals), 0);
            Self {
                fd,
                base: base.cast(),
                bytes,
            }
        }
    }

    fn good() -> Self {
        Self::new(4096 + CAPACITY, true, SEALS)
    }

    /// Writes a word at `offset` of the segment.
    fn say(&self, offset: usize, word: u64) {
        assert!(offset + 8 <= self.bytes);
        // SAFETY: inside our own mapping; volatile, because another mapping of it is being read.
        unsafe { self.base.add(offset).cast::<u64>().write_volatile(word) };
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: our own mapping, not used again.
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}

fn dial(path: &Path) -> OwnedFd {
    // SAFETY: an all-zero address is valid and filled within its bounds; descriptors are checked.
    unsafe {
        let raw = libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0);
        assert!(raw >= 0);
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (slot, byte) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
            *slot = *byte as libc::c_char;
        }
        let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        assert_eq!(libc::connect(raw, (&raw const address).cast(), length), 0);
        OwnedFd::from_raw_fd(raw)
    }
}

fn say(line: &OwnedFd, bytes: &[u8], fds: &[RawFd]) {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = [0u64; 32];
    // SAFETY: the header points to `part`, `bytes` and `control`, which outlive the call; eight descriptors fit the control buffer.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if !fds.is_empty() {
            let size = size_of_val(fds) as u32;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = libc::CMSG_SPACE(size) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size) as _;
            std::ptr::copy_nonoverlapping(
                fds.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(first),
                size as usize,
            );
        }
        libc::sendmsg(line.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL);
    }
}

fn bell() -> OwnedFd {
    // SAFETY: the descriptor is checked and owned once.
    unsafe {
        let raw = libc::eventfd(0, libc::EFD_CLOEXEC);
        assert!(raw >= 0);
        OwnedFd::from_raw_fd(raw)
    }
}

/// Serves until one client is refused or gets in.
fn outcome(listener: &mut Listener) -> Result<Connection, ErrorKind> {
    let before = listener.refusals();
    let deadline = soon();
    while Instant::now() < deadline {
        if let Some(connection) = listener.try_accept().unwrap() {
            return Ok(connection);
        }
        if listener.refusals() > before {
            return Err(listener.last_refusal().unwrap().kind());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the listener did not come to an end");
}

/// An honest handshake: the victim, and the client's segment and socket.
fn victim(name: &str) -> (Connection, Segment, OwnedFd, [OwnedFd; 2]) {
    let path = path(name);
    let mut listener = Listener::bind(path.as_path()).unwrap();
    let line = dial(&path);
    say(&line, &hello(), &[]);
    let _ = listener.try_accept().unwrap();
    let segment = Segment::good();
    let bells = [bell(), bell()];
    say(
        &line,
        &attach(),
        &[
            segment.fd.as_raw_fd(),
            bells[0].as_raw_fd(),
            bells[1].as_raw_fd(),
        ],
    );
    (outcome(&mut listener).unwrap(), segment, line, bells)
}

#[test]
fn every_lie_in_hello_is_named() {
    let path = path("hello");
    let mut listener = Listener::bind(path.as_path()).unwrap();
    let lies: [(&str, usize, Vec<u8>, ErrorKind); 9] = [
        ("magic", 0, b"X".to_vec(), ErrorKind::Malformed),
        ("kind", 8, vec![9], ErrorKind::Malformed),
        ("length", 12, vec![1], ErrorKind::Malformed),
        ("too old", 16, vec![0, 0, 0, 0], ErrorKind::Version),
        ("too new", 16, vec![2, 0, 3, 0], ErrorKind::Version),
        ("role", 20, vec![1], ErrorKind::Feature),
        ("lanes", 22, vec![0, 0], ErrorKind::Malformed),
        ("feature", 32, vec![1], ErrorKind::Feature),
        ("capacity", 40, vec![0; 8], ErrorKind::Malformed),
    ];
    for (what, at, bytes, kind) in lies {
        let line = dial(&path);
        let mut lie = hello();
        lie[at..at + bytes.len()].copy_from_slice(&bytes);
        say(&line, &lie, &[]);
        assert_eq!(outcome(&mut listener).err(), Some(kind), "{what}");
    }
    for length in [0usize, 1, 16, 255, 257, 4096] {
        let line = dial(&path);
        say(&line, &vec![0xaa; length.max(1)], &[]);
        assert_eq!(
            outcome(&mut listener).err(),
            Some(ErrorKind::Malformed),
            "{length} bytes"
        );
    }
    let line = dial(&path);
    say(&line, &hello(), &[line.as_raw_fd()]);
    assert_eq!(outcome(&mut listener).err(), Some(ErrorKind::Descriptors));
}

#[test]
fn every_wrong_descriptor_is_named_and_nothing_leaks() {
    let path = path("attach");
    let mut listener = Listener::bind(path.as_path()).unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let null = std::fs::File::open("/dev/null").unwrap();
    let size = 4096 + CAPACITY;
    let segments = [
        (
            Segment::new(size, true, libc::F_SEAL_SHRINK),
            ErrorKind::Segment,
            "partly sealed",
        ),
        (Segment::new(size, true, 0), ErrorKind::Segment, "unsealed"),
        (
            Segment::new(size, false, SEALS),
            ErrorKind::Segment,
            "sparse",
        ),
        (
            Segment::new(4096, true, SEALS),
            ErrorKind::Segment,
            "shorter than announced",
        ),
        (
            Segment::new(2 * size, true, SEALS),
            ErrorKind::Segment,
            "longer than announced",
        ),
    ];
    let bells = [bell(), bell()];
    let (one, two) = (bells[0].as_raw_fd(), bells[1].as_raw_fd());
    let good = Segment::good();
    let fine = good.fd.as_raw_fd();
    let mut cases: Vec<(Vec<RawFd>, ErrorKind, &str)> = segments
        .iter()
        .map(|(segment, kind, what)| (vec![segment.fd.as_raw_fd(), one, two], *kind, *what))
        .collect();
    cases.push((
        vec![null.as_raw_fd(), one, two],
        ErrorKind::Segment,
        "no memory file",
    ));
    cases.push((
        vec![fine, null.as_raw_fd(), two],
        ErrorKind::Descriptors,
        "a bell that is no eventfd",
    ));
    cases.push((vec![], ErrorKind::Descriptors, "none"));
    cases.push((vec![fine], ErrorKind::Descriptors, "one"));
    cases.push((
        vec![fine, one, two, one],
        ErrorKind::Descriptors,
        "too many",
    ));
    cases.push((vec![fine; 60], ErrorKind::Descriptors, "far too many"));
    let before = open();
    for (fds, kind, what) in cases {
        let line = dial(&path);
        say(&line, &hello(), &[]);
        let _ = listener.try_accept().unwrap();
        // Sixty descriptors do not fit the small control buffer of `say`: send as many as do.
        say(&line, &attach(), &fds[..fds.len().min(8)]);
        assert_eq!(outcome(&mut listener).err(), Some(kind), "{what}");
    }
    // Refused descriptors are closed on another thread.
    let deadline = soon();
    while open() > before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(open(), before, "descriptors leak");
}

#[test]
fn every_lie_in_the_offer_is_named() {
    let path = path("offer");
    let mut listener = Listener::bind(path.as_path()).unwrap();
    // Each field of the offer in turn: size, ring offset, capacity, start, step, alignment, flags, lanes.
    for (at, value) in [
        (16, 1u64),
        (24, 0),
        (32, 8192),
        (32, 4095),
        (40, 4),
        (40, u64::MAX),
        (48, 0),
        (52, 3),
        (56, 2),
        (60, 0),
    ] {
        let line = dial(&path);
        say(&line, &hello(), &[]);
        let _ = listener.try_accept().unwrap();
        let segment = Segment::good();
        let bells = [bell(), bell()];
        let mut lie = attach();
        if at < 48 {
            put(&mut lie, at, value.to_le_bytes())
        } else {
            put(&mut lie, at, (value as u32).to_le_bytes())
        }
        say(
            &line,
            &lie,
            &[
                segment.fd.as_raw_fd(),
                bells[0].as_raw_fd(),
                bells[1].as_raw_fd(),
            ],
        );
        assert_eq!(
            outcome(&mut listener).err(),
            Some(ErrorKind::Geometry),
            "field at {at}"
        );
    }
}

#[test]
fn half_open_handshakes_keep_nobody_out() {
    let path = path("half-open");
    let mut listener = Listener::bind(path.as_path()).unwrap();
    let _silent: Vec<OwnedFd> = (0..40).map(|_| dial(&path)).collect();
    let honest = std::thread::spawn(move || ringway::connect(path).map(drop));
    listener.accept_deadline(soon()).unwrap();
    honest.join().unwrap().unwrap();
}

#[test]
fn every_lying_header_ends_the_connection_by_name() {
    let frame = |length: u64, flags: u64| length | flags << 48;
    let cases: [(u64, u64, fn(&Violation) -> bool); 6] = [
        (frame(4090, 1), 0, |v| {
            matches!(v, Violation::FrameTooLong { .. })
        }),
        (frame(u64::from(u32::MAX), 1), 0, |v| {
            matches!(v, Violation::FrameTooLong { .. })
        }),
        (frame(8, 0), 0, |v| {
            matches!(v, Violation::UnknownFlags { .. })
        }),
        (frame(8, 0x8001), 0, |v| {
            matches!(v, Violation::UnknownFlags { .. })
        }),
        (frame(8, 3), 0, |v| matches!(v, Violation::PadWithoutFrame)),
        (frame(8, 3), frame(8, 3), |v| {
            matches!(v, Violation::PadWithoutFrame)
        }),
    ];
    for (index, (first, second, expected)) in cases.into_iter().enumerate() {
        let (mut server, segment, _line, _bells) = victim(&format!("header{index}"));
        segment.say(4096 + 16, second);
        segment.say(4096, first);
        match server.receiver().recv_deadline(soon()).map(drop) {
            Err(RecvError::Protocol(violation)) => assert!(expected(&violation), "{violation}"),
            other => panic!("case {index}: {other:?}"),
        }
    }
}

#[test]
fn a_lying_released_position_ends_the_connection_by_name() {
    for (index, lie) in [8u64, 1, u64::MAX, 1 << 63].into_iter().enumerate() {
        let (mut server, segment, _line, _bells) = victim(&format!("released{index}"));
        segment.say(0x600, lie | 1 << 40);
        let mut last = Ok(());
        while last.is_ok() {
            last = server.sender().send_deadline(&[1; 100], soon());
        }
        assert!(
            matches!(
                last,
                Err(SendError::Protocol(Violation::ReleasedOutOfRange { .. }))
            ),
            "{last:?}"
        );
    }
}

#[test]
fn a_peer_that_never_reads_costs_a_deadline_and_a_random_one_costs_an_error() {
    let (mut server, segment, _line, bells) = victim("never");
    for fd in &bells {
        // The bells that the client handed out, filled and blocking: ringing them must not block us.
        let full = (u64::MAX - 1).to_le_bytes();
        // SAFETY: eight readable bytes.
        assert_eq!(
            unsafe { libc::write(fd.as_raw_fd(), full.as_ptr().cast(), 8) },
            8
        );
    }
    segment.say(0x800, 1);
    let mut last = Ok(());
    while last.is_ok() {
        last = server
            .sender()
            .send_deadline(&[1; 100], Instant::now() + Duration::from_millis(20));
    }
    assert_eq!(last, Err(SendError::TimedOut));

    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..100 {
        let (mut server, segment, _line, _bells) = victim("random");
        for _ in 0..200 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let offset = (random >> 32) as usize % (4096 + CAPACITY) & !7;
            segment.say(
                offset,
                if random & 1 == 0 {
                    random
                } else {
                    random & 0x0003_ffff_0000_0fff
                },
            );
            match server.receiver().try_recv() {
                Ok(frame) => assert!(frame.to_vec().len() < CAPACITY),
                Err(RecvError::Empty | RecvError::Protocol(_) | RecvError::Closed) => {}
                Err(other) => panic!("round {round}: {other:?}"),
            }
            match server.sender().try_send(&[7; 64]) {
                Ok(()) | Err(SendError::Full | SendError::Protocol(_) | SendError::Closed) => {}
                Err(other) => panic!("round {round}: {other:?}"),
            }
        }
    }
}
