//! A stream of messages in tasks whose instructions are counted: both ends in one process, on one runtime.

use std::path::Path;

use ringway::Config;
use tokio::runtime::Builder;
use zerocopy::IntoBytes;

use super::TaskLink;
use super::links::{Items, Streamed};
use crate::bench::Failure;
use crate::bench::crew::Meeting;
use crate::bench::instructions::{BURST, observe};
use crate::bench::kit::Side;
use crate::bench::pattern::{Broadcast, Pattern};

/// A stream of slices, copied out.
pub(crate) fn items(frames: u64) -> Result<(), Failure> {
    stream(frames, |address, side| {
        Items::new(&Config::new(), address, side, false)
    })
}

/// A stream of `Bytes`.
pub(crate) fn bytes(frames: u64) -> Result<(), Failure> {
    stream(frames, |address, side| {
        Streamed::new(&Config::new(), address, side, false)
    })
}

/// Each frame is filled, and checked when it has come, as those of the blocking stream are.
fn stream<L: TaskLink + Send>(
    frames: u64,
    end: impl Fn(&Path, Side) -> Result<L, Failure> + Sync,
) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut meeting = Meeting::new()?;
    let address = meeting.address();
    let (mut sender, mut receiver) = std::thread::scope(|threads| {
        let other = threads.spawn(|| {
            let _inside = runtime.enter();
            end(&address, Side::Follow).map_err(|error| error.to_string())
        });
        let _inside = runtime.enter();
        let sender = end(&address, Side::Lead)?;
        let receiver = other.join().map_err(|_| "the other end panicked")??;
        Ok::<_, Failure>((sender, receiver))
    })?;
    let mut buffer = [0; 8];
    let mut left = frames;
    while left != 0 {
        let burst = left.min(BURST);
        runtime.block_on(async {
            for n in 0..burst {
                let mut payload = [0; 8];
                Broadcast.fill(&mut payload, n);
                observe(&payload);
                sender.send(payload.as_bytes()).await;
            }
            sender.publish().await;
            for n in 0..burst {
                receiver.recv(buffer.as_mut_bytes()).await;
                observe(&buffer);
                if !Broadcast.matches(&buffer, n) {
                    return Err("a frame is not what was sent");
                }
            }
            Ok(())
        })?;
        left -= burst;
    }
    // Before the runtime, which watches them.
    drop((sender, receiver));
    Ok(())
}
