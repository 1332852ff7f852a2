//! A third process that reads along what the other two say, where nobody else wants the processor, as `ringway tap` does.

use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringway::{Config, Tap};

use super::super::meter::Sample;
use super::super::work::{Pass, Work};
use super::super::{Failure, fail};
use crate::tap::yield_to_all;

/// How long it sleeps when there was nothing: as short as `ringway tap` does.
const NAP: Duration = Duration::from_millis(1);

/// Frames that were seen, and those that were lost, so far.
type Tally = Arc<Mutex<[u64; 2]>>;

/// Reads along until the process ends; asked for any work, it says what it has seen and lost.
#[derive(Debug)]
pub(crate) struct Tapping {
    tally: Tally,
}

impl Tapping {
    /// Attaches to the listener at `address`, which has a client by now, and begins.
    pub(crate) fn new(address: &Path) -> Result<Self, Failure> {
        let mut tap = Config::new().tap(address)?;
        let mut payload = Vec::new();
        // The first look finds the place behind which frames are seen.
        for lane in tap.lanes() {
            lane.try_recv(&mut payload)?;
        }
        let tally = Tally::default();
        let told = Arc::clone(&tally);
        std::thread::Builder::new().spawn(move || {
            if let Some(words) = yield_to_all() {
                fail(&words);
            }
            loop {
                read_along(&mut tap, &mut payload, &told);
                std::thread::sleep(NAP);
            }
        })?;
        Ok(Self { tally })
    }

    fn told(&self) -> Sample {
        Sample {
            tapped: *self.tally.lock().unwrap_or_else(PoisonError::into_inner),
            ..Sample::default()
        }
    }
}

/// Copies out every frame that there is now.
fn read_along(tap: &mut Tap, payload: &mut Vec<u8>, tally: &Tally) {
    let (mut seen, mut lost) = (0, 0);
    for lane in tap.lanes() {
        loop {
            match lane.try_recv(payload) {
                Ok(Some(_)) => {
                    black_box(&*payload);
                    seen += 1;
                }
                Ok(None) => break,
                Err(error) => fail(&error),
            }
        }
        lost += lane.lost().frames;
    }
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    *tally = [tally[0] + seen, lost];
}

impl Work for Tapping {
    fn lead(&mut self, _: u64, _: Pass) -> Sample {
        self.told()
    }

    fn follow(&mut self, _: u64, _: Pass) -> Sample {
        self.told()
    }

    fn tune(&mut self, _: u32) {}

    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
