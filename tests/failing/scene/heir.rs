//! A process that another one has left its listening sockets: by the variable of this library with the name, and by systemd's.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringway::Listener;

use super::exchange::{exchange, until_end};
use super::{ATTEMPT, Expected, Outcome, RUNNING, Scene, clear, for_a_client, is_expected};
use crate::process::Page;

const OURS: &str = "RINGWAY_LISTEN_FDS";

/// Those that had the sockets before, and what was left open.
struct Before {
    old: Listener,
    _supervisor: Listener,
    /// One that was never handed over.
    fresh: Listener,
    given: Vec<RawFd>,
}

thread_local! {
    static BEFORE: RefCell<Option<Before>> = const { RefCell::new(None) };
}

fn of_systemd(path: &Path) -> PathBuf {
    path.with_extension("systemd")
}

/// Another number for an open descriptor, one that `exec` would not close.
fn given(descriptor: RawFd) -> RawFd {
    // SAFETY: no memory is passed.
    let number = unsafe { libc::fcntl(descriptor, libc::F_DUPFD, 3) };
    assert!(number >= 3);
    number
}

/// Leaves this process the sockets as if it had been started by those that had them: nothing fails yet.
pub(super) fn prepare(scene: Scene, path: &Path) {
    let mut old = scene.bind(path).unwrap();
    let mut command = Command::new("true");
    old.pass_to(&mut command).unwrap();
    let variable = command.get_envs().find(|(name, _)| *name == OURS);
    let text = variable.unwrap().1.unwrap().to_str().unwrap().to_owned();
    // `NUMBER:INODE@DEVICE:INODE+NUMBER:INODE`. The numbers are the command's own.
    let mut all = Vec::new();
    let mut left = |text: &str| {
        let (number, inode) = text.split_once(':').unwrap();
        all.push(given(number.parse().unwrap()));
        format!("{}:{inode}", all[all.len() - 1])
    };
    let (socket, name) = text.split_once('@').unwrap();
    let (identity, elder) = name.split_once('+').unwrap();
    let ours = format!("{}@{identity}+{}", left(socket), left(elder));

    let second = of_systemd(path);
    let _ = std::fs::remove_file(&second);
    let mut supervisor = scene.bind(&second).unwrap();
    let socket: OwnedFd = supervisor.hand_over().unwrap();
    let last = given(socket.as_raw_fd());
    all.push(last);
    std::fs::remove_file(&second).unwrap();
    let variables = [
        (OURS, ours),
        ("LISTEN_PID", std::process::id().to_string()),
        // From 3 on.
        ("LISTEN_FDS", (last - 2).to_string()),
    ];
    for (name, value) in variables {
        // SAFETY: this process has one thread.
        unsafe { std::env::set_var(name, value) };
    }
    let third = path.with_extension("fresh");
    let _ = std::fs::remove_file(&third);
    BEFORE.set(Some(Before {
        fresh: scene.bind(&third).unwrap(),
        old,
        _supervisor: supervisor,
        given: all,
    }));
}

/// What was left and could not be told to be ours is open as it was, and this process's to close.
fn close_left(given: &[RawFd]) {
    for &number in given {
        // SAFETY: no memory is passed; what lacks the flag nobody has taken.
        unsafe {
            let flags = libc::fcntl(number, libc::F_GETFD);
            if flags != -1 && flags & libc::FD_CLOEXEC == 0 {
                libc::close(number);
            }
        }
    }
}

/// Inherits and lets a client in; where that fails, who had the socket before takes it back, and does.
pub(super) fn attempt(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut before = BEFORE.take().unwrap();
    let outcome = if page.get(ATTEMPT) == 0 {
        pass_on(&mut before.fresh);
        let inherited = scene.config().inherit();
        // This scene's own calls, which are not to fail.
        page.set(RUNNING, 0);
        close_left(&before.given);
        page.set(RUNNING, 1);
        inherited
            .map_err(|error| clear(&error))
            .and_then(|all| serve_as_heir(all, page, path))
    } else {
        let back = before.old.take_back();
        back.map_err(|error| clear(&error))
            .and_then(|()| serve(&mut before.old, page))
    };
    BEFORE.set(Some(before));
    outcome
}

/// What could not be handed over is as it was: its name has the mark (the sticky bit) by which it is free when this process has ended.
fn pass_on(fresh: &mut Listener) {
    let marked = |listener: &Listener| {
        let status = std::fs::symlink_metadata(listener.path()).ok()?;
        Some(status.mode() & libc::S_ISVTX != 0)
    };
    let mut command = Command::new("true");
    let outcome = fresh.pass_to(&mut command);
    // Of a call of our own that fails there is nothing to learn; and a name that is said to be gone is left as it is.
    let is_told = |_: &bool| is_expected(Expected::Likely);
    if let Some(marked) = marked(fresh).filter(is_told) {
        assert_eq!(marked, outcome.is_err(), "{outcome:?}");
    }
    assert_eq!(command.get_envs().count(), usize::from(outcome.is_ok()));
}

fn serve_as_heir(mut inherited: Vec<Listener>, page: &Page, path: &Path) -> Outcome {
    // Whoever is given nothing binds the name anew. A number that is said not to be open was not left to us.
    let is_all = inherited.len() == 2;
    assert!(
        is_all || !is_expected(Expected::Likely),
        "what was not inherited was not said"
    );
    let of_systemd = of_systemd(path);
    for other in inherited.iter_mut().filter(|one| one.path() == of_systemd) {
        let nobody = other.try_accept().map_err(|error| clear(&error))?;
        assert!(nobody.is_none());
    }
    let Some(heir) = inherited.iter_mut().find(|one| one.path() == path) else {
        assert!(!is_all);
        return Err("the socket was not inherited".to_owned());
    };
    // It has an heir of its own, who does not begin.
    let mut command = Command::new("true");
    heir.pass_to(&mut command).map_err(|error| clear(&error))?;
    drop(command);
    heir.take_back().map_err(|error| clear(&error))?;
    serve(heir, page)
}

fn serve(listener: &mut Listener, page: &Page) -> Outcome {
    let accepted = listener.accept_deadline(for_a_client());
    let mut connection = accepted.map_err(|error| clear(&error))?;
    exchange(&mut connection, page, false)?;
    until_end(&mut connection)
}
