//! Processes that run out of descriptors, at every step of a handshake. The limit belongs to the whole process, so each case happens in
//! this binary started again, in a role.

mod role;

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, connect, send, shutdown,
    socket,
};
use ringway::{Config, Error, ErrorKind, Listener};
use role::play;

const PATH: &str = "RINGWAY_TEST_PATH";
/// So many threads a role begins with.
static THREADS: OnceLock<usize> = OnceLock::new();
/// More than any of these processes needs.
const PLENTY: u64 = 256;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-limits-{name}-{}", std::process::id()))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(10))
}

fn role(role: &str, path: &Path) -> Command {
    let mut command = role::process(role);
    command.env(PATH, path);
    command
}

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else {
        return;
    };
    THREADS.set(threads()).unwrap();
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    match role.as_str() {
        "none" => none(&path),
        "unstuck" => unstuck(&path),
        "edges" => edges(&path),
        "stuck" => stuck(&path),
        "freed" => freed(&path),
        "hands" => hands(&path),
        "client" => client(&path),
        "server" => server(&path),
        other => panic!("no role {other}"),
    }
}

/// Lets this process open descriptors below this number only.
fn limit(soft: u64) {
    setrlimit(Resource::RLIMIT_NOFILE, soft, PLENTY).unwrap();
}

/// The number that the next descriptor will have.
fn next() -> u64 {
    let free = fs::File::open("/dev/null").unwrap();
    u64::try_from(free.as_raw_fd()).unwrap()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Leaves this process so many descriptors, and no more. What a peer sent is closed aside, on threads that end when it is done: until
/// then there would be more.
fn leave(more: u64) {
    let until = soon();
    while threads() > *THREADS.get().unwrap() {
        assert!(Instant::now() < until, "something is not closed yet");
        thread::sleep(Duration::from_millis(1));
    }
    limit(next() + more);
}

fn readable(fd: BorrowedFd<'_>, milliseconds: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry.
    (unsafe { libc::poll(&raw mut poll, 1, milliseconds) }) == 1
}

fn is_named(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
    assert!(error.to_string().contains("ulimit -n"), "{error}");
}

#[test]
fn a_process_without_a_descriptor_is_told_so() {
    play(&mut role("none", &path("none")));
}

fn none(path: &Path) {
    let mut listener = patient().bind(path).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| patient().connect(path));
        assert!(readable(listener.as_fd(), 10_000));
        // Not 0: `poll` itself refuses to look at more descriptors than the limit, and the client is in it.
        limit(1);
        is_named(&listener.accept().unwrap_err());
        is_named(&Config::new().connect(path).unwrap_err());
        let second = path.with_extension("2");
        is_named(&Config::new().bind(second.as_path()).unwrap_err());
        limit(PLENTY);
        listener.accept_deadline(soon()).unwrap();
        client.join().unwrap().unwrap();
        // With the descriptors of a listening socket, but none to watch it with: nothing stays at the path.
        for more in 1..=3 {
            leave(more);
            is_named(&Config::new().bind(second.as_path()).unwrap_err());
            limit(PLENTY);
            assert!(!second.exists(), "{more} more descriptors");
        }
    });
}

#[test]
fn a_listener_without_descriptors_does_not_spin() {
    play(&mut role("stuck", &path("stuck")));
}

/// A client that connects and says nothing.
fn mute(path: &Path) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let line = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    connect(line.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    line
}

fn stuck(path: &Path) {
    /// What a listener takes for a pause, in milliseconds.
    const RETRY: u128 = 20;
    let config = Config::new().handshake_timeout(Duration::from_millis(300));
    let mut listener = config.bind(path).unwrap();
    let first = mute(path);
    assert!(readable(listener.as_fd(), 10_000));
    assert!(listener.try_accept().unwrap().is_none());
    let began = Instant::now();
    // The second one cannot be taken: to look again and again would be in vain.
    let second = mute(path);
    // As above, not 0.
    limit(1);
    let mut looks = 0;
    while listener.refusals() < 1 {
        assert!(readable(listener.as_fd(), 10_000), "nothing is told");
        assert!(listener.try_accept().unwrap().is_none());
        looks += 1;
    }
    let most = began.elapsed().as_millis() / RETRY + 3;
    limit(PLENTY);
    assert!(
        looks <= most,
        "{looks} looks at somebody who cannot be taken"
    );
    // The first one's time is up, and there is a place for the second.
    while listener.refusals() < 2 {
        assert!(readable(listener.as_fd(), 10_000));
        assert!(listener.try_accept().unwrap().is_none());
    }
    drop((first, second));
}

#[test]
fn a_listener_that_has_descriptors_again_lets_others_in_beside_a_mute_one() {
    play(&mut role("unstuck", &path("unstuck")));
}

fn unstuck(path: &Path) {
    let config = Config::new().handshake_timeout(Duration::from_secs(30));
    let mut listener = config.bind(path).unwrap();
    let first = mute(path);
    while listener.handshakes() < 1 {
        assert!(readable(listener.as_fd(), 10_000));
        assert!(listener.try_accept().unwrap().is_none());
    }
    let second = mute(path);
    limit(1);
    assert!(readable(listener.as_fd(), 10_000));
    assert!(listener.try_accept().unwrap().is_none());
    limit(PLENTY);
    while listener.handshakes() < 2 {
        assert_eq!(
            listener.refusals(),
            0,
            "it has waited for the first one's end"
        );
        assert!(readable(listener.as_fd(), 40_000));
        assert!(listener.try_accept().unwrap().is_none());
    }
    drop((first, second));
}

#[test]
fn a_loop_of_edges_is_told_again_of_whom_a_listener_could_not_take() {
    play(&mut role("edges", &path("edges")));
}

fn edges(path: &Path) {
    let mut listener = patient().bind(path).unwrap();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    epoll.add(&listener, EpollEvent::new(edges, 0)).unwrap();
    let told = || epoll.wait(&mut [EpollEvent::empty()], 10_000u16).unwrap() == 1;
    let waits = mute(path);
    assert!(told());
    limit(1);
    // Twice: what was told of it the first time is over by the second.
    for _ in 0..2 {
        is_named(&listener.try_accept().unwrap_err());
        assert!(told(), "nobody tells of the client that waits still");
    }
    limit(PLENTY);
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!(listener.handshakes(), 1);
    drop(waits);
}

#[test]
fn a_client_that_runs_out_anywhere_says_so_on_both_sides() {
    let path = path("client");
    let mut listener = patient().bind(path.as_path()).unwrap();
    let told = thread::scope(|scope| {
        let client = scope.spawn(|| play(&mut role("client", &path)));
        let mut quoted = 0;
        while !client.is_finished() {
            let refusals = listener.refusals();
            if readable(listener.as_fd(), 1) {
                drop(listener.try_accept().unwrap());
            }
            if listener.refusals() > refusals {
                let why = listener.last_refusal().unwrap();
                is_named(why);
                let text = why.to_string();
                assert!(text.starts_with("the client refused: "), "{text}");
                quoted += 1;
            }
        }
        assert!(quoted > 3, "{quoted} refusals");
        client.join().unwrap()
    });
    assert!(told.contains("connected"), "{told}");
}

fn client(path: &Path) {
    for more in 0..32 {
        leave(more);
        let outcome = patient().connect(path);
        limit(PLENTY);
        match outcome {
            Ok(_) => {
                assert!(more > 5, "{more} descriptors are too few");
                println!("connected");
                return;
            }
            Err(error) => is_named(&error),
        }
    }
    panic!("32 descriptors were not enough");
}

#[test]
fn a_server_that_runs_out_anywhere_says_so_on_both_sides() {
    let path = path("server");
    let server = role("server", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let until = soon();
    let (mut named, mut connected) = (0, false);
    while !connected {
        assert!(Instant::now() < until, "{named} refusals and no connection");
        match patient().connect(path.as_path()) {
            Ok(_) => connected = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                is_named(&error);
                let text = error.to_string();
                assert!(text.starts_with("the server refused: "), "{text}");
                named += 1;
            }
        }
    }
    assert!(named > 3, "{named} refusals");
    let output = server.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("connected"), "{told}");
}

fn server(path: &Path) {
    let mut listener = patient().bind(path).unwrap();
    let mut more = 1;
    while more < 32 {
        // One client after the other, each with a descriptor more to be had, from the one that accepting it takes.
        let refusals = listener.refusals();
        assert!(readable(listener.as_fd(), 10_000));
        leave(more);
        let accepted = loop {
            if let Some(connection) = listener.try_accept().unwrap() {
                break Some(connection);
            }
            if listener.refusals() > refusals {
                break None;
            }
            assert!(readable(listener.as_fd(), 10_000));
        };
        limit(PLENTY);
        if accepted.is_some() {
            assert!(more > 5, "{more} descriptors are too few");
            println!("connected");
            return;
        }
        is_named(listener.last_refusal().unwrap());
        more += 1;
    }
    panic!("32 descriptors were not enough");
}

#[test]
fn a_place_that_a_handshake_gives_back_is_the_next_clients() {
    play(&mut role("freed", &path("freed")));
}

fn freed(path: &Path) {
    let mut listener = patient().bind(path).unwrap();
    let first = mute(path);
    assert!(readable(listener.as_fd(), 10_000));
    assert!(listener.try_accept().unwrap().is_none());
    // It says what will be refused, which is how we hear that it was taken.
    let second = mute(path);
    send(second.as_raw_fd(), b"nonsense", MsgFlags::empty()).unwrap();
    leave(0);
    // Over for the listener, and still a descriptor of ours: nothing is free but what the listener gives back.
    shutdown(first.as_raw_fd(), Shutdown::Both).unwrap();
    while listener.refusals() < 1 {
        let told = readable(listener.as_fd(), 10_000);
        assert!(
            told,
            "nothing was told of the client that there is a place for"
        );
        assert!(listener.try_accept().unwrap().is_none());
    }
    limit(PLENTY);
    drop((first, second));
}

/// The mark by which a name is free when its listener has ended, whoever has a copy of the socket then.
#[test]
fn a_hand_over_that_runs_out_anywhere_has_changed_nothing() {
    play(&mut role("hands", &path("hands")));
}

fn hands(path: &Path) {
    let mut old = patient().bind(path).unwrap();
    // The number that its lock had, and below which a copy has none.
    let _third = fs::File::open("/dev/null").unwrap();
    let mode = || fs::symlink_metadata(path).unwrap().permissions().mode();
    let kept = mode();
    assert_eq!(kept & libc::S_ISVTX, libc::S_ISVTX, "{kept:o}");
    let is_as_it_was = |old: &mut Listener, when: &str| {
        assert_eq!(mode(), kept, "{when}: {:o}", mode());
        thread::scope(|scope| {
            let client = scope.spawn(|| drop(patient().connect(path).unwrap()));
            drop(old.accept_deadline(soon()).unwrap());
            client.join().unwrap();
        });
    };
    leave(0);
    let outcome = old.hand_over();
    limit(PLENTY);
    is_named(&outcome.unwrap_err());
    is_as_it_was(&mut old, "hand_over");
    for more in 0.. {
        let mut command = Command::new("true");
        leave(more);
        let outcome = old.pass_to(&mut command);
        limit(PLENTY);
        let Err(error) = outcome else {
            assert!(more > 1, "{more} descriptors are too few");
            break;
        };
        is_named(&error);
        assert_eq!(command.get_envs().count(), 0);
        is_as_it_was(&mut old, &format!("pass_to with {more} more"));
    }
    // From here on whoever has it may have the name.
    assert_eq!(mode(), kept & !libc::S_ISVTX, "{:o}", mode());
    old.take_back().unwrap();
    drop(old);
    assert!(!path.exists());
}
