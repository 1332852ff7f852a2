//! Every way of sending, drawn anew for every few frames of a stream.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};
use ringway::batch::{Batcher, Bounds};
use ringway::{Arm, SendError, Sender};

use crate::frames::Frames;
use crate::process::Random;
use crate::tally::{Count, Tally};
use crate::terms::soon;

/// Sends frames 0 to `count`.
pub(crate) fn send_all(
    mut sender: Sender,
    frames: Frames,
    count: u64,
    draw: &mut Random,
    tally: &mut Tally,
) -> Sender {
    let mut number = 0;
    let mut frame = Vec::new();
    while number < count {
        let end = count.min(number + 1 + draw.below(60));
        let way = draw.below(9);
        if way < 2 {
            tally.add(Count::Batches, 1);
            sender = batch(sender, frames, number..end, way == 0, draw);
            number = end;
            continue;
        }
        if way == 2 {
            sender = shared(sender, frames, number..end);
            number = end;
            continue;
        }
        for number in number..end {
            frames.write(number, &mut frame);
            match way {
                3 => when_there_is_room(&mut sender, &frame, draw.below(2) == 0),
                4 => in_place(&mut sender, &frame, draw),
                5 => sender
                    .send_kind_deadline(number as u16, &frame, soon())
                    .unwrap(),
                _ => sender.send_deadline(&frame, soon()).unwrap(),
            }
        }
        number = end;
    }
    sender
}

/// By a batcher, or in a group.
fn batch(
    mut sender: Sender,
    frames: Frames,
    numbers: std::ops::Range<u64>,
    by_batcher: bool,
    draw: &mut Random,
) -> Sender {
    let mut frame = Vec::new();
    if by_batcher {
        let most = 1 + draw.below(20) as u32;
        let mut batcher = Batcher::new(sender, Bounds::new().frames(most));
        for number in numbers {
            frames.write(number, &mut frame);
            batcher.send_deadline(&frame, soon()).unwrap();
            if draw.below(8) == 0 {
                batcher.flush_due(Instant::now());
            }
        }
        return batcher.into_sender();
    }
    let mut group = sender.group();
    for number in numbers {
        frames.write(number, &mut frame);
        if draw.below(4) == 0 {
            // One that is given up is not seen.
            drop(group.reserve(frame.len().min(64)).unwrap());
        }
        group.send_deadline(&frame, soon()).unwrap();
    }
    match draw.below(2) {
        0 => group.publish(),
        _ => drop(group),
    }
    sender
}

fn shared(sender: Sender, frames: Frames, numbers: std::ops::Range<u64>) -> Sender {
    let shared = sender.shared();
    let mut frame = Vec::new();
    for number in numbers {
        frames.write(number, &mut frame);
        shared.send_deadline(&frame, soon()).unwrap();
    }
    shared.into_sender().expect("nobody else has it")
}

/// Without waiting, and when there is none, behind a wait for it.
fn when_there_is_room(sender: &mut Sender, frame: &[u8], by_descriptor: bool) {
    loop {
        match sender.try_send(frame) {
            Ok(()) => return,
            Err(SendError::Full) if by_descriptor => {
                while sender.arm(frame.len()).unwrap() == Arm::Armed {
                    sleep(&*sender);
                }
            }
            Err(SendError::Full) => sender.wait_for_room(frame.len(), Some(soon())).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// In the ring itself; perhaps behind one that is given up, and of more room than it takes.
fn in_place(sender: &mut Sender, frame: &[u8], draw: &mut Random) {
    if draw.below(4) == 0 {
        drop(sender.reserve_deadline(frame.len(), soon()).unwrap());
    }
    if draw.below(2) == 0 {
        let mut place = sender.reserve_deadline(frame.len(), soon()).unwrap();
        place.copy_from_slice(frame);
        return place.commit();
    }
    let room = (frame.len() + draw.below(100) as usize).min(sender.max_payload());
    let mut place = sender.reserve_deadline(room, soon()).unwrap();
    place[..frame.len()].copy_from_slice(frame);
    place.commit_len(frame.len());
}

/// Until the descriptor of an armed half says that there may be something.
pub(crate) fn sleep(half: &impl AsFd) {
    let mut entries = [PollFd::new(half.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut entries, 60_000_u16).unwrap();
    assert_eq!(ready, 1, "a wake was lost");
}
