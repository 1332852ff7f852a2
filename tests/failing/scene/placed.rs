//! A client that says where its memory lies and where its thread runs, and trusts its peer.

use std::path::Path;

use ringway::thread::{self, Class};
use ringway::{Connection, SendError};

use super::exchange::{FRAMES, exchange, frame};
use super::{ATTEMPT, Outcome, SAID, Scene, clear, soon};
use crate::process::Page;

/// Rings that take huge pages.
const HUGE: usize = 2 << 20;

/// Whether a node of memory can be asked for here: containers mostly forbid it, and without one there is nothing to fail.
pub(super) fn has_nodes() -> bool {
    // SAFETY: no address and no length: nothing is changed.
    let asked = unsafe { libc::syscall(libc::SYS_mbind, 0, 0, 0, 0, 0, 0) };
    asked == 0 && Path::new("/sys/devices/system/node/node0").exists()
}

pub(super) fn attempt(scene: Scene, page: &Page, path: &Path) -> Outcome {
    place().map_err(|error| clear(&error))?;
    // Few hosts have any to give: it is an error then, and where it is none, this connection ends again at once.
    let huge = scene.config().huge_pages(true).capacity(HUGE);
    if let Err(error) = huge.connect(path) {
        clear(&error);
    }
    let mut connection = scene.connect(path).map_err(|error| clear(&error))?;
    exchange(&mut connection, page, true)?;
    share(connection, page).map_err(|error| format!("exchange: shared: {error:?}"))
}

fn place() -> Result<(), ringway::Error> {
    match thread::allowed() {
        Ok(allowed) => thread::pin(allowed[0])?,
        // Elsewhere the library goes on without that answer, and so does this.
        Err(error) => drop(clear(&error)),
    }
    thread::schedule(Class::Batch)
}

/// The same frames behind that, by a sender that several threads may have, until the ring is full and behind it.
fn share(connection: Connection, page: &Page) -> Result<(), SendError> {
    let attempt = page.get(ATTEMPT);
    let (sender, _receiver) = connection.split();
    let shared = sender.shared();
    for number in FRAMES..2 * FRAMES {
        shared.send_deadline(&frame(true, attempt, number), soon())?;
        page.set(SAID + attempt as usize, number + 1);
    }
    Ok(())
}
