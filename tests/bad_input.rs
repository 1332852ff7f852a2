//! Bad names, bad directories, other users, forks and signals. What changes the whole process happens in this
//! binary started again, in a role.

mod role;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, connect, listen, socket,
};
use ringway::{Address, Config, Connection, ErrorKind, Listener, RecvError, SendError, Wait};
use role::play;

const PATH: &str = "RINGWAY_TEST_PATH";
/// The uid of the stranger: nobody's.
const NOBODY: u32 = 65_534;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-bad-{name}-{}", std::process::id()))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(10))
}

fn pair(path: &Path) -> (Connection, Connection) {
    let mut listener = patient().wait(Wait::Park).bind(path).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| patient().wait(Wait::Park).connect(path).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}

fn role(role: &str, path: &Path) -> Command {
    let mut command = role::process(role);
    command.env(PATH, path);
    command
}

fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else {
        return;
    };
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    match role.as_str() {
        "name" => match Listener::bind("some-name") {
            Ok(_) => println!("kind=none"),
            Err(error) => println!("kind={:?} {error}", error.kind()),
        },
        "fork" => fork(&path),
        "signals" => signals(&path),
        "stranger-connects" => {
            become_nobody();
            match patient().allow_uid(0).connect(path) {
                Ok(_) => println!("kind=none"),
                Err(error) => println!("kind={:?} {error}", error.kind()),
            }
        }
        "stranger-listens" => {
            become_nobody();
            let mut listener = patient().allow_uid(0).bind(path).unwrap();
            listener.accept_deadline(soon()).unwrap();
            let why = listener.last_refusal().unwrap();
            println!("kind={:?} {why}", why.kind());
        }
        "stranger-holds" => {
            become_nobody();
            let lines: Vec<_> = (0..PLACES).map(|_| mute(&path)).collect();
            println!("holds");
            // Until it is told to end.
            std::io::stdin().read_line(&mut String::new()).unwrap();
            drop(lines);
        }
        "dies" => {
            // As by a kill: nothing is given up, and the socket stays.
            std::mem::forget(Listener::bind(path).unwrap());
        }
        other => panic!("no role {other}"),
    }
}

fn become_nobody() {
    // SAFETY: no memory is passed.
    unsafe {
        assert_eq!(libc::setgid(NOBODY), 0);
        assert_eq!(libc::setuid(NOBODY), 0);
    }
}

#[test]
fn bad_names_are_told_apart() {
    for (name, kind) in [
        (String::new(), ErrorKind::InvalidName),
        (".hidden".into(), ErrorKind::InvalidName),
        ("a b".into(), ErrorKind::InvalidName),
        ("a\0b".into(), ErrorKind::InvalidName),
        ("x".repeat(65), ErrorKind::NameTooLong),
    ] {
        let error = Listener::bind(Address::Name(name.clone())).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let error = ringway::connect(Address::Name(name)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let long = format!("/tmp/{}", "x".repeat(200));
    let error = Listener::bind(long).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTooLong, "{error}");
    let below = path("no-directory").join("socket");
    let error = Listener::bind(below.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Directory, "{error}");
    assert!(error.to_string().contains("does not exist"), "{error}");
    let file = path("no-directory");
    fs::write(&file, "").unwrap();
    let error = Listener::bind(file.join("socket")).unwrap_err();
    fs::remove_file(&file).unwrap();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains("locking"), "{error}");
    let error = ringway::connect(path("nobody-there")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn a_taken_name_stays_taken_and_a_dead_server_s_name_is_free() {
    let path = path("taken");
    play(&mut role("dies", &path));
    assert!(path.exists(), "a dead server leaves its socket");
    let error = ringway::connect(path.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let first = Listener::bind(path.as_path()).unwrap();
    let error = Listener::bind(path.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
    drop(first);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let error = Listener::bind(path.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
}

#[test]
fn an_unsafe_directory_is_refused() {
    let directory = path("directory");
    fs::create_dir(&directory).unwrap();
    let bind = || play(role("name", Path::new("")).env("RINGWAY_DIR", &directory));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let told = bind();
    assert!(
        told.contains("kind=Directory") && told.contains("755"),
        "{told}"
    );
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let told = bind();
    assert!(told.contains("kind=none"), "{told}");
    if is_root() {
        std::os::unix::fs::chown(&directory, Some(NOBODY), None).unwrap();
        let told = bind();
        assert!(
            told.contains("kind=Directory") && told.contains("65534"),
            "{told}"
        );
    } else {
        eprintln!("skipped: a directory of another uid needs root");
    }
    fs::remove_dir(&directory).unwrap();
}

#[test]
fn another_uid_is_refused_until_it_is_allowed() {
    if !is_root() {
        eprintln!("skipped: another uid needs root");
        return;
    }
    // Our socket's mode keeps a stranger out, and where it lets somebody in, the uid decides.
    for (config, admitted) in [
        (patient(), false),
        (patient().allow_uid(NOBODY - 1), false),
        (patient().allow_uid(NOBODY), true),
    ] {
        let path = path("stranger");
        let mut listener = config.bind(path.as_path()).unwrap();
        let told = thread::scope(|scope| {
            let stranger = scope.spawn(|| play(&mut role("stranger-connects", &path)));
            while !stranger.is_finished() {
                if let Ok(Some(connection)) = listener.try_accept() {
                    assert_eq!(connection.peer().uid, NOBODY);
                }
                thread::sleep(Duration::from_millis(1));
            }
            stranger.join().unwrap()
        });
        let expected = if admitted {
            "kind=none"
        } else {
            "kind=UidRefused"
        };
        assert!(told.contains(expected), "{told}");
    }
    // The other direction: a stranger's server.
    let path = path("stranger-server");
    let stranger = role("stranger-listens", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let until = soon();
    let error = loop {
        let error = patient().connect(path.as_path()).unwrap_err();
        if error.kind() != ErrorKind::NotFound || Instant::now() > until {
            break error;
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(error.kind(), ErrorKind::UidRefused, "{error}");
    patient().allow_uid(NOBODY).connect(path.as_path()).unwrap();
    let output = stranger.wait_with_output().unwrap();
    assert!(output.status.success());
    // And the stranger was told.
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = "kind=UidRefused the client refused: the server runs as uid 65534";
    assert!(told.contains(words), "{told}");
}

/// Places for handshakes that a listener has.
const PLACES: usize = 64;

/// A client that connects and says nothing.
fn mute(path: &Path) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let line = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    connect(line.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    line
}

#[test]
fn another_uid_that_holds_all_the_places_it_can_get_leaves_some_to_others() {
    if !is_root() {
        eprintln!("skipped: another uid needs root");
        return;
    }
    let path = path("places");
    let listener = Config::new().handshake_timeout(Duration::from_secs(50));
    let mut listener = listener.allow_uid(NOBODY).bind(path.as_path()).unwrap();
    let mut stranger = role("stranger-holds", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(stranger.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("holds\n") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    // All of them are in front of us.
    thread::scope(|scope| {
        let client = scope.spawn(|| patient().connect(path.as_path()).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        assert_ne!(accepted.peer().uid, NOBODY);
        client.join().unwrap();
    });
    assert_eq!(listener.handshakes(), PLACES / 2);
    assert_eq!(listener.refusals(), PLACES as u64 / 2);
    let why = listener.last_refusal().unwrap();
    assert_eq!(why.kind(), ErrorKind::Busy, "{why}");
    drop(stranger.stdin.take());
    assert!(stranger.wait().unwrap().success());
}

#[test]
fn a_payload_beyond_the_largest_is_refused() {
    let (mut server, _client) = pair(&path("large"));
    let max = server.sender().max_payload();
    assert_eq!(
        server.sender().send(&vec![0; max + 1]),
        Err(SendError::TooLarge { len: max + 1, max })
    );
    server.sender().send(&vec![0; max]).unwrap();
}

/// Whose option it is: a listener's own capacities make no ring, and one that is not as it can be is named.
#[test]
fn what_is_too_large_says_which_option_of_which_side() {
    let text = SendError::TooLarge { len: 9, max: 8 }.to_string();
    for part in [
        "its client asks",
        "peer_capacity of what its server does",
        "max_capacity of the server",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let small = Config::new().max_capacity(1 << 16);
    for (config, name) in [
        (small.clone().capacity(1 << 20), "capacity exceeds"),
        (
            small.capacity(4096).peer_capacity(1 << 20),
            "peer_capacity exceeds",
        ),
    ] {
        let refused = config
            .connect(std::path::Path::new("/nowhere"))
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig);
        assert!(
            refused.to_string().contains(&format!(" {name}"))
                || refused.to_string().starts_with(name),
            "{refused}"
        );
    }
}

#[test]
fn a_forked_child_is_told_and_its_parent_goes_on() {
    play(&mut role("fork", &path("fork")));
}

fn is_refused<T>(outcome: Result<T, ringway::Error>) -> bool {
    outcome.is_err_and(|error| error.kind() == ErrorKind::Forked)
}

fn fork(path: &Path) {
    let (mut server, mut client) = pair(path);
    client.sender().send(b"before").unwrap();
    // With one of this length a frame is followed.
    let mut large = vec![0; 1 << 20];
    let mut listener = patient().bind(path.with_extension("forked")).unwrap();
    // SAFETY: the child uses its own copy of this process and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let sound = client.sender().try_send(b"child") == Err(SendError::Forked)
            && client.sender().send(b"child") == Err(SendError::Forked)
            && server.receiver().try_recv().map(drop) == Err(RecvError::Forked)
            && server.receiver().recv().map(drop) == Err(RecvError::Forked)
            && server.receiver().try_recv_into(&mut large) == Err(RecvError::Forked)
            && server.receiver().recv_into(&mut large) == Err(RecvError::Forked)
            && is_refused(listener.try_accept())
            && is_refused(listener.accept_deadline(soon()));
        drop((server, client, listener));
        // SAFETY: ends the child and runs nothing.
        unsafe { libc::_exit(i32::from(!sound)) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child was not told");
    // The name is still the parent's, and it serves there.
    let there = listener.path().to_path_buf();
    let late = thread::spawn(move || patient().connect(there).map(drop));
    assert!(listener.accept_deadline(soon()).is_ok());
    late.join().unwrap().unwrap();
    client.sender().send(b"after").unwrap();
    for expected in [&b"before"[..], b"after"] {
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert_eq!(frame.to_vec(), expected);
    }
}

#[test]
fn signals_do_not_end_a_wait() {
    play(&mut role("signals", &path("signals")));
}

extern "C" fn nothing(_signal: libc::c_int) {}

fn signals(path: &Path) {
    // SAFETY: all-zero bytes are a valid `sigaction`: no flags, so that system calls are interrupted.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: `action` is valid for reads, and its handler does nothing.
    let set = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()) };
    assert_eq!(set, 0);
    let (mut server, mut client) = pair(path);
    // SAFETY: no preconditions.
    let waiter = unsafe { libc::pthread_self() };
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..100 {
                // SAFETY: the waiting thread outlives this one, which it joins.
                assert_eq!(unsafe { libc::pthread_kill(waiter, libc::SIGUSR1) }, 0);
                thread::sleep(Duration::from_millis(1));
            }
            client.sender().send(b"at last").unwrap();
            client
        });
        let frame = server.receiver().recv().unwrap();
        assert_eq!(frame.to_vec(), b"at last");
    });
}

/// Who may open the socket: whoever owns it, or everybody, whose uid then decides.
#[test]
fn a_socket_is_its_owner_s_unless_others_are_admitted() {
    for (config, mode) in [
        (Config::new(), 0o600),
        (Config::new().allow_uid(NOBODY), 0o666),
    ] {
        let path = path("mode");
        let listener = config.bind(path.as_path()).unwrap();
        let found = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode);
        drop(listener);
    }
}

/// A socket that is not ours, with its owner behind it, is left to it.
#[test]
fn the_socket_of_another_program_is_left_alone() {
    let path = path("others");
    let others: [fn(&Path) -> OwnedFd; 2] = [
        |path| UnixListener::bind(path).unwrap().into(),
        |path| UnixDatagram::bind(path).unwrap().into(),
    ];
    for bind in others {
        let other = bind(&path);
        let error = patient().bind(path.as_path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
        let told = [
            error.to_string(),
            patient().connect(path.as_path()).unwrap_err().to_string(),
        ];
        for text in told {
            assert!(text.contains("another program's"), "{text}");
        }
        assert!(path.exists());
        drop(other);
        fs::remove_file(&path).unwrap();
    }
}

/// Who finds the queue of a listener full tries again until there is a place.
#[test]
fn a_client_waits_for_a_place_in_a_full_queue() {
    let path = path("queue");
    let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_NONBLOCK);
    let line = || socket(AddressFamily::Unix, kind, flags, None).unwrap();
    let (listener, address) = (line(), UnixAddr::new(&path).unwrap());
    bind(listener.as_raw_fd(), &address).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let waiting: Vec<OwnedFd> = std::iter::repeat_with(line)
        .take_while(|line| connect(line.as_raw_fd(), &address).is_ok())
        .collect();
    assert!(!waiting.is_empty());
    let (tried, end) = (AtomicBool::new(false), soon());
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            tried.store(true, Ordering::Relaxed);
            patient().connect(path.as_path()).map(drop).unwrap_err()
        });
        while !tried.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(20));
        // Those that wait, and then the client, which is hung up on.
        for _ in 0..=waiting.len() {
            while accept(listener.as_raw_fd())
                .map(|fd| nix::unistd::close(fd).unwrap())
                .is_err()
            {
                assert!(Instant::now() < end, "it does not come");
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(client.join().unwrap().kind(), ErrorKind::PeerGone);
    });
    fs::remove_file(&path).unwrap();
}
