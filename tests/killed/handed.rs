//! A listening socket changes hands, to one that is to die: its clients are served by whoever is left.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Listener};

use super::process::{Child, fork};
use super::world::{Scene, World, config, has_ended, soon};

/// Returns whether it died there; else it has ended well.
pub(crate) fn run(world: &mut World, scene: &Scene<'_>) -> bool {
    world.begin();
    let (path, dead) = (world.handed(), world.dead());
    let config = config(scene.seed);
    let mut listener = config.bind(path.as_path()).unwrap();
    let socket = listener.hand_over().unwrap();
    // One of the two has its turn when who is to die has served the other one.
    let mut clients = [(); 2].map(|()| fork(|| ask(&config, &path)));
    let mut heir = fork(|| {
        scene.die();
        inherit(&config, socket, &dead);
    });
    let killed = scene.reap(&mut heir);
    listener.take_back().unwrap();
    let until = soon();
    while !clients.iter().all(has_ended) {
        assert!(Instant::now() < until, "{scene:?}: a client hangs");
        let soon = Instant::now() + Duration::from_millis(1);
        match listener.accept_deadline(soon) {
            Ok(connection) => answer(connection),
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{scene:?}: {error}"),
        }
    }
    let ended = clients.each_mut().map(Child::reap);
    assert_eq!(ended, [0; 2], "{scene:?}: a client was not served");
    drop(listener);
    assert!(!path.exists(), "{scene:?}: the name is left");
    killed
}

/// Asks whoever listens there until one answers.
fn ask(config: &Config, path: &Path) {
    let until = soon();
    loop {
        match config.connect(path) {
            Ok(mut connection) => {
                let asked = connection.sender().send(b"?").is_ok();
                let answer = connection.receiver().recv_deadline(until);
                if asked && answer.is_ok_and(|frame| frame.to_vec() == b"!") {
                    return;
                }
            }
            // Whoever lets clients in dies in the handshake.
            Err(error) => assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}"),
        }
        assert!(Instant::now() < until, "nobody answers");
    }
}

fn answer(mut connection: Connection) {
    // Who asks may have heard of its server's death, and ask anew.
    if connection.receiver().recv_deadline(soon()).is_ok() {
        let _ = connection.sender().send(b"!");
    }
}

/// What is to die: takes a socket, serves a client, and then has a name of its own, which it hands over and takes back twice.
fn inherit(config: &Config, socket: OwnedFd, own: &Path) {
    let mut listener: Listener = config.listen_on(socket).unwrap();
    answer(listener.accept_deadline(soon()).unwrap());
    drop(listener);
    let mut listener = config.bind(own).unwrap();
    for _ in 0..2 {
        let copy = listener.hand_over().unwrap();
        listener.take_back().unwrap();
        drop(copy);
    }
}
