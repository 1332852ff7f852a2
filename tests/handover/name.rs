//! Whose the name is, and who removes it: nobody who may not, and nobody while somebody before may take it back.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ringway::{Config, ErrorKind, Listener, connect};

use super::{ask, leaving, path, patient, role, serves, soon, started, waited};

/// In the role of one that finds that it cannot go on, and ends in order.
pub(super) fn quit() {
    assert_eq!(Config::new().inherit().unwrap().len(), 1);
}

/// In the role of one that is started and passes its listener on, which a third one gives up in order, while the first may take it back.
pub(super) fn pass_on() {
    let mut listener = Config::new().inherit().unwrap().pop().unwrap();
    let mut command = role::process("quits");
    listener.pass_to(&mut command).unwrap();
    waited(command.spawn().unwrap());
}

/// In the role of one that listens at a relative path, and passes that on to one in another directory.
pub(super) fn pass_relative(base: &Path) {
    std::env::set_current_dir(base.join("x")).unwrap();
    let mut listener = Listener::bind("./socket").unwrap();
    assert!(listener.path().is_absolute());
    let mut command = role::process("quits when told");
    command.stdin(Stdio::piped());
    listener
        .pass_to(command.current_dir(base.join("y")))
        .unwrap();
    let mut heir = command.spawn().unwrap();
    std::env::set_current_dir(base).unwrap();
    drop(listener);
    // From here on the name is the heir's.
    drop(heir.stdin.take());
    waited(heir);
}

/// In the role of one that listens, passes that on, and ends.
pub(super) fn found(path: &Path) {
    drop(founded(path));
}

/// A listener that was passed on to a successor, which runs.
pub(super) fn founded(path: &Path) -> Listener {
    let mut listener = patient().bind(path).unwrap();
    let mut command = role::process("successor");
    // The pipes of who waits for this process are not kept open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    listener.pass_to(&mut command).unwrap();
    drop(command.spawn().unwrap());
    listener
}

fn run(command: &mut Command) {
    waited(started(command));
}

#[test]
fn a_successor_that_ends_leaves_the_name_to_who_takes_it_back() {
    for role in ["quits", "passes on"] {
        let path = path("quits");
        let mut old = patient().bind(path.as_path()).unwrap();
        for _ in 0..2 {
            let mut command = role::process(role);
            old.pass_to(&mut command).unwrap();
            run(&mut command);
            assert!(path.exists(), "{role}");
            old.take_back().unwrap();
        }
        serves(&mut old, &path);
        drop(old);
        assert!(!path.exists(), "{role}");
    }
}

#[test]
fn a_successor_has_the_name_when_its_predecessor_has_left() {
    let path = path("left");
    let mut old = patient().bind(path.as_path()).unwrap();
    let mut command = role::process("quits");
    let leaving = leaving();
    old.pass_to(&mut command).unwrap();
    drop(old);
    drop(leaving);
    assert!(path.exists());
    run(&mut command);
    assert!(!path.exists());
}

#[test]
fn what_nobody_takes_back_is_free() {
    let path = path("nobody");
    let mut old = patient().bind(path.as_path()).unwrap();
    let mut command = role::process("quits");
    old.pass_to(&mut command).unwrap();
    run(&mut command);
    drop((old, command));
    assert!(path.exists());
    // What was shared is closed on another thread, and a process that is being started has copies for a moment.
    let until = soon();
    while connect(path.as_path()).unwrap_err().kind() != ErrorKind::NotFound {
        assert!(Instant::now() < until, "nobody has the socket");
    }
    drop(Listener::bind(path.as_path()).unwrap());
    assert!(!path.exists());
}

#[test]
fn a_name_that_is_gone_is_not_taken_back() {
    let path = path("gone");
    let mut old = patient().bind(path.as_path()).unwrap();
    drop(old.hand_over().unwrap());
    std::fs::remove_file(&path).unwrap();
    let gone = old.take_back().unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    let other = Listener::bind(path.as_path()).unwrap();
    let replaced = old.take_back().unwrap_err();
    assert_eq!(replaced.kind(), ErrorKind::NotFound, "{replaced}");
    assert_eq!(old.accept().unwrap_err().kind(), ErrorKind::Busy);
    drop(old);
    assert!(path.exists(), "the other one's");
    drop(other);
}

#[test]
fn a_relative_path_is_the_same_one_in_every_directory() {
    let base: PathBuf = path("relative");
    for directory in ["x", "y"] {
        std::fs::create_dir_all(base.join(directory)).unwrap();
    }
    let innocent = Listener::bind(base.join("y/socket")).unwrap();
    run(&mut role::process(&format!("relative={}", base.display())));
    assert!(base.join("y/socket").exists(), "somebody else's");
    assert!(!base.join("x/socket").exists(), "its own");
    drop(innocent);
    std::fs::remove_dir_all(base).unwrap();
}

#[test]
fn a_name_that_is_not_ours_is_not_passed_on() {
    let path = path("not-ours");
    let mut maker = Listener::bind(path.as_path()).unwrap();
    let mut first = Config::new().listen_on(maker.hand_over().unwrap()).unwrap();
    let mut command = role::process("quits");
    first.pass_to(&mut command).unwrap();
    drop(first);
    run(&mut command);
    assert!(path.exists());
    maker.take_back().unwrap();
    drop(maker);
    assert!(!path.exists());
}

#[test]
fn who_took_over_is_whom_the_name_is_taken_by() {
    let path = path("advice");
    run(&mut role::process(&format!("founder={}", path.display())));
    let heir = ask(&path, b"hello");
    assert_ne!(heir, std::process::id());
    let taken = Listener::bind(path.as_path()).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::NameTaken, "{taken}");
    assert!(taken.to_string().contains("alive"), "{taken}");
    assert_eq!(ask(&path, b"end"), heir);
}
