//! The cases that `ringway chaos` torments: frames both ways without end, until the other side is killed.
//!
//! What both sides count is in a file of each, written around every call: it outlives whoever is killed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use ringway::{Receiver, RecvError, SendError, Sender};

use super::{LONG, Outcome, meet, patient, payload, say};

/// Frames that were about to be sent, that were sent, and that were taken.
struct Counts {
    file: File,
    tried: u64,
    sent: u64,
    taken: u64,
}

impl Counts {
    fn tell(&self, line: u64, number: u64) -> Outcome {
        let text = format!("{number:020}\n");
        Ok(self.file.write_all_at(text.as_bytes(), line * 21)?)
    }

    fn will_send(&mut self, count: u64) -> Outcome {
        self.tried += count;
        self.tell(0, self.tried)
    }

    fn has_sent(&mut self, count: u64) -> Outcome {
        self.sent += count;
        self.tell(1, self.sent)
    }

    /// A frame that is the next one, whole.
    fn takes(&mut self, found: &[u8]) -> Outcome {
        if found != frame(self.taken) {
            let number = found
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes));
            let (len, due) = (found.len(), self.taken);
            println!("a frame of {len} bytes, number {number}, where number {due} was due");
            return Err("a frame is lost, twice there, or broken".into());
        }
        self.taken += 1;
        self.tell(2, self.taken)
    }
}

/// How many frames a burst has.
fn burst(number: u64) -> u64 {
    1 + number * 7 % 24
}

/// A frame: its number, and bytes of all values.
fn frame(number: u64) -> Vec<u8> {
    let len = if number % 50 == 49 {
        5008
    } else {
        8 + number * 37 % 300
    };
    let mut made = payload(usize::try_from(len).unwrap_or(0));
    made[..8].copy_from_slice(&number.to_le_bytes());
    made
}

pub(super) fn endless(serves: bool, address: &Path) -> Outcome {
    let side = if serves { "serve" } else { "connect" };
    let mut counts = Counts {
        file: File::create(format!("{}.{side}.counts", address.display()))?,
        tried: 0,
        sent: 0,
        taken: 0,
    };
    counts.tell(0, 0)?;
    counts.tell(1, 0)?;
    counts.tell(2, 0)?;
    // What a process keeps to its end is made for its first connection.
    let mut first = address.as_os_str().to_owned();
    first.push(".first");
    drop(meet(serves, Path::new(&first), &patient())?);
    let before = held()?;
    let (mut sender, mut receiver) = meet(serves, address, &patient())?;
    step("met")?;
    let told = exchange(&mut sender, &mut receiver, &mut counts)?;
    say::<(), _>(Err(told));
    say(sender.check());
    drop((sender, receiver));
    let after = held()?;
    println!(
        "{} descriptors and {} mappings",
        after.0 - before.0,
        after.1 - before.1
    );
    Ok(())
}

/// What the receiving half is told at the end.
fn exchange(
    sender: &mut Sender,
    receiver: &mut Receiver,
    counts: &mut Counts,
) -> Outcome<RecvError> {
    for number in 0.. {
        let sent = send(sender, number, counts)?;
        let until = counts.taken
            + if sent.is_ok() {
                burst(number)
            } else {
                u64::MAX / 2
            };
        while counts.taken < until {
            let most = usize::try_from(until - counts.taken).unwrap_or(usize::MAX);
            let most = if number % 2 == 0 { 1 } else { most };
            match receiver.recv_batch_deadline(most, Instant::now() + LONG) {
                Ok(mut frames) => {
                    while let Some(frame) = frames.next_frame() {
                        counts.takes(&frame.to_vec())?;
                    }
                }
                Err(told) => return Ok(told),
            }
        }
    }
    Err("there are no numbers left".into())
}

/// A burst: one by one, in place, or together.
fn send(sender: &mut Sender, number: u64, counts: &mut Counts) -> Outcome<Result<(), SendError>> {
    let frames = (counts.tried..).take(usize::try_from(burst(number))?);
    let frames: Vec<_> = frames.map(frame).collect();
    if number % 3 == 2 {
        counts.will_send(frames.len() as u64)?;
        let mut group = sender.group();
        let mut count = 0;
        for frame in &frames {
            if let Err(error) = group.send(frame) {
                return Ok(Err(error));
            }
            count += 1;
        }
        group.publish();
        counts.has_sent(count)?;
        return Ok(Ok(()));
    }
    for frame in &frames {
        counts.will_send(1)?;
        let deadline = Instant::now() + LONG;
        let sent = if number % 3 == 0 {
            sender.send_deadline(frame, deadline)
        } else {
            sender
                .reserve_deadline(frame.len(), deadline)
                .map(|mut room| {
                    room.copy_from_slice(frame);
                    room.commit();
                })
        };
        if sent.is_err() {
            return Ok(sent);
        }
        counts.has_sent(1)?;
    }
    Ok(Ok(()))
}

/// Descriptors that are open, and mappings of the library.
fn held() -> Outcome<(i64, i64)> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let ours = maps.lines().filter(|line| line.contains("memfd:ringway"));
    let descriptors = fs::read_dir("/proc/self/fd")?.count();
    Ok((i64::try_from(descriptors)?, i64::try_from(ours.count())?))
}

/// A labelled step, by hand: the library has none in this build.
fn step(label: &str) -> Outcome {
    let Ok(line) = std::env::var("RINGWAY_CHAOS") else {
        return Ok(());
    };
    let number: i32 = line.split(':').next().unwrap_or("").parse()?;
    // SAFETY: `ringway chaos` has left it open for us, and nobody closes it.
    let line = unsafe { BorrowedFd::borrow_raw(number) };
    let mut line = File::from(line.as_fd().try_clone_to_owned()?);
    line.write_all(label.as_bytes())?;
    line.read_exact(&mut [0])?;
    Ok(())
}
