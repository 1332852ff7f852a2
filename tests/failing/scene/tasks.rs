//! Connections in tasks of tokio. The runtime is there before anything fails: what it does without its calls is its own affair.

use std::cell::OnceCell;
use std::path::Path;
use std::time::Duration;

use ringway::tokio::{Connection, Listener, connect_with};
use ringway::{RecvError, SendError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::exchange::{Ends, FRAMES, ROUNDS, receives, sends};
use super::{Outcome, Scene, clear, for_a_client};
use crate::process::Page;

const LIMIT: Duration = Duration::from_secs(25);

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

pub(super) fn prepare() {
    RUNTIME.with(|runtime| {
        runtime.get_or_init(|| Builder::new_current_thread().enable_all().build().unwrap());
    });
}

/// The failing process's, beside which a peer is that waits in its thread.
pub(super) fn attempt(scene: Scene, page: &Page, path: &Path) -> Outcome {
    RUNTIME.with(|runtime| {
        let attempt = exchange(scene, page, path);
        runtime.get().expect("it was prepared").block_on(attempt)
    })
}

async fn exchange(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut ends = Ends::failing(page);
    let mut connection = if scene.connects() {
        let connection = connect_with(&scene.config(), path).await;
        connection.map_err(|error| clear(&error))?
    } else {
        let listener = scene.bind(path).map_err(|error| clear(&error))?;
        let mut listener = Listener::new(listener).map_err(|error| clear(&error))?;
        let accepted = tokio::time::timeout_at(for_a_client().into(), listener.accept()).await;
        let accepted = accepted.map_err(|_| "nobody could be let in".to_owned())?;
        accepted.map_err(|error| clear(&error))?
    };
    let converse = converse(&mut ends, &mut connection, scene.connects());
    let outcome = timeout(LIMIT, converse).await;
    let outcome = outcome.unwrap_or_else(|_| Err("TimedOut".to_owned()));
    outcome.map_err(|text| format!("exchange: {text}"))
}

/// As in `exchange.rs`, from one end: `first` speaks first. Who does not waits for the goodbye.
async fn converse(
    ends: &mut Ends<'_>,
    connection: &mut Connection,
    first: bool,
) -> Result<(), String> {
    for number in 0..ROUNDS {
        if first {
            say(ends, connection, number).await.map_err(sends)?;
        }
        hear(ends, connection).await.map_err(receives)?;
        if !first {
            say(ends, connection, number).await.map_err(sends)?;
        }
    }
    for turn in [true, false] {
        for number in ROUNDS..FRAMES {
            if first == turn {
                say(ends, connection, number).await.map_err(sends)?;
            } else {
                hear(ends, connection).await.map_err(receives)?;
            }
        }
    }
    if first {
        return Ok(());
    }
    match connection.receiver().recv().await.map(drop) {
        Err(RecvError::Closed) => Ok(()),
        other => Err(format!("the end was {other:?}")),
    }
}

async fn say(
    ends: &mut Ends<'_>,
    connection: &mut Connection,
    number: u64,
) -> Result<(), SendError> {
    let bytes = ends.to_say(number);
    connection.sender().send(&bytes).await?;
    ends.has_said(number);
    Ok(())
}

async fn hear(ends: &mut Ends<'_>, connection: &mut Connection) -> Result<(), RecvError> {
    let bytes = connection.receiver().recv().await?.to_vec();
    ends.has_heard(&bytes);
    Ok(())
}
