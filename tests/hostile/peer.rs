//! A peer that keeps no rule unless the script says so: written against the bytes of `docs/PROTOCOL.md`, with nothing of the
//! library in it.

#[path = "segment.rs"]
mod segment;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use segment::Segment;

/// Seals that a segment must have: shrink, grow, future write, seal.
pub(crate) const SEALS: i32 =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;
/// Bytes before the ring: one page.
pub(crate) const CONTROL: usize = 4096;
/// The ring of every script.
pub(crate) const RING: usize = 4096;
pub(crate) const RELEASED: usize = 0x600;
pub(crate) const RECEIVER_EPOCH: usize = 0x800;
pub(crate) const SENDER_EPOCH: usize = 0x880;

/// One test at a time: descriptors are counted per process.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    static WARM: Once = Once::new();
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    WARM.call_once(warm_up);
    guard
}

/// Ends the whole process if the guard is not dropped in time: a hang is a failure.
pub(crate) struct Watchdog(Option<mpsc::Sender<()>>);

impl Watchdog {
    pub(crate) fn new(name: &'static str) -> Self {
        let (alive, heard) = mpsc::channel::<()>();
        thread::spawn(move || {
            if heard.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{name} hangs");
                std::process::abort();
            }
        });
        Self(Some(alive))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-hostile-{name}-{}", std::process::id()))
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Rings a sleeping half a few times: the first ring of a process opens a descriptor that stays, and the tests that count
/// descriptors must not take it for a leak.
fn warm_up() {
    let at = path("warm-up");
    let config = ringway::Config::new().wait(ringway::Wait::Park);
    let mut listener = config.bind(at.as_path()).unwrap();
    let client = thread::spawn(move || config.connect(at.as_path()).unwrap());
    let mut server = listener.accept_deadline(soon()).unwrap();
    let mut client = client.join().unwrap();
    let sleeper = thread::spawn(move || {
        for _ in 0..5 {
            drop(server.receiver().recv_deadline(soon()).unwrap());
        }
    });
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(20));
        client.sender().send(b"wake").unwrap();
    }
    sleeper.join().unwrap();
}

/// Waits until no more descriptors are open than before: some are closed on another thread.
pub(crate) fn no_leak(before: usize) {
    let until = soon();
    while open_descriptors() > before {
        let open: Vec<_> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .map(|entry| std::fs::read_link(entry.path()))
            .collect();
        assert!(Instant::now() < until, "{before} were open: {open:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn owned(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the kernel has just returned `fd`, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn seqpacket() -> OwnedFd {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) })
}

fn address(path: &Path) -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all-zero bytes are a valid `sockaddr_un`.
    let mut address: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    (address, size_of::<libc::sockaddr_un>() as libc::socklen_t)
}

/// Connects without a word.
pub(crate) fn dial(path: &Path) -> io::Result<OwnedFd> {
    let line = seqpacket();
    let (address, length) = address(path);
    // SAFETY: `address` is valid for reads of `length` bytes.
    let done = unsafe { libc::connect(line.as_raw_fd(), (&raw const address).cast(), length) };
    if done == 0 {
        Ok(line)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Listens as a server would.
pub(crate) fn listen(path: &Path) -> OwnedFd {
    let line = seqpacket();
    let (address, length) = address(path);
    // SAFETY: `address` is valid for reads of `length` bytes.
    let bound = unsafe { libc::bind(line.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", io::Error::last_os_error());
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::listen(line.as_raw_fd(), 16) }, 0);
    line
}

pub(crate) fn accept(listener: &OwnedFd) -> OwnedFd {
    // SAFETY: null pointers are allowed where no address is wanted.
    owned(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            libc::SOCK_CLOEXEC,
        )
    })
}

#[repr(C, align(8))]
struct Control([u8; 1280]);

/// One message with descriptors. Errors are no business of a hostile peer.
pub(crate) fn send(line: &OwnedFd, bytes: &[u8], descriptors: &[RawFd]) {
    let _ = try_send(line, bytes, descriptors);
}

/// The same for who has to know.
pub(crate) fn try_send(line: &OwnedFd, bytes: &[u8], descriptors: &[RawFd]) -> io::Result<()> {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 1280]);
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let payload = size_of_val(descriptors) as u32;
    if payload > 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: arithmetic only.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(payload) } as _;
        assert!(message.msg_controllen as usize <= control.0.len());
        // SAFETY: the buffer is aligned and long enough for one header and `payload` bytes.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(payload) as _;
            core::ptr::copy_nonoverlapping(
                descriptors.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                payload as usize,
            );
        }
    }
    // SAFETY: all that `message` points to lives until the call returns.
    let sent = unsafe { libc::sendmsg(line.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether a descriptor is readable within so many milliseconds.
pub(crate) fn readable(fd: BorrowedFd<'_>, milliseconds: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `poll` is one valid entry.
    let answered = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
    assert!(answered >= 0, "{}", io::Error::last_os_error());
    answered == 1
}

/// Waits for an answer, for at most ten seconds.
pub(crate) fn wait_readable(line: &OwnedFd) {
    assert!(readable(line.as_fd(), 10_000), "no answer");
}

/// The next message and its descriptors; empty when the other end is closed. Waits for at most ten seconds.
pub(crate) fn receive(line: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
    wait_readable(line);
    let mut bytes = vec![0u8; 4096];
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 1280]);
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let mut take = || {
        // SAFETY: all that `message` points to lives until the call returns.
        unsafe { libc::recvmsg(line.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) }
    };
    let mut length = take();
    if length == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ECONNRESET) {
        // The other end left something of ours unread. The kernel says so once; what it had said comes next.
        length = take();
    }
    bytes.truncate(usize::try_from(length).unwrap_or(0));
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled the buffer; headers and their data lie inside it, and its descriptors are new.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_type == libc::SCM_RIGHTS {
                let count = ((*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize) / 4;
                for index in 0..count {
                    let data = libc::CMSG_DATA(header).cast::<RawFd>();
                    descriptors.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    (bytes, descriptors)
}

/// A message that a script changes byte by byte.
#[derive(Clone)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn new(kind: u32, length: usize) -> Self {
        let mut bytes = vec![0; length];
        bytes[..8].copy_from_slice(b"RINGWAY\0");
        Self(bytes).u32(8, kind).u32(12, length as u32)
    }

    pub(crate) fn u16(mut self, at: usize, value: u16) -> Self {
        self.0[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(crate) fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(crate) fn u64(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    /// An offer of so many lanes, in order.
    pub(crate) fn offer(self, at: usize, lanes: usize) -> Self {
        self.u64(at, (CONTROL + lanes * RING) as u64)
            .u64(at + 8, CONTROL as u64)
            .u64(at + 16, RING as u64)
            .u32(at + 32, RING as u32 / 8)
            .u32(at + 36, 8)
            .u32(at + 44, lanes as u32)
    }
}

/// A Hello that is in order.
pub(crate) fn hello() -> Message {
    Message::new(1, 256)
        .u16(16, 1)
        .u16(18, 1)
        .u16(22, 1)
        .u64(40, RING as u64)
        .u64(48, RING as u64)
        .u64(56, 1 << 20)
}

/// A Welcome that is in order.
pub(crate) fn welcome() -> Message {
    Message::new(2, 256)
        .u16(16, 1)
        .u16(18, 1)
        .u64(32, RING as u64)
        .offer(40, 1)
}

/// An Attach that is in order.
pub(crate) fn attach() -> Message {
    Message::new(3, 128).offer(16, 1)
}

pub(crate) fn ready() -> Message {
    Message::new(4, 64)
}

/// A Refuse with a reason and a text.
pub(crate) fn refuse(reason: u32, text: &str) -> Message {
    let mut message = Message::new(5, 256)
        .u32(16, reason)
        .u32(20, text.len() as u32);
    message.0[24..24 + text.len()].copy_from_slice(text.as_bytes());
    message
}

/// The text of a refusal.
pub(crate) fn refusal(bytes: &[u8]) -> String {
    reason(bytes).1
}

/// The number and the text of a refusal.
pub(crate) fn reason(bytes: &[u8]) -> (u32, String) {
    assert_eq!(bytes.get(8), Some(&5), "a Refuse was expected");
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let length = word(20) as usize;
    let text = String::from_utf8(bytes[24..24 + length].to_vec()).unwrap();
    (word(16), text)
}

/// A memory file of `size` bytes with some seals; every page allocated, or none.
pub(crate) fn memory(size: usize, seals: i32, allocated: bool) -> OwnedFd {
    // SAFETY: the name is NUL-terminated.
    let file = owned(unsafe {
        libc::memfd_create(
            c"hostile".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        )
    });
    let length = libc::off_t::try_from(size).unwrap();
    // SAFETY: no memory is passed.
    unsafe {
        assert_eq!(libc::ftruncate(file.as_raw_fd(), length), 0);
        if allocated {
            assert_eq!(libc::fallocate(file.as_raw_fd(), 0, 0, length), 0);
        }
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals), 0);
    }
    file
}

pub(crate) fn eventfd() -> OwnedFd {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// A pipe's two ends.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: `ends` is valid for writes.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    (owned(ends[0]), owned(ends[1]))
}

/// A hostile peer behind a good handshake.
pub(crate) struct Hostile {
    pub(crate) line: OwnedFd,
    pub(crate) own: Segment,
    /// The bells that the victim's receiver and sender wait for us with.
    pub(crate) theirs: Vec<OwnedFd>,
    /// Ours.
    pub(crate) bells: [OwnedFd; 2],
}

/// Connects and says Hello. Returns the line and the descriptors of the Welcome.
pub(crate) fn greet(path: &Path) -> (OwnedFd, Vec<OwnedFd>) {
    greet_for(path, 1)
}

/// The same, asking for so many lanes, which it must be given.
pub(crate) fn greet_for(path: &Path, lanes: usize) -> (OwnedFd, Vec<OwnedFd>) {
    let line = dial(path).unwrap();
    send(&line, &hello().u16(22, lanes as u16).0, &[]);
    let (answer, theirs) = receive(&line);
    assert_eq!(answer[8], 2, "a Welcome was expected");
    assert_eq!(usize::from(answer[18]), lanes);
    (line, theirs)
}

/// Shakes hands in order, as a client.
pub(crate) fn join(path: &Path) -> Hostile {
    join_for(path, 1)
}

/// The same with so many lanes.
pub(crate) fn join_for(path: &Path, lanes: usize) -> Hostile {
    join_from(path, lanes, 0)
}

/// The same with lanes that start at this position.
pub(crate) fn join_from(path: &Path, lanes: usize, start: u64) -> Hostile {
    let (line, theirs) = greet_for(path, lanes);
    let offer = attach().offer(16, lanes).u64(40, start);
    enter(line, theirs, Segment::new(lanes), &offer)
}

/// Shakes hands as a client that says this, and has this segment.
pub(crate) fn join_as(path: &Path, hello: &Message, attach: &Message, own: Segment) -> Hostile {
    let line = dial(path).unwrap();
    send(&line, &hello.0, &[]);
    let (answer, theirs) = receive(&line);
    assert_eq!(answer[8], 2, "a Welcome was expected");
    enter(line, theirs, own, attach)
}

/// The second half of a handshake, behind a Welcome that came with these descriptors.
fn enter(line: OwnedFd, mut theirs: Vec<OwnedFd>, own: Segment, attach: &Message) -> Hostile {
    let bells = [eventfd(), eventfd()];
    let files = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    send(&line, &attach.0, &files);
    assert_eq!(receive(&line).0[8], 4, "a Ready was expected");
    theirs.remove(0);
    Hostile {
        line,
        own,
        theirs,
        bells,
    }
}
