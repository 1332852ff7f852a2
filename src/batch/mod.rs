//! Sending without publishing each message: a [`Batcher`] accepts frames and makes them visible in groups while that delays nobody.
//!
//! Publishing is what a small message costs most: a locked instruction, and a line that the receiver looks at. [`Sender::group`](crate::Sender::group)
//! shares it among frames that the caller has at hand together. A batcher does so for frames that come one by one, and learns when it is worth it.
//!
//! ```
//! # let path = std::env::temp_dir().join(format!("ringway-doc-batch-{}", std::process::id()));
//! # let mut listener = ringway::Listener::bind(path.as_path())?;
//! # let client = std::thread::spawn(move || ringway::connect(path));
//! # let (sender, _receiver) = listener.accept()?.split();
//! use ringway::batch::{Batcher, Bounds};
//! use std::time::{Duration, Instant};
//!
//! let mut batcher = Batcher::new(sender, Bounds::new().budget(Duration::from_micros(100)));
//! for number in 0..1000u32 {
//!     batcher.send(&number.to_le_bytes())?; // accepted, and published at the latest when:
//! }
//! batcher.flush(); // its caller has no more now,
//! batcher.flush_due(Instant::now()); // or a loop comes round, which waited until `batcher.deadline()` at most,
//! drop(batcher); // or it is dropped.
//! # drop(client.join().unwrap()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is committed when
//!
//! `Ok` of a batcher's `send` means *accepted*: the frame lies in the ring, in order, and the peer cannot see it until it is *published*, together with all that were
//! accepted before it. From then on it is committed, as what [`Sender::send`](crate::Sender::send) has sent. It is published
//!
//! - at once, unless frames have lately come faster than one in 50 ns, or more than half of the ring was published and unread;
//! - else with the frame that makes its group as long as it was planned. A group is planned at most twice as long as the last one, within
//!   [`Bounds::frames`] and [`Bounds::bytes`], and so that it takes no more than half of [`Bounds::budget`] at the pace of the last one;
//! - by the next call of `send`, whatever was planned, if the receiver has said by then that it waits: it does before it sleeps, and when it has looked for some microseconds in vain;
//! - before the batcher waits for room, and before it says that there is none;
//! - by [`Batcher::flush`], [`Batcher::flush_due`] from [`Batcher::deadline`] on, [`Batcher::check`], [`Batcher::sender`], [`Batcher::into_sender`] and a drop, by a panic too.
//!
//! # Who publishes the last ones
//!
//! A batcher has no thread and no timer. Whoever uses one names the owner of what is kept back when calls cease:
//!
//! - the caller itself, which flushes when it has no more to send for now: the best, because it knows;
//! - a loop that polls, whose timeout ends at [`Batcher::deadline`] and which then calls [`Batcher::flush_due`]: no frame is kept back for longer than the
//!   budget, plus what the loop is late;
//! - the next call of `send`, where there is certain to be one soon;
//! - the drop.
//!
//! # What can be lost
//!
//! A process that is killed loses what it had accepted and not published: the peer reads everything that was committed, to the last frame, and then hears the end. That is never more
//! than one group. With an owner that keeps the deadline, what is lost was accepted within the last budget of time in which the process ran. While
//! it is stopped (SIGSTOP, a debugger, no processor) nothing is published and no time counts; when it goes on, the deadline is over, and its owner publishes.
//!
//! A frame that is refused (too large, no room) fails alone: what was accepted before it stays so, in order, and is published when it would have been. What ended
//! the connection ends it for the frames that are kept back too; nobody is told which of all that was sent had been read.
//!
//! Absent on purpose: threads, timers, and sharing among threads (a mutex around it does, and lets another thread be the owner).

mod batcher;
mod bounds;
mod policy;
#[cfg(test)]
mod simulation;
mod typed;

pub use batcher::Batcher;
pub use bounds::Bounds;
pub use typed::TypedBatcher;
