//! Work in a task of tokio, on a runtime of one thread: Ringway's side and what such programs use without it, driven by one loop.
//!
//! Each batch is one future. What a message costs is a poll, or several, and no entry into the runtime.

pub(crate) mod counted;
mod links;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Wait};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use zerocopy::IntoBytes;

use self::links::{Bytes, Framed, Halves, Items, Streamed, Unix};
use super::kit::{Kit, Side};
use super::meter::{Meter, Percentiles, Sample};
use super::pattern::{Broadcast, Buffer, Mixed, Pattern, Stamped};
use super::work::{LARGE, Pass, Work, warm_up};
use super::{Failure, fail};

/// What the two tasks move messages by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum By {
    /// Ringway's halves: `send` and `recv_into`.
    Halves,
    /// The same, which sleep at once.
    Parked,
    /// Ringway's halves as a `Sink` of slices and a `Stream` of frames copied out: all is flushed at the end.
    Items,
    /// The same, each message flushed by itself.
    ItemsSent,
    /// Ringway's halves as `Stream` and `Sink` of `Bytes`: all is flushed at the end.
    Streamed,
    /// The same, each message flushed by itself.
    Sent,
    /// Ringway's stream of bytes: `write_all` and `read_exact`.
    Bytes,
    /// A Unix socket: `write_all` and `read_exact`.
    Unix,
    /// A Unix socket with a codec of lengths, as `Stream` and `Sink`: all is flushed at the end.
    Framed,
    /// The same, each message flushed by itself.
    FramedSent,
}

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// Round trips of 64 bytes.
    RoundTrip,
    /// A stream of messages of 64 bytes or 64 KiB.
    Stream(usize),
}

/// One end of a way to move messages, in a task. A failure ends the process, as that of a [`Link`](super::work::Link) does.
pub(crate) trait TaskLink {
    /// Sends one message. It may be kept back until [`publish`](Self::publish).
    async fn send(&mut self, payload: &[u8]);
    /// Waits for one message, of just this length, and copies it out.
    async fn recv(&mut self, payload: &mut [u8]);
    /// Makes everything sent so far visible.
    async fn publish(&mut self) {}
}

/// Sets the work up in one of its two processes.
pub(crate) fn make(
    by: By,
    what: What,
    kit: &Kit,
    side: Side,
    address: &Path,
) -> Result<Box<dyn Work>, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // As the rows without tasks have it, which are their limits.
    let config = match what {
        What::Stream(size) if size >= LARGE => super::task::large(size),
        _ => Config::new(),
    };
    let inside = runtime.enter();
    let work = match by {
        By::Halves => driven(what, Halves::new(&config, address, side)?),
        By::Parked => driven(what, Halves::new(&config.wait(Wait::Park), address, side)?),
        By::Items => driven(what, Items::new(&config, address, side, false)?),
        By::ItemsSent => driven(what, Items::new(&config, address, side, true)?),
        By::Streamed => driven(what, Streamed::new(&config, address, side, false)?),
        By::Sent => driven(what, Streamed::new(&config, address, side, true)?),
        By::Bytes => driven(what, Bytes::new(config, address, side)?),
        By::Unix => driven(what, Unix::new(kit, side)?),
        By::Framed => driven(what, Framed::new(kit, side, false)?),
        By::FramedSent => driven(what, Framed::new(kit, side, true)?),
    };
    drop(inside);
    work(runtime)
}

/// Work without the runtime that its link was made in.
type Driven = Box<dyn FnOnce(Runtime) -> Result<Box<dyn Work>, Failure>>;

fn driven<L: TaskLink + 'static>(what: What, link: L) -> Driven {
    Box::new(move |runtime| {
        Ok(match what {
            What::RoundTrip => Box::new(InTask::<L, 64, false>::new(runtime, link)),
            What::Stream(64) => Box::new(InTask::<L, 64, true>::new(runtime, link)),
            What::Stream(KIB_64) => Box::new(InTask::<L, KIB_64, true>::new(runtime, link)),
            What::Stream(_) => return Err("no such size".into()),
        })
    })
}

const KIB_64: usize = 64 << 10;

/// Round trips, or a stream one way, of messages of `SIZE` bytes.
struct InTask<L, const SIZE: usize, const STREAM: bool> {
    // Before the runtime, which watches it.
    link: L,
    runtime: Runtime,
    turn: u64,
    buffer: Buffer,
}

impl<L: TaskLink, const SIZE: usize, const STREAM: bool> InTask<L, SIZE, STREAM> {
    fn new(runtime: Runtime, link: L) -> Self {
        Self {
            link,
            runtime,
            turn: 0,
            buffer: Buffer::new(SIZE),
        }
    }

    /// The leading side of `count` messages. `each` is told how long every exchange took, if it wants to be.
    fn ask(&mut self, count: u64, pattern: &impl Pattern, mut each: Option<&mut Vec<u64>>) {
        let Self {
            link,
            runtime,
            turn,
            buffer,
        } = self;
        let words = &mut buffer.words()[..SIZE / 8];
        runtime.block_on(async {
            for _ in 0..count {
                let started = each.as_ref().map(|_| Instant::now());
                pattern.fill(words, *turn);
                black_box(&mut *words);
                link.send(words.as_bytes()).await;
                if !STREAM {
                    link.publish().await;
                    link.recv(words.as_mut_bytes()).await;
                    black_box(&mut *words);
                    if !pattern.matches(words, !*turn) {
                        fail(&"a reply is not what was sent");
                    }
                }
                if let (Some(each), Some(started)) = (each.as_mut(), started) {
                    each.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
                }
                *turn += 1;
            }
            if STREAM {
                link.publish().await;
                link.recv(&mut [0; 8]).await;
            }
        });
    }

    /// The other side of the same.
    fn answer(&mut self, count: u64, pattern: &impl Pattern) {
        let Self {
            link,
            runtime,
            turn,
            buffer,
        } = self;
        let words = &mut buffer.words()[..SIZE / 8];
        runtime.block_on(async {
            for _ in 0..count {
                link.recv(words.as_mut_bytes()).await;
                black_box(&mut *words);
                if !pattern.matches(words, *turn) {
                    fail(&"a message is not what was sent");
                }
                if !STREAM {
                    pattern.fill(words, !*turn);
                    black_box(&mut *words);
                    link.send(words.as_bytes()).await;
                    link.publish().await;
                }
                *turn += 1;
            }
            if STREAM {
                link.send(b"received").await;
                link.publish().await;
            }
        });
    }

    fn ask_timed(&mut self, count: u64, pattern: &impl Pattern, pass: Pass) -> Sample {
        let mut each = (pass == Pass::Each && !STREAM).then(Vec::new);
        self.ask(warm_up(count), pattern, None);
        let meter = Meter::start();
        self.ask(count, pattern, each.as_mut());
        let sample = meter.stop();
        match each {
            Some(mut each) => Sample {
                percentiles: Percentiles::of(&mut each),
                ..sample
            },
            None => sample,
        }
    }

    fn answer_timed(&mut self, count: u64, pattern: &impl Pattern) -> Sample {
        self.answer(warm_up(count), pattern);
        let meter = Meter::start();
        self.answer(count, pattern);
        meter.stop()
    }
}

impl<L: TaskLink, const SIZE: usize, const STREAM: bool> Work for InTask<L, SIZE, STREAM> {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.ask(count, &Mixed, None);
            self.buffer = Buffer::new(SIZE);
            Sample::default()
        } else if SIZE >= LARGE {
            self.ask_timed(count, &Stamped, pass)
        } else {
            self.ask_timed(count, &Broadcast, pass)
        }
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        self.buffer.wipe();
        if pass == Pass::Check {
            self.answer(count, &Mixed);
            Sample::default()
        } else if SIZE >= LARGE {
            self.answer_timed(count, &Stamped)
        } else {
            self.answer_timed(count, &Broadcast)
        }
    }

    fn tune(&mut self, _choice: u32) {}

    fn idle(&mut self, time: Duration) {
        self.runtime.block_on(tokio::time::sleep(time));
    }
}
