//! Resuming a connection whose server is gone: in a call that waits, or step by step.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use ringway::{Connection, NotResumed, Receiver, Redial, RedialStep, Resumed, Sender};

use crate::boundary::{call, given, quietly, text};
use crate::config::ringway_config;
use crate::connection::ringway_connection;
use crate::error::Failure;
use crate::receiver::{self, Manner, ringway_receiver};
use crate::sender::{self, ringway_sender};
use crate::status::ringway_status;
use crate::wait::Patience;

/// What the next server is sent again.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_resumed {
    /// Frames that no server has seen: that is proven.
    pub unseen: u64,
    /// Frames that the last server, or one before it, may have seen.
    pub in_doubt: u64,
    /// What the last server said of the frames that it has taken and released breaks a rule: all that it did not deny is in doubt then.
    pub broken: bool,
}

impl From<&Resumed> for ringway_resumed {
    fn from(made: &Resumed) -> Self {
        Self {
            unseen: made.unseen(),
            in_doubt: made.in_doubt(),
            broken: made.redelivered.iter().any(|lane| lane.broken.is_some()),
        }
    }
}

/// A connection that is being resumed step by step: `ringway_resume` for programs that wait in a loop of their own, or that may want to stop waiting. One thread at a time uses it.
#[derive(Debug)]
pub struct ringway_redial {
    /// `None`: nothing is left in it, or a call panicked.
    redial: Option<Redial>,
    /// Those of the handles that it was made of.
    places: Option<Places>,
    stage: Stage,
    process: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody tells when the next step has something to do.
    Later,
    /// The server does.
    Waits,
    /// It was resumed, or has failed.
    Over,
    /// A call panicked.
    Poisoned,
}

/// Who waits for ever waits so long.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// By when the next server has to be there.
fn deadline(timeout: i64) -> Instant {
    match Patience::of(timeout) {
        Patience::None => Instant::now(),
        Patience::Until(deadline) => deadline,
        Patience::Endless => Instant::now() + EVER,
    }
}

/// The variables of a caller that have the halves of one connection.
#[derive(Debug)]
struct Halves<'a> {
    sender: &'a mut Option<NonNull<ringway_sender>>,
    receiver: &'a mut Option<NonNull<ringway_receiver>>,
}

/// Where the handles of both halves lie while these are out of them, so that they are where they were if they come back.
#[derive(Debug)]
struct Places {
    sender: Box<MaybeUninit<ringway_sender>>,
    receiver: Box<MaybeUninit<ringway_receiver>>,
    manner: Manner,
}

/// Handles that `Box` gave away.
type Handles = (NonNull<ringway_sender>, NonNull<ringway_receiver>);

impl Halves<'_> {
    /// The connection, and the places of its handles. The variables are NULL then, so that whatever happens nothing is freed twice.
    ///
    /// # Safety
    /// In each variable is NULL, or a handle that was not freed, and that nobody else uses.
    unsafe fn take(&mut self) -> Result<(Connection, Places), Failure> {
        let manner = {
            // SAFETY: the caller's promise.
            let (mut sends, mut receives) = unsafe {
                (
                    sender::Lent::of(*self.sender)?,
                    receiver::Lent::of(*self.receiver)?,
                )
            };
            sends.own()?;
            receives.own()?;
            receives.state().manner
        };
        let (Some(sends), Some(receives)) = (self.sender.take(), self.receiver.take()) else {
            unreachable!("both were just looked at");
        };
        // SAFETY: `Box` gave them away, and no variable has them any more; nothing is open that borrows them.
        let (sends, receives) = unsafe {
            (
                Box::from_raw(sends.as_ptr()),
                Box::from_raw(receives.as_ptr()),
            )
        };
        let ((sends, sender), (receives, receiver)) = (emptied(sends), emptied(receives));
        let places = Places {
            sender,
            receiver,
            manner,
        };
        match Connection::reunite(sends.into_half(), receives.into_half()) {
            Ok(connection) => Ok((connection, places)),
            Err(unrelated) => {
                self.give(places.filled(*unrelated.sender, *unrelated.receiver));
                let text = "`sender` and `receiver` are halves of different connections";
                Err(Failure::argument(text))
            }
        }
    }

    /// What `begins` makes of the connection, and the places of its handles. Where it makes nothing, the halves are given back.
    ///
    /// # Safety
    /// As for [`Halves::take`].
    unsafe fn lend<T>(
        mut self,
        begins: impl FnOnce(Connection) -> Result<T, NotResumed>,
    ) -> Result<(T, Places), Failure> {
        // SAFETY: the caller's promise.
        let (lost, places) = unsafe { self.take() }?;
        match begins(lost) {
            Ok(made) => Ok((made, places)),
            Err(not) => {
                let failure = Failure::from(not.error());
                self.give(places.of(not.into_connection()));
                Err(failure)
            }
        }
    }

    /// Gives them back.
    fn give(&mut self, (sends, receives): Handles) {
        *self.sender = Some(sends);
        *self.receiver = Some(receives);
    }
}

impl Places {
    /// The handles, with the halves of `connection` in them.
    fn of(self, connection: Connection) -> Handles {
        let (sends, receives) = connection.split();
        self.filled(sends, receives)
    }

    fn filled(self, sends: Sender, receives: Receiver) -> Handles {
        let receives = ringway_receiver::of(receives, self.manner);
        let sends = ringway_sender::of(sends);
        (filled(self.sender, sends), filled(self.receiver, receives))
    }
}

/// What is in a handle, and its place.
fn emptied<T>(handle: Box<T>) -> (T, Box<MaybeUninit<T>>) {
    let place = Box::into_raw(handle);
    // SAFETY: `Box` gave it away just now. The value goes out of it, and nobody takes the place for one that has it still.
    unsafe { (place.read(), Box::from_raw(place.cast())) }
}

fn filled<T>(place: Box<MaybeUninit<T>>, value: T) -> NonNull<T> {
    let place = NonNull::from(Box::leak(place)).cast::<T>();
    // SAFETY: room for one, which `Box` gave away just now.
    unsafe { place.write(value) };
    place
}

/// Connects anew, in the place of a connection whose server is gone, and sends the next one what that had not finished with: the same frames, in the same order, at the same positions and priorities, each of which says in its `redelivery` whether it may have been handled. `resumed` tells how many they are.
///
/// The connection is one that `ringway_connect` or this has made, with `RINGWAY_RESUMABLE`, which `config` has as well. (Of a server that had it not, everything is in doubt.) Its `receiver` has received everything, and says how it ended (`RINGWAY_CLOSED`, `RINGWAY_PEER_CLOSED`, `RINGWAY_PEER_DIED`). A server that is stopped, or merely silent, is not gone.
///
/// `timeout`: nanoseconds in which the next server has to be there; negative waits for ever. Where trying again may help it is tried again meanwhile, and once in any case. The first attempt that finds a server there has 100 ms, whatever the time (or that for a handshake, if that is less). Whether the last one has ended can take 200 ms to be told, whatever the time. Nothing ends the wait before: `ringway_redial_new` is for who wants that.
///
/// On success the halves are given up, and `*sender` and `*receiver` are NULL; `*connection` is the new one, of which everything is new: priority, held frames, interrupters and descriptors are set or asked for again. What the client has held of the old one is gone.
/// Otherwise the connection is as it was, and so are the variables: to go on with, or to try again. Only a fault of the library (`RINGWAY_PANICKED`) can leave NULL there.
///
/// `RINGWAY_PEER_LIVES`, `RINGWAY_UNREAD`: it is not at its end. `RINGWAY_INVALID_CONFIG`: it cannot be resumed. `RINGWAY_NOT_FOUND`, `RINGWAY_DIRECTORY`, `RINGWAY_PEER_GONE`, `RINGWAY_TIMED_OUT`, `RINGWAY_BUSY`: not in that time, and it may be tried again later. Otherwise as `ringway_connect`. May be called from any thread.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_resume(
    config: Option<&ringway_config>,
    address: *const c_char,
    sender: Option<&mut Option<NonNull<ringway_sender>>>,
    receiver: Option<&mut Option<NonNull<ringway_receiver>>>,
    timeout: i64,
    connection: Option<&mut MaybeUninit<Box<ringway_connection>>>,
    resumed: Option<&mut MaybeUninit<ringway_resumed>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        // SAFETY: the caller's promise.
        let address = unsafe { text(address, "address") }?;
        let (sender, receiver) = (given(sender, "sender")?, given(receiver, "receiver")?);
        let connection = given(connection, "connection")?;
        let resumed = given(resumed, "resumed")?;
        let halves = Halves { sender, receiver };
        let resumes = |lost| config.config.resume(address, lost, deadline(timeout));
        // SAFETY: the caller's promise.
        let (made, _) = unsafe { halves.lend(resumes) }?;
        resumed.write((&made).into());
        connection.write(ringway_connection::new(made.connection));
        Ok(())
    })
}

/// Begins to resume a connection step by step. Arguments are those of `ringway_resume`; on success the halves are in `*redial`, and `*sender` and `*receiver` are NULL. Nothing happens before the first step, which also says where the connection is not at its end, or cannot be resumed: what is refused here is an argument or an option that makes no sense, and a half in which something is open.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_redial_new(
    config: Option<&ringway_config>,
    address: *const c_char,
    sender: Option<&mut Option<NonNull<ringway_sender>>>,
    receiver: Option<&mut Option<NonNull<ringway_receiver>>>,
    timeout: i64,
    redial: Option<&mut MaybeUninit<Box<ringway_redial>>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        // SAFETY: the caller's promise.
        let address = unsafe { text(address, "address") }?;
        let (sender, receiver) = (given(sender, "sender")?, given(receiver, "receiver")?);
        let redial = given(redial, "redial")?;
        let halves = Halves { sender, receiver };
        let redials = |lost| config.config.redial(address, lost, deadline(timeout));
        // SAFETY: the caller's promise.
        let (made, places) = unsafe { halves.lend(redials) }?;
        redial.write(Box::new(ringway_redial {
            redial: Some(made),
            places: Some(places),
            stage: Stage::Later,
            process: std::process::id(),
        }));
        Ok(())
    })
}

/// Goes as far as it can now, without waiting for the server. `RINGWAY_OK`: it is resumed. `RINGWAY_EMPTY` alone means not yet: `ringway_redial_awaits` tells what to wait for. Every other answer is as that of `ringway_resume`, and the last one: `ringway_redial_take_back` gives the connection back, which may live.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_redial_step(
    redial: Option<&mut ringway_redial>,
    connection: Option<&mut MaybeUninit<Box<ringway_connection>>>,
    resumed: Option<&mut MaybeUninit<ringway_resumed>>,
) -> ringway_status {
    call(|| {
        let redial = given(redial, "redial")?;
        let connection = given(connection, "connection")?;
        let resumed = given(resumed, "resumed")?;
        let made = redial.step()?;
        resumed.write((&made).into());
        connection.write(ringway_connection::new(made.connection));
        Ok(())
    })
}

/// What to wait for before the next step: until `*descriptor` is readable, and for `*nanos` nanoseconds at most. -1: there is nothing to watch, and the time has to pass (`poll` takes it so). The descriptor is not to be closed. After each step it may be another one, of the same number too, which an `epoll` does not know: add it before each wait.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_redial_awaits(
    redial: Option<&ringway_redial>,
    descriptor: Option<&mut MaybeUninit<i32>>,
    nanos: Option<&mut MaybeUninit<i64>>,
) -> ringway_status {
    call(|| {
        let redial = given(redial, "redial")?;
        let (descriptor, nanos) = (given(descriptor, "descriptor")?, given(nanos, "nanos")?);
        let steps = redial.steps()?;
        let line = steps.line().filter(|_| redial.stage == Stage::Waits);
        let most = match line {
            Some(_) => steps.deadline().saturating_duration_since(Instant::now()),
            None => steps.pause(),
        };
        descriptor.write(line.map_or(-1, |line| line.as_raw_fd()));
        nanos.write(i64::try_from(most.as_nanos()).unwrap_or(i64::MAX));
        Ok(())
    })
}

/// Gives the resuming up, and the halves of the connection back, as they were. `RINGWAY_OUT_OF_TURN`: there are none, since it was resumed, or they were taken back. What is left of `redial` is to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_redial_take_back(
    redial: Option<&mut ringway_redial>,
    sender: Option<&mut MaybeUninit<NonNull<ringway_sender>>>,
    receiver: Option<&mut MaybeUninit<NonNull<ringway_receiver>>>,
) -> ringway_status {
    call(|| {
        let redial = given(redial, "redial")?;
        let (sender, receiver) = (given(sender, "sender")?, given(receiver, "receiver")?);
        redial.own()?;
        let steps = redial.redial.take();
        let lost = steps.and_then(Redial::into_connection);
        let (lost, places) = lost.zip(redial.places.take()).ok_or_else(over)?;
        redial.stage = Stage::Over;
        let (sends, receives) = places.of(lost);
        sender.write(sends);
        receiver.write(receives);
        Ok(())
    })
}

/// Gives the resuming up, and the connection too, unless that was taken back: what it had to send is lost then.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_redial_free(redial: Option<Box<ringway_redial>>) {
    quietly(|| drop(redial));
}

fn over() -> Failure {
    Failure::turn(c"this resuming is over: begin another one")
}

impl ringway_redial {
    /// Refuses a child of the process that has it, and where a call panicked.
    fn own(&self) -> Result<(), Failure> {
        if self.process != std::process::id() {
            return Err(Failure::forked());
        }
        if self.stage == Stage::Poisoned {
            return Err(Failure::poisoned());
        }
        Ok(())
    }

    /// What goes on.
    fn steps(&self) -> Result<&Redial, Failure> {
        self.own()?;
        match (&self.redial, self.stage) {
            (Some(_), Stage::Over) => Err(Failure::turn(
                c"this resuming has failed: take the connection back, or free it",
            )),
            (Some(steps), _) => Ok(steps),
            (None, _) => Err(over()),
        }
    }

    fn step(&mut self) -> Result<Resumed, Failure> {
        self.steps()?;
        // Out of the handle, so that nothing goes on with what a panic has left.
        let mut redial = self.redial.take().ok_or_else(over)?;
        self.stage = Stage::Poisoned;
        let stepped = redial.step();
        self.stage = match &stepped {
            Ok(RedialStep::Later) => Stage::Later,
            Ok(RedialStep::Waits) => Stage::Waits,
            Ok(RedialStep::Done(_)) | Err(_) => Stage::Over,
        };
        match stepped {
            Ok(RedialStep::Done(made)) => return Ok(made),
            Ok(_) => self.redial = Some(redial),
            Err(error) => {
                self.redial = Some(redial);
                return Err(error.into());
            }
        }
        let text = "it is not resumed yet: ringway_redial_awaits tells what to wait for";
        Err(Failure::new(ringway_status::RINGWAY_EMPTY, text))
    }
}
