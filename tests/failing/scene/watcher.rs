//! Who observes another's listener and reads along.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{DONE, Outcome, Scene, WATCHED, clear, for_a_client, soon};
use crate::process::Page;

/// What a watcher looks at: a connection within the peer, that carries frames again and again.
pub(super) fn shown(scene: Scene, page: &Page, path: &Path) {
    let mut listener = scene.config().allow_tap(true).bind(path).unwrap();
    let there = path.to_path_buf();
    let client = std::thread::spawn(move || scene.config().connect(there.as_path()).unwrap());
    let mut server = listener.accept_deadline(for_a_client()).unwrap();
    let mut client = client.join().unwrap();
    let attendant = listener.attend().unwrap();
    page.set(WATCHED, 1);
    while page.get(DONE) == 0 {
        client.sender().send(b"seen").unwrap();
        assert_eq!(server.receiver().recv().unwrap().to_vec(), b"seen");
        std::thread::sleep(Duration::from_micros(200));
    }
    drop(attendant);
}

pub(super) fn watch(scene: Scene, page: &Page, path: &Path) -> Outcome {
    while page.get(WATCHED) == 0 {
        std::thread::yield_now();
    }
    let config = scene.config();
    let observed = config.observe(path).map_err(|error| clear(&error))?;
    let connections = observed.connections().map_err(|error| clear(&error))?;
    if connections.is_empty() {
        return Err(format!("exchange: {} connections", connections.len()));
    }
    let mut tap = config.tap(path).map_err(|error| clear(&error))?;
    let mut payload = Vec::new();
    let limit = soon();
    while Instant::now() < limit {
        for lane in tap.lanes().iter_mut() {
            let seen = lane.try_recv(&mut payload).map_err(|error| clear(&error))?;
            if seen.is_some() {
                assert_eq!(payload, b"seen");
                let refreshed = tap.refresh().map_err(|error| clear(&error));
                assert_eq!(tap.lanes().len(), 2, "of one connection");
                return refreshed;
            }
        }
        std::thread::yield_now();
    }
    Err("exchange: TimedOut: nothing was seen".to_owned())
}
