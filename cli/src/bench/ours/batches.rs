//! A thousand records in one frame, sent as a slice of them and received as a batch, which is checked where it was copied to.

use std::path::Path;

use ringway::Config;
use ringway::typed::{Message, Receiver, Sender};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::super::kit::Side;
use super::super::work::Link;
use super::super::{Failure, fail};
use super::meet_typed;

/// A record of 32 bytes, of plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Fill {
    order: u64,
    nanos: u64,
    price: f64,
    quantity: u32,
    venue: u32,
}

impl Fill {
    /// One whose fields are all made from `turn`.
    #[inline(always)]
    pub(super) fn of(turn: u32) -> Self {
        Self {
            order: u64::from(turn),
            nanos: u64::from(turn) + 1,
            price: f64::from(turn) + 0.5,
            quantity: turn,
            venue: 7,
        }
    }

    /// The sum of the prices, and that of the quantities.
    pub(super) fn sums(records: &[Self]) -> (f64, u64) {
        let sum = |(price, quantity): (f64, u64), record: &Self| {
            (price + record.price, quantity + u64::from(record.quantity))
        };
        records.iter().fold((0.0, 0), sum)
    }

    /// The sums of `count` records that are made from `turn`; the prices are so small that no sum of them is rounded.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn sums_of(turn: u32, count: usize) -> (f64, u64) {
        let of = Self::of(turn);
        (of.price * count as f64, u64::from(turn) * count as u64)
    }
}

/// Records in a batch.
const RECORDS: usize = 1000;

/// Bytes of a batch.
pub(crate) const BATCH: usize = RECORDS * size_of::<Fill>();

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Batches {
    sender: Sender<Fill>,
    receiver: Receiver<Fill>,
}

impl Batches {
    pub(crate) fn new(config: &Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let (sender, receiver) = meet_typed::<Fill>(config, address, side)?.split();
        Ok(Self { sender, receiver })
    }
}

impl Link for Batches {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        let Ok(records) = <[Fill]>::ref_from_bytes(payload) else {
            fail(&"a buffer that holds no records")
        };
        if let Err(error) = self.sender.send_slice(records) {
            fail(&error);
        }
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let wanted = payload.len();
        let copied = self.look(|bytes| {
            let fits = bytes.len() == wanted;
            if fits {
                payload.copy_from_slice(bytes);
            }
            fits
        });
        if !copied {
            fail(&"a batch of another length");
        }
    }

    #[inline(always)]
    fn recv_and_check(&mut self, _: &mut [u64], check: impl FnOnce(&[u64]) -> bool) -> bool {
        self.look(|bytes| <[u64]>::ref_from_bytes(bytes).is_ok_and(check))
    }

    fn ack(&mut self) {
        self.send(&[0; size_of::<Fill>()]);
    }

    fn await_ack(&mut self) {
        self.recv(&mut [0; size_of::<Fill>()]);
    }
}

impl Batches {
    /// What `look` says of the next batch.
    #[inline(always)]
    fn look<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T {
        match self.receiver.recv_batch::<Fill>() {
            Ok(batch) => look(std::hint::black_box(batch.as_slice()).as_bytes()),
            Err(error) => fail(&error),
        }
    }
}
