//! Every way of receiving, drawn anew for every few frames of a stream.

use ringway::{Arm, Receiver, RecvError};

use crate::frames::{Frames, LARGEST};
use crate::process::Random;
use crate::send::sleep;
use crate::tally::{Count, Tally};
use crate::terms::soon;

/// A stream that is received and checked.
struct Stream<'a> {
    frames: Frames,
    /// The next one's number.
    number: u64,
    scratch: Vec<u8>,
    tally: &'a mut Tally,
}

impl Stream<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.frames.check(self.number, bytes, &mut self.scratch);
        self.number += 1;
        self.tally.received(bytes.len());
    }
}

/// Receives frames 0 to `count`.
pub(crate) fn receive_all(
    receiver: &mut Receiver,
    frames: Frames,
    count: u64,
    draw: &mut Random,
    tally: &mut Tally,
) {
    let mut stream = Stream {
        frames,
        number: 0,
        scratch: Vec::new(),
        tally,
    };
    let mut buffer = vec![0; LARGEST];
    while stream.number < count {
        let end = count.min(stream.number + 1 + draw.below(60));
        let way = draw.below(9);
        while stream.number < end {
            let left = end - stream.number;
            match way {
                0 => held(receiver, &mut stream, left, draw),
                1 => batch(receiver, &mut stream, left, draw),
                2 => in_parts(receiver, &mut stream, draw),
                3 => when_it_is_there(receiver, &mut stream, &mut buffer, draw),
                4 => {
                    // Into exactly as much as it has, and at first into too little.
                    let length = stream.frames.length(stream.number);
                    let short = receiver.recv_into_deadline(&mut buffer[..length - 1], soon());
                    let long = Err(RecvError::Truncated { len: length });
                    assert_eq!(short, long, "the length is not what was sent");
                    receiver
                        .recv_into_deadline(&mut buffer[..length], soon())
                        .unwrap();
                    stream.take(&buffer[..length]);
                }
                5 => {
                    let frame = receiver.recv_deadline(soon()).unwrap().to_vec();
                    stream.take(&frame);
                }
                _ => {
                    // With so much room a large one is followed while it arrives.
                    let length = receiver.recv_into_deadline(&mut buffer, soon()).unwrap();
                    stream.take(&buffer[..length]);
                }
            }
        }
    }
}

/// Some are read and kept, and read again from the first one on; then they are released.
fn held(receiver: &mut Receiver, stream: &mut Stream<'_>, most: u64, draw: &mut Random) {
    receiver.hold(true);
    let first = receiver.recv_deadline(soon()).unwrap();
    let mut kept = vec![first.to_vec()];
    drop(first);
    while (kept.len() as u64) < most.min(1 + draw.below(20)) {
        // Who waits for more than is there may wait for a sender that has no room.
        match receiver.try_recv() {
            Ok(frame) => kept.push(frame.to_vec()),
            Err(RecvError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(receiver.rewind() > 0);
    stream.tally.add(Count::Rewinds, 1);
    for frame in kept {
        assert!(
            receiver.try_recv().unwrap().to_vec() == frame,
            "frame {} is not what was sent when it is read again",
            stream.number
        );
        stream.take(&frame);
    }
    receiver.release();
    receiver.hold(false);
}

/// Those that are there, of which some may be left to the next call.
fn batch(receiver: &mut Receiver, stream: &mut Stream<'_>, most: u64, draw: &mut Random) {
    let most = 1 + draw.below(most) as usize;
    let mut frames = receiver.recv_batch_deadline(most, soon()).unwrap();
    stream.tally.add(Count::Batches, 1);
    let taken = if draw.below(4) == 0 { 1 } else { most };
    for _ in 0..taken {
        let Some(frame) = frames.next_frame() else {
            break;
        };
        stream.take(&frame.to_vec());
    }
}

fn in_parts(receiver: &mut Receiver, stream: &mut Stream<'_>, draw: &mut Random) {
    let frame = receiver.recv_deadline(soon()).unwrap();
    let mut copy = Vec::new();
    let part = 1 + draw.below(frame.len() as u64) as usize;
    let mut some = vec![0; part];
    while copy.len() < frame.len() {
        let copied = frame.copy_at(copy.len(), &mut some);
        copy.extend_from_slice(&some[..copied]);
    }
    drop(frame);
    stream.take(&copy);
}

/// Without waiting, and when there is none, behind a wait for it.
fn when_it_is_there(
    receiver: &mut Receiver,
    stream: &mut Stream<'_>,
    buffer: &mut [u8],
    draw: &mut Random,
) {
    let by_descriptor = draw.below(2) == 0;
    loop {
        match receiver.try_recv_into(buffer) {
            Ok(length) => return stream.take(&buffer[..length]),
            Err(RecvError::Empty) if by_descriptor => {
                while receiver.arm().unwrap() == Arm::Armed {
                    sleep(&*receiver);
                }
            }
            Err(RecvError::Empty) => receiver.wait_for_frame(Some(soon())).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}
