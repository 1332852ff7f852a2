//! Who survives one that was killed behind one instruction of a resume. Both are the library's: the server of a client that has left just the bytes of a snapshot; and the client of a server that
//! has, with the next server that it goes to.

use std::path::Path;
use std::time::Duration;

use ringway::{Connection, Listener, RecvError, Redelivery};

use super::{ALL, CARRIED, Case, Fate, Found, config, fault, fault_of, reply, script};
use crate::operation::{GO, READY, Side, soon};
use crate::peer::{self, Segment};
use crate::process::{Child, Page, fork, watchdog};
use crate::record::{Recording, Snapshot};

/// How many frames the third server has found, and each of them: where in the page.
const COUNT: usize = 30;

/// Takes on the bytes of a snapshot, and is killed.
fn die_as(own: &Segment, bytes: &[u8]) {
    for (index, word) in bytes.chunks_exact(8).enumerate() {
        own.set(8 * index, u64::from_ne_bytes(word.try_into().unwrap()));
    }
    // SAFETY: no memory is passed.
    unsafe { libc::raise(libc::SIGKILL) };
}

/// All that comes to a server until the end.
pub(super) fn drain(case: &Case, connection: &mut Connection) -> (Vec<Found>, RecvError) {
    let mut found = Vec::new();
    loop {
        match connection.receiver().recv_deadline(soon()) {
            Ok(frame) => {
                // None of them: a number that is never right.
                let index = case.index(&frame.to_vec()).unwrap_or(ALL);
                found.push((index, frame.redelivery()));
            }
            Err(end) => return (found, end),
        }
    }
}

/// Notes what was found, for the parent to read.
pub(super) fn note(page: &Page, found: &[Found]) {
    for (at, (index, said)) in found.iter().enumerate() {
        let said = match said {
            Redelivery::First => 0,
            Redelivery::Unseen => 1,
            Redelivery::InDoubt => 2,
        };
        page.set(COUNT + 1 + at, 10 * *index as u64 + said);
    }
    page.set(COUNT, found.len() as u64);
}

/// What a child has noted.
pub(super) fn noted(page: &Page) -> Vec<Found> {
    let all = [Redelivery::First, Redelivery::Unseen, Redelivery::InDoubt];
    let found = |at| {
        let word = page.get(COUNT + 1 + at) as usize;
        (word / 10, all[word % 10])
    };
    (0..page.get(COUNT) as usize).map(found).collect()
}

/// The third server: greets, and takes all that comes.
pub(super) fn third(case: &Case, page: &Page, path: &Path) {
    let mut listener = config().bind(path).unwrap();
    let mut connection = listener.accept_deadline(soon()).unwrap();
    connection.sender().send(b"next").unwrap();
    let (found, end) = drain(case, &mut connection);
    assert_eq!(end, RecvError::Closed);
    note(page, &found);
}

/// The second server, as a script, which ends with a snapshot; before it the first one, that the client knows of.
fn doomed(case: &Case, page: &Page, path: &Path, bytes: &[u8]) {
    let listener = peer::listen(path);
    page.set(crate::operation::BOUND, 1);
    // A process that lives on and says nothing would be given time to end.
    script::first(case, page, &listener, drop, true);
    let own = Segment::new(1);
    let _line = script::admit(&listener, &own, case.position(0));
    page.until(READY, 1);
    die_as(&own, bytes);
}

/// What a client finds whose second server ends with a snapshot.
fn client(case: &Case, path: &Path, snapshot: &Snapshot) -> Result<Fate, String> {
    let page = Page::new();
    let mut second = fork(|| {
        watchdog(Duration::from_secs(60));
        doomed(case, &page, path, &snapshot.bytes);
    });
    let lost = case.orphan(&page, path);
    let resumed = config().resume(path, lost, soon()).unwrap();
    let mut connection = resumed.connection;
    connection.sender().send(&case.body(CARRIED)).unwrap();
    page.set(READY, 1);
    second.reap_killed();
    let mut answered = 0;
    let end = loop {
        match connection.receiver().recv_deadline(soon()) {
            Ok(frame) if frame.to_vec() == reply(answered) => answered += 1,
            Ok(frame) => return Err(format!("answer {answered} is {:?}", frame.to_vec())),
            Err(end) => break end,
        }
    };
    if end != RecvError::PeerDied {
        return Err(format!("the end was {end:?}"));
    }
    let mut next = fork(|| {
        watchdog(Duration::from_secs(60));
        third(case, &page, path);
    });
    let resumed = match config().resume(path, connection, soon()) {
        Ok(resumed) => resumed,
        Err(not) => return Err(format!("not resumed: {not}")),
    };
    let said = resumed.redelivered[0];
    drop(resumed.connection);
    assert_eq!(next.reap(), 0, "the third server ends well");
    let fate = Fate {
        handled: snapshot.handled,
        answered,
        again: noted(&page),
    };
    drop((second, next));
    page.unmap();
    let _ = std::fs::remove_file(path);
    let doubted = |found: &&Found| found.1 == Redelivery::InDoubt;
    let in_doubt = fate.again.iter().filter(doubted).count() as u64;
    if said.broken.is_some() || said.in_doubt != in_doubt {
        return Err(format!("the client was told {said:?}: {fate:?}"));
    }
    Ok(fate)
}

/// What a server finds of a client that ends with a snapshot, in the line's connection `generation`.
fn server(listener: &mut Listener, case: &Case, generation: u32, bytes: &[u8]) -> Vec<Found> {
    let page = Page::new();
    let path = listener.path().to_path_buf();
    let mut dead: Child = fork(|| {
        watchdog(Duration::from_secs(60));
        let own = Segment::new(1);
        let _line = script::enter(&path, &own, generation, case.position(0));
        page.until(GO, 1);
        die_as(&own, bytes);
    });
    let mut connection = listener.accept_deadline(soon()).unwrap();
    page.set(GO, 1);
    dead.reap_killed();
    let (found, end) = drain(case, &mut connection);
    // The one that was resumed is closed in order in the end.
    let ended = end == RecvError::PeerDied || (generation == 0 && end == RecvError::Closed);
    assert!(ended, "{end:?}");
    drop(dead);
    page.unmap();
    found
}

/// Looks at every snapshot of a client's.
fn of_client(case: &Case, recording: &Recording, path: &Path) -> Option<String> {
    let mut listener = config().bind(path).unwrap();
    let (mut last, mut before): (Option<&Snapshot>, [Vec<Found>; 2]) = (None, Default::default());
    for snapshot in &recording.snapshots {
        let wrong = |fault: String| {
            let (step, address) = (snapshot.step, snapshot.address);
            Some(format!(
                "{case:?}: behind step {step} ({address:#x}): {fault}"
            ))
        };
        if last.is_none_or(|last| last.bytes != snapshot.bytes) {
            before[1] = server(&mut listener, case, 1, &snapshot.bytes);
        }
        if last.is_none_or(|last| last.old != snapshot.old) {
            before[0] = server(&mut listener, case, 0, &snapshot.old);
        }
        last = Some(snapshot);
        let [old, new] = &before;
        if let Some(fault) = fault_of(new, snapshot.handled[0]) {
            return wrong(fault);
        }
        // Of the old ring, who looked at it still would find all or nothing, and nothing in the end.
        let first = |(index, found): (usize, &Found)| *found == (index, Redelivery::First);
        if ![0, CARRIED].contains(&old.len()) || !old.iter().enumerate().all(first) {
            return wrong(format!("neither nothing nor all in the old ring: {old:?}"));
        }
        if old.is_empty() && new.is_empty() {
            return wrong("lost: in neither ring".to_owned());
        }
        if snapshot.handled[0] > 0 && !old.is_empty() {
            return wrong(format!("still in the old ring: {old:?}"));
        }
    }
    None
}

/// Looks at every snapshot of a recording. Returns the first fault.
pub(super) fn look(case: &Case, recording: &Recording, path: &Path) -> Option<String> {
    if case.side == Side::Client {
        return of_client(case, recording, path);
    }
    let fault_of = |snapshot: &Snapshot| {
        let found = client(case, path, snapshot).map(|fate| fault(&fate));
        let fault = found.unwrap_or_else(Some)?;
        let (step, address) = (snapshot.step, snapshot.address);
        Some(format!(
            "{case:?}: behind step {step} ({address:#x}): {fault}"
        ))
    };
    // Whom no Ready has come from, behind its Welcome, is nobody's server.
    let served = recording.snapshots.iter().filter(|it| it.sent >= 2);
    served.clone().next().expect("it comes to a Ready");
    served.map(fault_of).find_map(|fault| fault)
}
