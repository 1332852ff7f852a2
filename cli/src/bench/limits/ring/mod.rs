//! The ways to ring the bell of a peer that may be hostile: what one ring costs whoever rings, while nobody waits for the bell.
//!
//! The flags and the counter of an eventfd belong to everybody who holds it: a peer that makes its own blocking and fills it hangs a plain `write`, which is the limit here. The other
//! ways cannot block. One process holds both ends, so that what has to be cleared away now and then is cleared away, and counted.

mod aio;
mod uring;

use std::hint::black_box;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{MsgFlags, recv, send};
use serde::{Deserialize, Serialize};

use super::super::kit::{Kit, Side};
use super::super::meter::{Meter, Percentiles, Sample};
use super::super::work::{Pass, Work};
use super::super::{Failure, fail};

pub(crate) use uring::is_there as has_io_uring;

/// Rings until what they leave behind is cleared away.
const CLEAR_EVERY: u32 = 32;

/// A way to ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    /// `write` to the eventfd.
    Write,
    /// AIO: a poll request that completes at once, with the eventfd as its `RESFD`.
    Aio,
    /// `io_uring`: a no-op on an instance with which the eventfd is registered.
    Uring,
    /// A byte on a socket, with `MSG_DONTWAIT`.
    Byte,
}

/// Sets one side up. The other one has nothing to do.
pub(crate) fn make(way: Way, kit: &Kit, side: Side) -> Result<Box<dyn Work>, Failure> {
    let bell = kit.bells[Side::Follow.index()].try_clone()?;
    if side == Side::Follow {
        return Ok(Box::new(Nothing));
    }
    Ok(match way {
        Way::Write => Box::new(Rings(Eventfd(bell))),
        Way::Aio => Box::new(Rings(aio::Aio::new(bell)?)),
        Way::Uring => Box::new(Rings(uring::Uring::new(bell)?)),
        Way::Byte => {
            let [from, to] = &kit.sockets;
            Box::new(Rings(Byte {
                from: from.try_clone()?,
                to: to.try_clone()?,
                sent: 0,
                taken: 0,
            }))
        }
    })
}

/// One way to ring.
trait Ring {
    fn ring(&mut self) -> io::Result<()>;

    /// How many rings have arrived since the last time.
    fn arrived(&mut self) -> io::Result<u64>;
}

/// The side that rings.
#[derive(Debug)]
struct Rings<R>(R);

impl<R: Ring> Rings<R> {
    #[inline(always)]
    fn ring(&mut self, count: u64, mut each: Option<&mut Vec<u64>>) {
        for _ in 0..count {
            let started = each.as_ref().map(|_| Instant::now());
            if let Err(error) = black_box(&mut self.0).ring() {
                fail(&error);
            }
            if let (Some(each), Some(started)) = (each.as_mut(), started) {
                each.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
        }
    }

    /// Every ring must have arrived, not only those that are checked before the clock runs.
    fn compare(&mut self, count: u64) {
        match self.0.arrived() {
            Ok(arrived) if arrived == count => {}
            Ok(arrived) => fail(&format!("{arrived} of {count} rings arrived")),
            Err(error) => fail(&error),
        }
    }
}

impl<R: Ring> Work for Rings<R> {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        let warm_up = if pass == Pass::Check {
            0
        } else {
            64 + count / 8
        };
        self.ring(warm_up, None);
        let mut each = (pass == Pass::Each).then(Vec::new);
        let meter = Meter::start();
        self.ring(count, each.as_mut());
        let sample = meter.stop();
        self.compare(warm_up + count);
        Sample {
            percentiles: each.as_mut().and_then(|each| Percentiles::of(each)),
            ..sample
        }
    }

    fn follow(&mut self, _count: u64, _pass: Pass) -> Sample {
        Sample::default()
    }

    fn tune(&mut self, _choice: u32) {}

    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The side whose bell it is. It does not wait for it.
#[derive(Debug)]
struct Nothing;

impl Work for Nothing {
    fn lead(&mut self, _count: u64, _pass: Pass) -> Sample {
        Sample::default()
    }

    fn follow(&mut self, _count: u64, _pass: Pass) -> Sample {
        Sample::default()
    }

    fn tune(&mut self, _choice: u32) {}

    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The number in an eventfd, which is taken.
fn count(bell: &OwnedFd) -> io::Result<u64> {
    let mut count = [0; 8];
    match nix::unistd::read(bell, &mut count) {
        Ok(_) => Ok(u64::from_ne_bytes(count)),
        Err(nix::errno::Errno::EAGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// What the last system call answered, where it was `-1`.
fn answer(value: libc::c_long) -> io::Result<libc::c_long> {
    if value == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}

#[derive(Debug)]
struct Eventfd(OwnedFd);

impl Ring for Eventfd {
    #[inline(always)]
    fn ring(&mut self) -> io::Result<()> {
        nix::unistd::write(&self.0, &1u64.to_ne_bytes())?;
        Ok(())
    }

    fn arrived(&mut self) -> io::Result<u64> {
        count(&self.0)
    }
}

/// Both ends of a socket: who is rung takes the bytes off it once in a while, or there is no room for more.
#[derive(Debug)]
struct Byte {
    from: OwnedFd,
    to: OwnedFd,
    sent: u32,
    taken: u64,
}

impl Byte {
    fn take(&mut self) -> io::Result<()> {
        let mut bytes = [0; 2 * CLEAR_EVERY as usize];
        match recv(self.to.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(taken) => self.taken += taken as u64,
            Err(nix::errno::Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        self.sent = 0;
        Ok(())
    }
}

impl Ring for Byte {
    #[inline(always)]
    fn ring(&mut self) -> io::Result<()> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.from.as_raw_fd(), &[1], flags)?;
        self.sent += 1;
        if self.sent == CLEAR_EVERY {
            self.take()?;
        }
        Ok(())
    }

    fn arrived(&mut self) -> io::Result<u64> {
        self.take()?;
        Ok(std::mem::take(&mut self.taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the kernel or a sandbox forbids one of them, there is nothing to try.
    #[test]
    fn each_ring_of_each_way_arrives() {
        let kit = Kit::new().unwrap();
        for way in [Way::Write, Way::Aio, Way::Uring, Way::Byte] {
            if way == Way::Uring && !has_io_uring() {
                eprintln!("skipped: io_uring is not permitted here");
                continue;
            }
            let mut work = make(way, &kit, Side::Lead).unwrap();
            for pass in [Pass::Check, Pass::Batch, Pass::Each] {
                // More than any queue holds. A ring that does not arrive ends the process.
                let sample = work.lead(1_000, pass);
                assert!(sample.nanos > 0.0, "{way:?}");
            }
        }
    }

    #[test]
    fn a_ring_that_did_not_arrive_would_be_noticed() {
        let kit = Kit::new().unwrap();
        let bell = || kit.bells[0].try_clone().unwrap();
        let mut ring = Eventfd(bell());
        assert_eq!(ring.arrived().unwrap(), 0);
        ring.ring().unwrap();
        ring.ring().unwrap();
        assert_eq!(ring.arrived().unwrap(), 2);
        assert_eq!(ring.arrived().unwrap(), 0);
    }
}
