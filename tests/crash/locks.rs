//! Where others can open the directory of a name, and hold its lock for as long as they like.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use ringway::{ErrorKind, Listener};

use super::listeners::{half_bound, is_free, serves};
use super::process::alone;
use super::traced;
use super::{path, patient};

const LIMIT: Duration = Duration::from_secs(60);

/// A directory that everybody can open, whatever the `umask` is.
fn open_to_all(name: &str) -> PathBuf {
    let directory = path(name);
    std::fs::DirBuilder::new()
        .mode(0o755)
        .create(&directory)
        .unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// The lock of the directory, as anybody gets it who can open it.
fn held(directory: &Path) -> File {
    let lock = File::open(directory).unwrap();
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }, 0);
    lock
}

/// A socket of our kind whose listener is no more.
fn leave_a_dead_one(path: &Path) {
    let kind = SockType::SeqPacket;
    let made: OwnedFd = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(made.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&made, Backlog::new(1).unwrap()).unwrap();
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn whoever_holds_a_directory_keeps_nobody_from_a_name_in_it() {
    let name = "locks::whoever_holds_a_directory_keeps_nobody_from_a_name_in_it";
    alone(name, LIMIT, || {
        let directory = open_to_all("held");
        let (one, lock) = (directory.join("one"), directory.join(".one.lock"));
        let stranger = held(&directory);
        let comes_and_goes = |when: &str| {
            leave_a_dead_one(&one);
            let mut listener = patient().bind(one.as_path()).unwrap();
            serves(&mut listener, &one);
            drop(listener);
            assert!(!one.exists(), "{when}");
        };
        comes_and_goes("the directory is held");
        assert!(is_empty(&directory), "nothing is left");
        // Who may write there can also lay something where the lock would be.
        std::fs::create_dir(&lock).unwrap();
        comes_and_goes("a directory lies there");
        std::fs::remove_dir(&lock).unwrap();
        symlink("/nowhere", &lock).unwrap();
        comes_and_goes("a link lies there");
        std::fs::remove_file(&lock).unwrap();
        let theirs = File::create(&lock).unwrap();
        theirs
            .set_permissions(std::fs::Permissions::from_mode(0o644))
            .unwrap();
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::flock(theirs.as_raw_fd(), libc::LOCK_EX) }, 0);
        comes_and_goes("a file lies there that others can open, and hold");
        std::fs::remove_file(&lock).unwrap();
        // What one of ours has left that was killed.
        let left = File::create(&lock).unwrap();
        left.set_permissions(std::fs::Permissions::from_mode(0o600))
            .unwrap();
        comes_and_goes("its own is there");
        assert!(is_empty(&directory), "what was left is gone");
        drop((stranger, theirs, left));
        std::fs::remove_dir(&directory).unwrap();
    });
}

/// What the lock is for, though a stranger holds the directory.
#[test]
fn of_those_who_replace_a_dead_socket_at_once_one_has_the_name() {
    let name = "locks::of_those_who_replace_a_dead_socket_at_once_one_has_the_name";
    alone(name, LIMIT, || {
        let directory = open_to_all("at-once");
        let one = directory.join("one");
        let stranger = held(&directory);
        for _ in 0..30 {
            leave_a_dead_one(&one);
            let together = Barrier::new(4);
            let all: Vec<_> = std::thread::scope(|scope| {
                let begun: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            together.wait();
                            patient().bind(one.as_path())
                        })
                    })
                    .collect();
                begun.into_iter().map(|it| it.join().unwrap()).collect()
            });
            let mut have = Vec::new();
            for outcome in all {
                match outcome {
                    Ok(listener) => have.push(listener),
                    // One that has no processor for a second with the lock in its hand holds up the others.
                    Err(error) if error.to_string().contains("held the lock") => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}"),
                }
            }
            assert_eq!(have.len(), 1);
            serves(&mut have[0], &one);
            drop(have);
            assert!(is_empty(&directory));
        }
        drop(stranger);
        std::fs::remove_dir(&directory).unwrap();
    });
}

/// The lock is that of the name.
#[test]
fn a_bind_that_is_stopped_half_way_holds_up_others_of_its_name_only() {
    let name = "locks::a_bind_that_is_stopped_half_way_holds_up_others_of_its_name_only";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let directory = open_to_all("half-bound-open");
        let (one, other) = (directory.join("one"), directory.join("other"));
        let child = half_bound(&one);
        drop(Listener::bind(other.as_path()).unwrap());
        assert!(!other.exists());
        let began = Instant::now();
        let error = Listener::bind(one.as_path()).unwrap_err();
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains(".one.lock"), "{error}");
        child.kill();
        // What it has left goes with the name.
        assert!(directory.join(".one.lock").exists());
        is_free(&one, "killed between bind and listen");
        std::fs::remove_dir(&directory).unwrap();
    });
}
