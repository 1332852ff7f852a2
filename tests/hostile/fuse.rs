//! A file of a file system that its peer serves itself (FUSE), and that answers nothing any more: whoever asks what it is, or closes it, waits for ever. Nobody but the threads that close does.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use ringway::{Config, Error, ErrorKind, Wait};

use crate::held::Held;
use crate::peer::{self, Watchdog, attach, eventfd, hello, memory, soon, welcome};

/// The number that who serves the files has for them: the words of the mount name it.
const DEVICE: RawFd = 400;
/// Of a request: what is wanted, from byte 4 on, and its number, from byte 8 on.
const OPEN: u32 = 14;
const FLUSH: u32 = 25;
const INIT: u32 = 26;

/// A file, and the process that serves it, which ends with this.
struct Mute {
    server: libc::pid_t,
    file: Option<OwnedFd>,
    place: PathBuf,
}

impl Mute {
    /// `None`: none can be mounted here, which is said.
    fn new() -> Option<Self> {
        let place = peer::path("fuse");
        File::create(&place).unwrap();
        let target = CString::new(place.as_os_str().as_bytes()).unwrap();
        let (ours, theirs) = pair();
        // SAFETY: the child makes nothing but system calls, and leaves by `_exit` or `SIGKILL`.
        let server = unsafe { libc::fork() };
        assert!(server >= 0, "{}", io::Error::last_os_error());
        if server == 0 {
            serve(&target, theirs.as_raw_fd());
        }
        drop(theirs);
        let mute = |file| Self {
            server,
            file,
            place,
        };
        let (said, mut given) = peer::receive(&ours);
        if said.is_empty() {
            let error = io::Error::from_raw_os_error(mute(None).end());
            println!("SKIPPED: no file system can be served here: {error}");
            return None;
        }
        let mute = mute(given.pop());
        assert!(mute.file.is_some(), "the file was to be sent");
        // From here on it answers nothing.
        assert_eq!(peer::receive(&ours).0, [FLUSH as u8]);
        Some(mute)
    }

    fn file(&self) -> RawFd {
        self.file.as_ref().unwrap().as_raw_fd()
    }

    /// Has the process end, behind which all who wait for it go on. Returns the status that it ended with by itself, if it did.
    fn end(mut self) -> i32 {
        self.stop()
    }

    fn stop(&mut self) -> i32 {
        let mut status = 0;
        if self.server != 0 {
            // SAFETY: the child is ours, and not waited for yet; `status` is valid for writes.
            unsafe {
                // Whoever has failed is about to end by itself.
                if self.file.is_some() {
                    libc::kill(self.server, libc::SIGKILL);
                }
                libc::waitpid(self.server, &raw mut status, 0);
            }
            self.server = 0;
            let _ = std::fs::remove_file(&self.place);
        }
        libc::WEXITSTATUS(status)
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.stop();
    }
}

fn pair() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` is valid for writes of two numbers.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
    assert_eq!(made, 0);
    // SAFETY: the kernel has just returned them, and nothing else owns them.
    let [ours, theirs] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    (ours, theirs)
}

/// In a child that has one thread of several: nothing but system calls. Mounts a file of its own where `target` is, for this process and its children alone, has one of these open and send it,
/// and answers nothing behind that one's close.
fn serve(target: &CString, line: RawFd) -> ! {
    // SAFETY: all texts are NUL-terminated; no other memory is passed.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let or_end = |answer: i32| {
            if answer < 0 {
                libc::_exit(*libc::__errno_location());
            }
            answer
        };
        let none = std::ptr::null();
        or_end(libc::unshare(libc::CLONE_NEWNS));
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let root = c"/".as_ptr();
        or_end(libc::mount(none, root, none, private, none.cast()));
        let device = or_end(libc::open(c"/dev/fuse".as_ptr(), libc::O_RDWR));
        or_end(libc::dup2(device, DEVICE));
        libc::close(device);
        // A mount whose root is a file.
        let words = c"fd=400,rootmode=100000,user_id=0,group_id=0";
        let (what, kind) = (c"ringway".as_ptr(), c"fuse".as_ptr());
        or_end(libc::mount(
            what,
            target.as_ptr(),
            kind,
            libc::MS_NOSUID | libc::MS_NODEV,
            words.as_ptr().cast(),
        ));
        if or_end(libc::fork()) == 0 {
            libc::close(DEVICE);
            let file = or_end(libc::open(target.as_ptr(), libc::O_RDONLY));
            give(line, file);
            libc::_exit(0);
        }
        let mut mute = false;
        loop {
            answer(line, &mut mute);
        }
    }
}

/// Sends a file.
///
/// # Safety
/// As of system calls: none is made with memory of anybody else.
unsafe fn give(line: RawFd, file: RawFd) {
    let mut byte = 0u8;
    let mut part = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let mut control = [0u64; 8];
    // SAFETY: all-zero is a valid message, whose parts live until the call returns; there is room for a header and one descriptor.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write(file);
        libc::sendmsg(line, &raw const message, 0);
    }
}

/// Takes a request, and answers it while that is what it is there for.
///
/// # Safety
/// As of [`give`].
unsafe fn answer(line: RawFd, mute: &mut bool) {
    let mut request = [0u64; 2048];
    // SAFETY: the buffers are valid for what the calls are told; this process has one thread.
    unsafe {
        let length = libc::read(DEVICE, request.as_mut_ptr().cast(), size_of_val(&request));
        if length < 16 || *mute {
            return;
        }
        let wanted = (request[0] >> 32) as u32;
        // Its length and no error; which request it answers; and what was asked for.
        let mut reply = [0u64; 10];
        reply[1] = request[1];
        let bytes: u64 = match wanted {
            INIT => {
                // Version 7.31; at most 4,096 bytes are written at once.
                reply[2] = 31 << 32 | 7;
                reply[4] = 4096 << 32;
                16 + 64
            }
            OPEN => 16 + 16,
            FLUSH => 16,
            _ => {
                // An error is a negative number.
                reply[0] = u64::from(libc::ENOSYS.unsigned_abs().wrapping_neg()) << 32;
                16
            }
        };
        reply[0] |= bytes;
        libc::write(DEVICE, reply.as_ptr().cast(), bytes as usize);
        if wanted == FLUSH {
            *mute = true;
            let word = FLUSH as u8;
            libc::write(line, (&raw const word).cast(), 1);
        }
    }
}

fn close(mute: &Mute) -> Held {
    // SAFETY: no memory is passed.
    let copy = unsafe { libc::fcntl(mute.file(), libc::F_DUPFD_CLOEXEC, 3) };
    Held::new(libc::SYS_close, move || {
        // SAFETY: the number is this thread's own.
        unsafe { libc::close(copy) };
    })
}

fn ask(mute: &Mute) -> Held {
    let file = mute.file();
    Held::new(libc::SYS_fstat, move || {
        // SAFETY: all-zero is a valid answer, which the call may write.
        unsafe {
            let mut status: libc::stat = std::mem::zeroed();
            libc::syscall(libc::SYS_fstat, file, &raw mut status);
        }
    })
}

/// A segment and two bells, one of which is the file.
fn gifts(mute: &Mute, place: usize, others: &[OwnedFd; 3]) -> [RawFd; 3] {
    let mut gifts = others.each_ref().map(AsRawFd::as_raw_fd);
    gifts[place] = mute.file();
    gifts
}

/// What it is refused as there.
fn kind(place: usize) -> ErrorKind {
    [ErrorKind::Segment, ErrorKind::Descriptors][place.min(1)]
}

fn attacks_a_server(mute: &Mute, others: &[OwnedFd; 3]) {
    let mut listener = peer::patient().bind(peer::path("mute")).unwrap();
    let path = listener.path().to_path_buf();
    for place in 0..3 {
        let (line, _) = thread::scope(|scope| {
            let client = scope.spawn(|| peer::greet(&path));
            while !client.is_finished() {
                assert!(listener.try_accept().unwrap().is_none());
                thread::yield_now();
            }
            client.join().unwrap()
        });
        assert!(peer::send(&line, &attach().0, &gifts(mute, place, others)));
        let refusals = listener.refusals();
        while listener.refusals() == refusals {
            assert!(listener.try_accept().unwrap().is_none(), "it was let in");
        }
        let refused = listener.last_refusal().map(Error::kind);
        assert_eq!(refused, Some(kind(place)), "{place}");
        // The next one is let in meanwhile.
        thread::scope(|scope| {
            let client = scope.spawn(|| peer::let_in(&path, || ()));
            listener.accept_deadline(soon()).unwrap();
            client.join().unwrap();
        });
    }
    // Before anything was asked for, and one that goes at once.
    let line = peer::dial(&path).unwrap();
    assert!(peer::send(&line, &hello().0, &[mute.file()]));
    drop(line);
    let refusals = listener.refusals();
    while listener.refusals() == refusals {
        assert!(listener.try_accept().unwrap().is_none(), "it was let in");
    }
}

fn attacks_a_client(mute: &Mute, others: &[OwnedFd; 3], path: &Path) {
    let listener = peer::listen(path);
    for place in 0..3 {
        let config = Config::new()
            .wait(Wait::Park)
            .capacity(peer::RING)
            .peer_capacity(peer::RING)
            .handshake_timeout(std::time::Duration::from_secs(20));
        let refused = thread::scope(|scope| {
            let client = scope.spawn(|| config.connect(path).map(drop));
            let line = peer::accept(&listener);
            assert_eq!(peer::receive(&line).0[8], 1, "a Hello was expected");
            assert!(peer::send(&line, &welcome().0, &gifts(mute, place, others)));
            client.join().unwrap()
        });
        assert_eq!(refused.unwrap_err().kind(), kind(place), "{place}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_file_of_a_file_system_that_never_answers_holds_nobody_up() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("a file that never answers");
    let before = peer::open_descriptors();
    let Some(mute) = Mute::new() else {
        return;
    };
    // Without these it could be a file like any other.
    let held = [close(&mute), ask(&mute)];
    let others = [
        memory(peer::CONTROL + peer::RING, peer::SEALS, true),
        eventfd(),
        eventfd(),
    ];
    attacks_a_server(&mute, &others);
    attacks_a_client(&mute, &others, &peer::path("mute-server"));
    for held in &held {
        assert!(held.is_held(), "it has ended by itself");
    }
    mute.end();
    for held in held {
        held.end();
    }
    drop(others);
    peer::no_leak(before);
}
