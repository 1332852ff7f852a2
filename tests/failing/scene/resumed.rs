//! A client whose server goes, and comes again: what that one has not finished with is sent to the next one.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use ringway::{Connection, RecvError, Resumed};

use super::exchange::{Ends, is_end, until_end};
use super::{
    ATTEMPT, DONE, HEARD, Outcome, PEER_SAID, SAID, Scene, clear, for_a_client, judge, soon,
};
use crate::process::Page;

/// Frames that the first server is sent. It finishes with one of them.
const BEFORE: u64 = 3;
/// Frames in all. What comes behind the first ones is answered.
const ALL: u64 = BEFORE + 3;

thread_local! {
    /// What was not resumed is given back, and the next attempt goes on with it.
    static LOST: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// The client that fails.
pub(super) fn client(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut ends = Ends::failing(page);
    let lost = if let Some(lost) = LOST.take() {
        lost
    } else {
        let mut connection = scene.connect(path).map_err(|error| clear(&error))?;
        begin(&mut ends, &mut connection)?;
        match connection.receiver().recv_deadline(soon()).map(drop) {
            Err(end) if is_end(end) => connection,
            other => return Err(format!("exchange: the end was {other:?}")),
        }
    };
    match scene.config().resume(path, lost, soon()) {
        Ok(resumed) => go_on(&mut ends, &mut come(resumed)),
        Err(refusal) => {
            let text = clear(refusal.error());
            LOST.set(Some(refusal.into_connection()));
            Err(text)
        }
    }
}

/// Says the first frames.
fn begin(ends: &mut Ends<'_>, connection: &mut Connection) -> Outcome {
    for number in 0..BEFORE {
        let said = ends.say(connection, number);
        said.map_err(|error| format!("exchange: send: {error:?}"))?;
    }
    Ok(())
}

/// What is resumed has all that the first server has not finished with.
fn come(resumed: Resumed) -> Connection {
    assert_eq!(resumed.unseen() + resumed.in_doubt(), BEFORE - 1);
    let is_sound = resumed.redelivered.iter().all(|lane| lane.broken.is_none());
    assert!(is_sound, "{:?}", resumed.redelivered);
    resumed.connection
}

/// Says the others, and hears the answers.
fn go_on(ends: &mut Ends<'_>, connection: &mut Connection) -> Outcome {
    for number in BEFORE..ALL {
        let said = ends.say(connection, number);
        said.map_err(|error| format!("exchange: send: {error:?}"))?;
        let heard = ends.hear(connection);
        heard.map_err(|error| format!("exchange: receive: {error:?}"))?;
    }
    Ok(())
}

/// The server's first look at a connection: the number of its first frame, which tells whether it is new, and in which attempt that was sent.
fn first(connection: &mut Connection) -> Result<[u64; 2], RecvError> {
    let frame = connection.receiver().recv_deadline(soon())?.to_vec();
    let (attempt, number) = (frame[1], frame[2]);
    assert!(number < 2, "frame {number} is the first one");
    Ok([number, attempt].map(u64::from))
}

/// Hears the frames that were sent again, behind the first of these, and answers those behind them.
fn take_over(ends: &mut Ends<'_>, connection: &mut Connection) -> Result<(), String> {
    ends.heard = 2;
    for number in 2..ALL {
        ends.hear(connection)
            .map_err(|error| format!("receive: {error:?}"))?;
        if number >= BEFORE {
            let said = ends.say(connection, number - BEFORE);
            said.map_err(|error| format!("send: {error:?}"))?;
        }
    }
    Ok(())
}

/// The peer of the client.
pub(super) fn answer(mut connection: Connection, page: &Page) -> String {
    let [number, attempt] = match first(&mut connection) {
        Ok(first) => first,
        Err(end) => {
            assert!(is_end(end), "{end:?}");
            return format!("{end:?};");
        }
    };
    page.set(HEARD + attempt as usize, number + 1);
    if number == 0 {
        // All of them are there when it goes.
        let is_at_it = || page.get(ATTEMPT) == attempt && page.get(DONE) == 0;
        while page.get(SAID + attempt as usize) < BEFORE && is_at_it() {
            std::thread::yield_now();
        }
        return "begun;".to_owned();
    }
    let mut ends = Ends::of_peer(page);
    let outcome = take_over(&mut ends, &mut connection);
    let end = ends.hear_end(&mut connection);
    format!("{outcome:?}, {end:?};")
}

/// The server that fails: it closes its first connection, and lets the client in again.
pub(super) fn server(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut listener = scene.bind(path).map_err(|error| clear(&error))?;
    let receives = |error| format!("exchange: receive: {error:?}");
    loop {
        let accepted = listener.accept_deadline(for_a_client());
        let mut connection = accepted.map_err(|error| clear(&error))?;
        let [number, _] = first(&mut connection).map_err(receives)?;
        if number == 0 {
            while page.get(PEER_SAID) < BEFORE {
                std::thread::yield_now();
            }
            continue;
        }
        let taken = take_over(&mut Ends::failing(page), &mut connection);
        taken.map_err(|text| format!("exchange: {text}"))?;
        return until_end(&mut connection);
    }
}

/// The peer of that server.
pub(super) fn accompany(scene: Scene, page: &Page, path: &Path) -> String {
    let mut told = String::new();
    let mut lost = None;
    while page.get(DONE) == 0 {
        match ask(scene, page, path, &mut lost) {
            Ok(outcome) => told.push_str(&outcome),
            Err(error) => {
                judge(&error);
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
    told
}

/// Connects, or resumes what was lost.
fn ask(
    scene: Scene,
    page: &Page,
    path: &Path,
    lost: &mut Option<Connection>,
) -> Result<String, ringway::Error> {
    let mut ends = Ends::of_peer(page);
    let Some(old) = lost.take() else {
        let mut connection = scene.connect(path)?;
        page.set(PEER_SAID, 0);
        let begun = begin(&mut ends, &mut connection);
        page.set(PEER_SAID, BEFORE);
        let end = ends.hear_end(&mut connection);
        if begun.is_ok() {
            *lost = Some(connection);
        }
        return Ok(format!("{begun:?}, {end:?};"));
    };
    match scene.config().resume(path, old, soon()) {
        Ok(resumed) => {
            let mut connection = come(resumed);
            let outcome = go_on(&mut ends, &mut connection);
            Ok(format!("resumed: {outcome:?};"))
        }
        Err(refusal) => {
            judge(refusal.error());
            *lost = Some(refusal.into_connection());
            std::thread::sleep(Duration::from_micros(200));
            Ok(String::new())
        }
    }
}
