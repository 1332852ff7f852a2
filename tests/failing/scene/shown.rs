//! A listener that is observed and read along with, while it takes clients and behind that.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Connection, ErrorKind, Tap};

use super::exchange::{Ends, exchange, long, short, until_end};
use super::{DONE, Outcome, Scene, clear, for_a_client, judge, soon};
use crate::process::Page;

/// One failure costs a watcher one answer, or, where it is the pause behind it, some.
const TRIES: u64 = 20;

/// The failing process's: the listener.
pub(super) fn attempt(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut listener = scene.bind(path).map_err(|error| clear(&error))?;
    let accepted = listener.accept_deadline(for_a_client());
    let mut connection = accepted.map_err(|error| clear(&error))?;
    let _attendant = listener.attend().map_err(|error| clear(&error))?;
    exchange(&mut connection, page, false)?;
    until_end(&mut connection)
}

/// A client that watches its own connection.
pub(super) fn accompany(scene: Scene, page: &Page, path: &Path) -> String {
    let mut told = String::new();
    while page.get(DONE) == 0 {
        let connected = scene.connect(path);
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => {
                // One that attends takes no more clients.
                if error.kind() != ErrorKind::Busy {
                    judge(&error);
                }
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
        };
        let mut ends = Ends::of_peer(page);
        match watched(scene, path, &mut ends, &mut connection) {
            Ok(()) => told.push_str("complete;"),
            Err(text) => {
                let end = ends.hear_end(&mut connection);
                let _ = write!(told, "{text}, {end:?};");
            }
        }
    }
    told
}

/// A conversation of which the beginning is read along.
fn watched(
    scene: Scene,
    path: &Path,
    ends: &mut Ends<'_>,
    connection: &mut Connection,
) -> Result<(), String> {
    let tap = watch(scene, path);
    short(ends, connection, true)?;
    // A listener whose connections last answers who watches it.
    let mut tap = tap.unwrap();
    assert!(sees_both(&mut tap), "what was sent is not read along");
    long(ends, connection, true)
}

/// Observes it and has a tap of its one connection, in one of some tries.
fn watch(scene: Scene, path: &Path) -> Result<Tap, String> {
    let config = scene.config();
    let mut why = String::new();
    for attempt in 0..TRIES {
        std::thread::sleep(Duration::from_millis(attempt));
        let watched = config.observe(path).and_then(|observed| {
            observed.connections()?;
            config.tap(path)
        });
        match watched {
            Ok(mut tap) => {
                if tap.lanes().len() != 2 {
                    // Another listener has its name by now.
                    "the connection is not shown".clone_into(&mut why);
                    continue;
                }
                // Its place is behind what was sent before it has looked.
                for lane in tap.lanes() {
                    assert_eq!(lane.try_recv(&mut Vec::new()).unwrap(), None);
                }
                return Ok(tap);
            }
            Err(error) => {
                judge(&error);
                why = error.to_string();
            }
        }
    }
    Err(why)
}

/// Whether both directions can be read along.
fn sees_both(tap: &mut Tap) -> bool {
    let mut payload = Vec::new();
    let limit = soon();
    let mut seen = [false; 2];
    while Instant::now() < limit {
        for (lane, seen) in tap.lanes().iter_mut().zip(&mut seen) {
            *seen |= matches!(lane.try_recv(&mut payload), Ok(Some(_)));
        }
        if seen == [true; 2] {
            return true;
        }
        std::thread::yield_now();
    }
    false
}
