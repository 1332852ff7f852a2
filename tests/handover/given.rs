//! Descriptors that are given: by systemd's protocol, stale ones, and those that are no listening socket of ours.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::{Config, ErrorKind, Listener};

use super::forbid::forbid;
use super::{answer, ask, leaving, path, patient, role, soon, started, waited};

/// Has `command` run with `socket` as number 3, as systemd would start it; `pid` is a shell's word for whom it means.
fn activated(command: &Command, socket: OwnedFd, pid: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("LISTEN_FDS=1 LISTEN_PID={pid} exec \"$@\""))
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    let number = socket.as_raw_fd();
    let give = move || {
        // SAFETY: no memory is passed; `socket` is open until the command is dropped.
        let result = unsafe {
            if socket.as_raw_fd() == 3 {
                libc::fcntl(3, libc::F_SETFD, 0)
            } else {
                libc::dup2(number, 3)
            }
        };
        if result == -1 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the closure makes one system call.
    unsafe { shell.pre_exec(give) };
    shell
}

/// In the role of one that was left nothing, and has opened by itself what has such a number.
pub(super) fn find_own() {
    let path = path("own");
    let own = Listener::bind(path.as_path()).unwrap();
    let inherited = Config::new().inherit().unwrap();
    let twice = inherited.iter().any(|one| one.path() == own.path());
    // What is owned twice is closed once here.
    inherited.into_iter().for_each(std::mem::forget);
    assert!(!twice);
}

/// In the role of one that cannot ask what it was left: for once, as where memory is short.
pub(super) fn ask_in_vain() {
    let inherit = || patient().inherit();
    let refused = std::thread::spawn(move || {
        // Either is what the C library calls.
        for call in [libc::SYS_fstat, libc::SYS_newfstatat] {
            forbid(call, libc::ENOMEM);
        }
        inherit().unwrap_err()
    });
    let refused = refused.join().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Resources, "{refused}");
    assert!(refused.to_string().contains("left open"), "{refused}");
    let mut found = inherit().unwrap();
    assert!(inherit().unwrap().is_empty(), "taken once");
    while !answer(&mut found[0].accept_deadline(soon()).unwrap()) {}
}

/// Else it would bind the name, which is taken, by the very socket that it has.
#[test]
fn who_cannot_ask_what_it_was_left_says_so_and_finds_it_later() {
    let path = path("in-vain");
    let mut old = patient().bind(path.as_path()).unwrap();
    let mut command = role::process("cannot ask");
    let leaving = leaving();
    old.pass_to(&mut command).unwrap();
    let new = command.spawn().unwrap();
    drop(command);
    drop(old);
    drop(leaving);
    assert_eq!(ask(&path, b"end"), new.id());
    waited(new);
    assert!(!path.exists(), "the name is the one's that found it");
}

/// As a server with some thousand clients has open.
const CROWD: u64 = 4200;

/// In the role of one whose socket gets a number beyond all of these.
pub(super) fn pass_on_crowded(path: &Path) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, CROWD + 100, hard).unwrap();
    let null = File::open("/dev/null").unwrap();
    let mut old = patient().bind(path).unwrap();
    let crowd: Vec<File> = (0..CROWD).map(|_| null.try_clone().unwrap()).collect();
    let mut command = role::process("successor");
    old.pass_to(&mut command).unwrap();
    let new = command.spawn().unwrap();
    drop((command, old, crowd));
    assert_eq!(ask(path, b"end"), new.id());
    waited(new);
    assert!(!path.exists(), "the name is the successor's");
}

#[test]
fn a_process_with_thousands_of_descriptors_passes_its_socket_on() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < CROWD + 100 {
        return eprintln!("skipped: this process may have {hard} descriptors only");
    }
    let role = format!("crowded={}", path("crowded").display());
    role::play(&mut role::process(&role));
}

#[test]
fn what_the_process_has_opened_itself_is_not_inherited() {
    let command = role::process("finds its own");
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg("LISTEN_FDS=64 LISTEN_PID=$$ exec \"$@\"")
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    waited(started(&mut shell));
}

#[test]
fn a_socket_of_systemd_is_listened_on_and_its_name_is_left_alone() {
    let path = path("systemd");
    let mut systemd = Listener::bind(path.as_path()).unwrap();
    let socket = systemd.hand_over().unwrap();
    let mut command = activated(&role::process("successor"), socket, "$$");
    let child = started(&mut command);
    assert_eq!(ask(&path, b"hello"), child.id());
    ask(&path, b"end");
    waited(child);
    assert!(path.exists());
    systemd.take_back().unwrap();
    drop(systemd);
    assert!(!path.exists());
}

#[test]
fn what_is_left_for_another_process_is_not_taken() {
    let path = path("another");
    let mut listener = Listener::bind(path.as_path()).unwrap();
    let socket = listener.hand_over().unwrap();
    let mut command = activated(&role::process("heir of none"), socket, "1");
    waited(started(&mut command));
    // A number without the socket: the variable was inherited further down.
    for stale in ["0:1", "1:1,2:1", "77:12345", "nonsense"] {
        let mut command = role::process("heir of none");
        waited(started(command.env("RINGWAY_LISTEN_FDS", stale)));
    }
}

#[test]
fn anything_else_is_refused_by_what_it_is() {
    let path = path("others");
    let unix = |kind: i32, listens: bool| -> OwnedFd {
        use nix::sys::socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
        };
        let kind = if kind == 0 {
            SockType::Stream
        } else {
            SockType::SeqPacket
        };
        let made = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let _ = std::fs::remove_file(&path);
        bind(made.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        if listens {
            listen(&made, Backlog::new(1).unwrap()).unwrap();
        }
        made
    };
    let refused: [(OwnedFd, &str); 4] = [
        (File::open("/dev/null").unwrap().into(), "no socket"),
        (
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
            "no Unix socket",
        ),
        (unix(0, true), "another type"),
        (unix(1, false), "does not listen"),
    ];
    for (descriptor, why) in refused {
        let error = Config::new().listen_on(descriptor).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Descriptors, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    // One of ours, made by hand.
    drop(Config::new().listen_on(unix(1, true)).unwrap());
    assert!(path.exists());
    std::fs::remove_file(path).unwrap();
}
