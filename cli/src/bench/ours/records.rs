//! Records that are filled, sent as a slice, received as a batch and summed: what the Python benchmark compares its arrays with. No row here asks for it.

use std::hint::black_box;
use std::path::Path;

use ringway::Config;
use ringway::typed::{Receiver, Sender};

use super::super::kit::Side;
use super::super::meter::{Meter, Sample};
use super::super::work::{Pass, Work, warm_up};
use super::super::{Failure, fail};
use super::batches::Fill;
use super::meet_typed;

/// One end of a connection, and a batch.
#[derive(Debug)]
pub(crate) struct Records {
    sender: Sender<Fill>,
    receiver: Receiver<Fill>,
    batch: Vec<Fill>,
    turn: u32,
}

impl Records {
    /// Batches of `count` records.
    pub(crate) fn new(
        config: &Config,
        address: &Path,
        side: Side,
        count: usize,
    ) -> Result<Self, Failure> {
        let (sender, receiver) = meet_typed::<Fill>(config, address, side)?.split();
        Ok(Self {
            sender,
            receiver,
            batch: vec![Fill::of(0); count],
            turn: 0,
        })
    }

    fn send(&mut self, count: usize) {
        if let Err(error) = self.sender.send_slice(&self.batch[..count]) {
            fail(&error);
        }
    }

    /// What `look` says of the next batch.
    fn receive<T>(&mut self, look: impl FnOnce(&[Fill]) -> T) -> T {
        match self.receiver.recv_batch::<Fill>() {
            Ok(batch) => look(black_box(batch.as_slice())),
            Err(error) => fail(&error),
        }
    }

    /// Sends `count` batches and waits until all were received. `distinct`: every record differs from the others.
    fn pour(&mut self, count: u64, distinct: bool) {
        for _ in 0..count {
            for (index, record) in (0..).zip(&mut self.batch) {
                *record = Fill::of(if distinct {
                    self.turn ^ index
                } else {
                    self.turn
                });
            }
            black_box(&mut self.batch);
            self.send(self.batch.len());
            self.turn += 1;
        }
        self.receive(|_| ());
    }

    fn drain(&mut self, count: u64, distinct: bool) {
        let wanted = self.batch.len();
        for _ in 0..count {
            let turn = self.turn;
            let right = self.receive(|records| {
                if distinct {
                    let pairs = (0..).zip(records);
                    let mut fills = pairs.map(|(index, record)| (Fill::of(turn ^ index), record));
                    return records.len() == wanted && fills.all(|(fill, record)| fill == *record);
                }
                black_box(Fill::sums(records)) == Fill::sums_of(turn, wanted)
            });
            if !right {
                fail(&"a batch is not what was sent");
            }
            self.turn += 1;
        }
        self.send(1);
    }
}

impl Work for Records {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.pour(count, true);
            return Sample::default();
        }
        self.pour(warm_up(count), false);
        let meter = Meter::start();
        self.pour(count, false);
        meter.stop()
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.drain(count, true);
            return Sample::default();
        }
        self.drain(warm_up(count), false);
        let meter = Meter::start();
        self.drain(count, false);
        meter.stop()
    }

    fn tune(&mut self, _: u32) {}

    fn idle(&mut self, time: std::time::Duration) {
        std::thread::sleep(time);
    }
}
