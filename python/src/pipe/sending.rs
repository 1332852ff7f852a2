//! Messages on their way into a ring.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ringway::SendError;

use super::ends;
use super::pickling::{self, Pickled};
use super::plain::{self, Written};
use super::{ABORT, BYTES, CONSTANT, DATA, LONG, NEXT_BUFFER, PICKLE, PLAIN, RAW, WORD};
use crate::buffer::Payload;
use crate::direct::Function;
use crate::errors::not_sent;
use crate::half::State;
use crate::sender::Sender;
use crate::waits;

/// The longest message that is one frame.
const WHOLE: usize = 16 << 10;
/// Bytes of a longer one that become visible at once, in a frame: the receiver copies them while the next ones are written.
const CHUNK: usize = 16 << 10;
/// So many bytes are copied with the interpreter's lock held before others have their turn: some hundred microseconds.
const HELD_BYTES: usize = 1 << 20;
/// The kernel is asked whether the peer lives, by who sends, after so long.
const CHECK: Duration = Duration::from_millis(1);

/// What a half that sends messages remembers between two of them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// A message was begun and not finished, because something was raised meanwhile.
    torn: bool,
    /// When the kernel was asked last.
    checked: Option<Instant>,
}

/// `_pipe_send_object(sender, object)`: sends an object, waiting for room.
pub(crate) struct SendObject;

impl Function for SendObject {
    const NAME: &'static CStr = c"_pipe_send_object";
    type Half = Sender;
    const MORE: usize = 1;

    #[inline]
    fn perform<'py>(
        py: Python<'py>,
        sender: &Sender,
        more: &[Borrowed<'_, 'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let object = &*more[0];
        if object.is_exact_instance_of::<PyBytes>() {
            send(py, sender, RAW, &Payload::of(object)?)?;
        } else if let Some(written) = plain::written(object) {
            if written.payloads.is_empty() {
                send(py, sender, PLAIN, &Payload::Bytes(&written.bytes))?;
            } else {
                send_beside(py, sender, &written)?;
            }
        } else {
            match pickling::pickled(object)? {
                Pickled::Whole(bytes) => {
                    send(py, sender, PICKLE, &Payload::Bytes(bytes.as_bytes()))?;
                }
                Pickled::Pieces(pieces) => send_pieces(py, sender, &pieces)?,
            }
        }
        Ok(py.None().into_bound(py))
    }
}

/// `_pipe_send_pieces(sender, kind, pieces)`: sends what `_pipe_dump` has made.
pub(crate) struct SendPieces;

impl Function for SendPieces {
    const NAME: &'static CStr = c"_pipe_send_pieces";
    type Half = Sender;
    const MORE: usize = 2;

    fn perform<'py>(
        py: Python<'py>,
        sender: &Sender,
        more: &[Borrowed<'_, 'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let kind: u16 = more[0].extract()?;
        let pieces: Vec<Bound<'py, PyAny>> = more[1].extract()?;
        match pieces.as_slice() {
            [piece] => send(py, sender, kind, &Payload::of(piece)?)?,
            pieces => send_pieces(py, sender, pieces)?,
        }
        Ok(py.None().into_bound(py))
    }
}

/// `_pipe_send_bytes(sender, buffer)`: sends the bytes of a buffer.
pub(crate) struct SendBytes;

impl Function for SendBytes {
    const NAME: &'static CStr = c"_pipe_send_bytes";
    type Half = Sender;
    const MORE: usize = 1;

    #[inline]
    fn perform<'py>(
        py: Python<'py>,
        sender: &Sender,
        more: &[Borrowed<'_, 'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        send(py, sender, BYTES, &Payload::of(&more[0])?)?;
        Ok(py.None().into_bound(py))
    }
}

fn send(py: Python<'_>, sender: &Sender, kind: u16, payload: &Payload<'_, '_>) -> PyResult<()> {
    let len = payload.bytes().len();
    if len <= WHOLE.min(chunk(sender)) {
        // No slice is kept while the interpreter's lock is given up.
        return in_turn(py, sender, |lane, _, now| {
            frame(py, lane, &sender.half.state, now, len, |lane| {
                lane.try_send_kind(kind, payload.bytes())
            })
        });
    }
    let words = [len as u64, 0];
    let parts = [Part {
        payload,
        until: len,
    }];
    long(py, sender, kind, &words, &parts)
}

/// Sends an object of plain types, with long `bytes` in it.
fn send_beside(py: Python<'_>, sender: &Sender, written: &Written<'_>) -> PyResult<()> {
    let bytes = Payload::Bytes(&written.bytes);
    let payloads: Vec<Payload<'_, '_>> = written
        .payloads
        .iter()
        .map(Payload::of)
        .collect::<PyResult<_>>()?;
    let mut words = vec![written.bytes.len() as u64, payloads.len() as u64];
    for payload in &payloads {
        words.extend([payload.bytes().len() as u64 | CONSTANT, 0]);
    }
    let parts: Vec<Part<'_, '_, '_>> = std::iter::once(&bytes)
        .chain(&payloads)
        .map(|payload| Part {
            payload,
            until: payload.bytes().len(),
        })
        .collect();
    long(py, sender, PLAIN, &words, &parts)
}

/// Sends a pickle that came in several pieces.
#[cold]
fn send_pieces(py: Python<'_>, sender: &Sender, pieces: &[Bound<'_, PyAny>]) -> PyResult<()> {
    let pieces: Vec<Payload<'_, '_>> = pieces.iter().map(Payload::of).collect::<PyResult<_>>()?;
    let split = pickling::split(&pieces, chunk(sender) / (4 * WORD));
    let next = Payload::Bytes(&[NEXT_BUFFER]);
    let mut parts = Vec::with_capacity(pieces.len() * 2);
    // Behind a piece that was cut stands its payload's opcode.
    let mut payloads = split.payloads.iter().map(|(_, _, at)| *at).peekable();
    let mut len = 0;
    for (index, until) in &split.pickle {
        parts.push(Part {
            payload: &pieces[*index],
            until: *until,
        });
        len += until;
        if payloads.next_if_eq(&len).is_some() {
            parts.push(Part {
                payload: &next,
                until: 1,
            });
            len += 1;
        }
    }
    let chunk = chunk(sender);
    if split.payloads.is_empty() && len <= WHOLE.min(chunk) {
        return in_turn(py, sender, |lane, _, now| {
            frame(py, lane, &sender.half.state, now, len, |lane| {
                let mut reservation = lane.try_reserve(len)?;
                let mut at = 0;
                for part in &parts {
                    let bytes = part.bytes();
                    reservation[at..at + bytes.len()].copy_from_slice(bytes);
                    at += bytes.len();
                }
                reservation.kind(PICKLE).commit();
                Ok(())
            })
        });
    }
    let mut words = vec![len as u64, split.payloads.len() as u64];
    for (_, told, at) in &split.payloads {
        words.extend([*told, *at as u64]);
    }
    parts.extend(split.payloads.iter().map(|(index, _, _)| Part {
        payload: &pieces[*index],
        until: pieces[*index].bytes().len(),
    }));
    long(py, sender, PICKLE, &words, &parts)
}

/// The longest frame of a message that is longer.
fn chunk(sender: &Sender) -> usize {
    let most = sender.longest().min(sender.ring_capacity() / 8);
    CHUNK.min(most)
}

/// A piece of a message, and how much of it.
struct Part<'a, 'b, 'py> {
    payload: &'a Payload<'b, 'py>,
    until: usize,
}

impl Part<'_, '_, '_> {
    fn bytes(&self) -> &[u8] {
        &self.payload.bytes()[..self.until]
    }
}

/// Takes the half for one message.
#[inline]
fn in_turn(
    py: Python<'_>,
    sender: &Sender,
    work: impl FnOnce(&mut ringway::Sender, &mut Progress, Instant) -> PyResult<()>,
) -> PyResult<()> {
    let half = &sender.half;
    let within = || {
        let mut outbox = half.enter(py, None)?;
        let (lane, progress) = outbox.parts(py)?;
        let now = Instant::now();
        // The fault that is planted below would be made up for by it.
        if progress
            .checked
            .is_none_or(|checked| now >= checked + CHECK)
            && !cfg!(ringway_planted = "unheard_goodbye")
        {
            progress.checked = Some(now);
            lane.check().map_err(|error| not_sent(py, error))?;
        }
        if progress.torn {
            frame(py, lane, &half.state, now, 0, |lane| {
                lane.try_send_kind(ABORT, &[])
            })?;
            progress.torn = false;
        }
        work(lane, progress, now)
    };
    within().map_err(|error| ends::not_sent(py, error, &half.state))
}

/// Sends a frame, waiting for room, unless the peer is known to be gone.
#[inline]
fn frame(
    py: Python<'_>,
    lane: &mut ringway::Sender,
    state: &State,
    now: Instant,
    len: usize,
    mut attempt: impl FnMut(&mut ringway::Sender) -> Result<(), SendError>,
) -> PyResult<()> {
    loop {
        // Where there is room this looks into shared memory only, for the goodbye too.
        #[cfg(not(ringway_planted = "unheard_goodbye"))]
        let room = lane.wait_for_room(len, Some(now));
        #[cfg(ringway_planted = "unheard_goodbye")]
        let (room, _) = (Ok(()), now);
        match room {
            Ok(()) => match attempt(lane) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {}
                Err(error) => return Err(not_sent(py, error)),
            },
            Err(SendError::TimedOut | SendError::Interrupted) => {
                waits::for_room(py, lane, len, state, None)?;
            }
            Err(error) => return Err(not_sent(py, error)),
        }
    }
}

/// Sends a message of several frames: its head, with as much of its parts as one frame holds, and the rest of them. `words` are what the head tells.
///
/// A short head before long frames would not do: from the first of what comes at once a receiver judges how many there are, and how long to stay away from a sender that is so busy (`wake::slip` of the library).
fn long(
    py: Python<'_>,
    sender: &Sender,
    kind: u16,
    words: &[u64],
    parts: &[Part<'_, '_, '_>],
) -> PyResult<()> {
    let (state, chunk) = (&sender.half.state, chunk(sender));
    let sizes: Vec<usize> = parts.iter().map(|part| part.until).collect();
    in_turn(py, sender, |lane, progress, now| {
        // Where the next frame begins: a part, and a place in it. No slice is kept while the interpreter's lock is given up.
        let mut next = (0, 0);
        let head = words.len() * WORD;
        let first = chunk.max(head).min(head + sizes.iter().sum::<usize>());
        progress.torn = true;
        frame(py, lane, state, now, first, |lane| {
            let mut reservation = lane.try_reserve(first)?;
            let (told, mut room) = reservation.split_at_mut(head);
            for (place, word) in told.chunks_exact_mut(WORD).zip(words) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            next = (0, 0);
            while !room.is_empty() {
                let (part, at) = next;
                let bytes = &parts[part].bytes()[at..];
                let taken = bytes.len().min(room.len());
                let (place, rest) = room.split_at_mut(taken);
                place.copy_from_slice(&bytes[..taken]);
                room = rest;
                next = if taken == bytes.len() {
                    (part + 1, 0)
                } else {
                    (part, at + taken)
                };
            }
            reservation.kind(kind | LONG).commit();
            Ok(())
        })?;
        let mut since = first;
        loop {
            let mut group = lane.group();
            let (mut sent, mut refused, mut done) = (0, None, false);
            while sent < chunk {
                let (part, at) = next;
                if part == parts.len() {
                    done = true;
                    break;
                }
                if at == sizes[part] {
                    next = (part + 1, 0);
                    continue;
                }
                let end = sizes[part].min(at + chunk);
                let bytes = &parts[part].bytes()[at..end];
                if let Err(error) = group.try_send_kind(DATA, bytes) {
                    refused = Some((error, bytes.len()));
                    break;
                }
                sent += bytes.len();
                next = (part, end);
            }
            drop(group);
            match refused {
                _ if done => break,
                Some((SendError::Full, len)) => {
                    waits::for_room(py, lane, len, state, None)?;
                    since = 0;
                }
                Some((error, _)) => return Err(not_sent(py, error)),
                None => since += sent,
            }
            if since >= HELD_BYTES {
                // Other threads have their turn, and signals.
                py.detach(|| ());
                py.check_signals()?;
                since = 0;
            }
        }
        progress.torn = false;
        Ok(())
    })
}
