//! Victims of other kinds: a sender that threads share, one that batches, and messages.

use std::hint::black_box;
use std::thread;

use ringway::batch::{Batcher, Bounds};
use ringway::typed::{self, Message, Messages};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use ringway::{Connection, SendError, SharedSender, schema::Schema};

use super::victim::{CALLS, End, Ends, ends_receiver, ends_sender, receive, soon};
use crate::random::Random;

/// What is received typed: most bytes of it may not have most values.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Quote {
    sides: [bool; 8],
}

pub(super) fn schema() -> Schema {
    Quote::SCHEMA.clone()
}

/// Two threads send while one receives.
pub(super) fn shared(connection: Connection, random: &mut Random, ends: &mut Ends) {
    let (sender, mut receiver) = connection.split();
    let shared = sender.shared();
    let (mut receives, mut buffer) = (End(None), vec![0; 4 * receiver.capacity()]);
    let told = thread::scope(|scope| {
        let senders = [random.next(), random.next()].map(|seed| {
            let shared = shared.clone();
            scope.spawn(move || {
                let (mut end, mut sent) = (End(None), 0);
                let mut random = Random::new(seed | 1);
                for _ in 0..CALLS / 2 {
                    let outcome = share(&shared, &mut random);
                    sent += u64::from(outcome.is_ok());
                    end.heed(outcome.err().and_then(ends_sender));
                }
                (end.0, sent)
            })
        });
        for _ in 0..CALLS / 2 {
            let outcome = receive(&mut receiver, random, &mut buffer, ends);
            receives.heed(outcome.err().and_then(ends_receiver));
        }
        senders.map(|sender| sender.join().unwrap())
    });
    let mut sends = End(None);
    for (end, sent) in told {
        sends.heed(end);
        ends.sent += sent;
    }
    ends.shared += 1;
    ends.add(sends.0, receives.0);
}

fn share(shared: &SharedSender, random: &mut Random) -> Result<(), SendError> {
    let payload = [7; 200];
    let payload = &payload[..random.next() as usize % 200];
    match random.next() % 6 {
        0 => shared.try_send(payload),
        1 => shared.send_deadline(payload, soon()),
        2 => shared.send_expiring(payload, soon()),
        3 => shared
            .at(shared.priorities() - 1)?
            .send_deadline(payload, soon()),
        4 => {
            let mut sender = shared.lock()?;
            sender.reserve_deadline(payload.len(), soon())?.commit();
            Ok(())
        }
        _ => shared.check(),
    }
}

/// What is kept back is sent with what follows it, or when its time has come.
pub(super) fn batched(connection: Connection, random: &mut Random, ends: &mut Ends) {
    let (sender, mut receiver) = connection.split();
    let (mut sends, mut receives) = (End(None), End(None));
    let mut buffer = vec![0; 4 * receiver.capacity()];
    let mut batcher = Batcher::new(sender, Bounds::new().frames(1 + random.next() as u32 % 16));
    for _ in 0..CALLS {
        let payload = &buffer[..random.next() as usize % 200];
        let outcome = match random.next() % 6 {
            0 | 1 => batcher.try_send(payload),
            2 => batcher.send_deadline(payload, soon()),
            3 => {
                batcher.flush_due(soon());
                Ok(())
            }
            4 => {
                batcher.flush();
                Ok(())
            }
            _ => batcher.check(),
        };
        ends.sent += u64::from(outcome.is_ok());
        sends.heed(outcome.err().and_then(ends_sender));
        let outcome = receive(&mut receiver, random, &mut buffer, ends);
        receives.heed(outcome.err().and_then(ends_receiver));
    }
    let mut sender = batcher.into_sender();
    sends.heed(sender.check().err().and_then(ends_sender));
    ends.batched += 1;
    ends.add(sends.0, receives.0);
}

/// What was found valid is what is handed out, whatever was written meanwhile.
fn judged(quote: Quote, ends: &mut Ends) {
    let bytes = black_box(&quote).as_bytes();
    assert!(bytes.iter().all(|byte| *byte < 2), "{bytes:?}");
    ends.messages += 1;
}

/// Messages are received, and sent.
pub(super) fn messages(
    connection: typed::Connection<Quote, Quote>,
    random: &mut Random,
    ends: &mut Ends,
) {
    let (mut sender, mut receiver) = connection.split();
    let (mut sends, mut receives) = (End(None), End(None));
    let mut buffer = vec![0; 4 * receiver.untyped().capacity()];
    let quote = Quote { sides: [true; 8] };
    for _ in 0..CALLS {
        let outcome = match random.next() % 5 {
            0 => receiver.try_recv().map(|quote| judged(quote, ends)),
            1 => receiver
                .recv_deadline(soon())
                .map(|quote| judged(quote, ends)),
            2 => receiver
                .try_recv_batch::<Quote>()
                .map(|batch| batch.iter().for_each(|quote| judged(quote, ends))),
            3 => receiver
                .recv_batch_deadline::<Quote>(soon())
                .map(|batch| batch.iter().for_each(|quote| judged(quote, ends))),
            // A frame that is too long for a message, or none.
            _ => receive(receiver.untyped(), random, &mut buffer, ends).map_err(Into::into),
        };
        match outcome {
            Err(typed::RecvError::Lane(error)) => receives.heed(ends_receiver(error)),
            Err(typed::RecvError::Invalid(_)) => ends.invalid += 1,
            Ok(()) => {}
            Err(other) => panic!("{other}"),
        }
        let outcome = match random.next() % 4 {
            0 => sender.try_send(&quote),
            1 => sender.send_slice_deadline(&[quote; 3], soon()),
            2 => sender.send_deadline(&quote, soon()),
            _ => sender.check(),
        };
        ends.sent += u64::from(outcome.is_ok());
        sends.heed(outcome.err().and_then(ends_sender));
    }
    ends.add(sends.0, receives.0);
}
