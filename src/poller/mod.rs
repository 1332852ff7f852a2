//! Many peers on one thread: a [`Poller`] holds listeners and connections, and says which of them has something to do.
//!
//! Hot connections are looked at in memory, round after round, a load and a test for each; cold ones sleep in the kernel, behind one epoll instance, until
//! they are rung. Use moves them from one to the other (`wake/heat.rs` decides). So a round costs what is hot, and a wake what is ready, however many there are.
//!
//! Absent on purpose: threads, what the bytes mean, and any sharing between threads. Several threads have a poller each.

mod door;
mod entry;
mod polled;
mod rounds;
mod slab;
mod turn;

pub use polled::{Accept, Polled};
pub use slab::Token;
pub use turn::{Ended, Event, Turn};

use core::cmp::Reverse;
use core::fmt;
use std::collections::{BinaryHeap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use door::Door;
use entry::Entry;
use rounds::{Found, Patience};
use slab::{FIRST_DOOR, Slab, Topic};

use crate::connection::{Arm, Connection, Listener, Room, SendError};
use crate::error::Error;
use crate::sync::Arc;
use crate::sys::cpu;
use crate::sys::tower::{Seat, Tower};
use crate::wake::heat::Pulse;

/// Frames in a turn, if nobody says otherwise.
const BUDGET: u32 = 64;

/// One thread over any number of listeners and connections.
///
/// It owns them: a connection is handed back, for its [`Turn`], when it has something to do, and answers are sent on the same connection there and then. What it
/// holds is a [`Connection`], or anything with a connection in it ([`Polled`]), such as a typed one, or what a program keeps for each client.
///
/// ```
/// use ringway::{Event, Listener, Poller};
///
/// # let path = std::env::temp_dir().join(format!("ringway-doc-poller-{}", std::process::id()));
/// let mut poller = Poller::new()?;
/// poller.listen(Listener::bind(path.as_path())?, |connection| connection)?;
/// # let clients: Vec<_> = (0..2u8).map(|n| {
/// #     let path = path.clone();
/// #     std::thread::spawn(move || {
/// #         let (mut sender, mut receiver) = ringway::connect(path).unwrap().split();
/// #         sender.send(&[n]).unwrap();
/// #         assert_eq!(receiver.recv().unwrap().to_vec(), [n + 1]);
/// #     })
/// # }).collect();
/// let mut clients_gone = 0;
/// while clients_gone < 2 {
///     match poller.event()? {
///         Some(Event::Ready(mut turn)) => {
///             while turn.more() {
///                 let (sender, receiver) = turn.halves();
///                 let number = receiver.recv()?.to_vec()[0];
///                 sender.try_send(&[number + 1])?; // see `Turn::until_room` for when there is none
///             }
///         }
///         Some(Event::Ended(ended)) => clients_gone += 1, // `ended.polled` is dropped here
///         _ => {}
///     }
/// }
/// # clients.into_iter().for_each(|client| client.join().unwrap());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Fairness
///
/// Connections have their turns one after the other, and a turn has a budget of frames ([`Poller::budget`], [`Turn::more`]): who floods waits for all others between two
/// turns. (Between them, whoever was next the last time may have a turn of one frame.) A round accepts at most one client.
///
/// # How it waits
///
/// Each connection by its own [`Config::wait`](crate::Config::wait): `Adaptive` is looked at while frames, whoever sends them, come within some 50 µs of each other (unless it has a
/// [`Config::spin_budget`](crate::Config::spin_budget) or there is one CPU's time only), `Park` sleeps as soon as nothing is
/// there, and `Spin` never does, so that one such keeps the thread busy. While all are cold the thread sleeps and takes no CPU.
///
/// # Descriptors
///
/// Two for the poller, and six for each connection: the halves give up the epoll instances that they have by themselves. With
/// [`Config::few_descriptors`](crate::Config::few_descriptors) four. A call that waits by itself in a turn (`recv` where nothing is, `send` into a full ring) takes one more for that half, until the
/// connection leaves, and so does whoever asks for the half's descriptor.
///
/// # In somebody else's loop
///
/// [`AsFd`] gives one descriptor for all. Hand it to the loop before there are clients: a hostile one can keep it from being watched anew (SECURITY.md). Take events until there is none ([`Poller::try_event`]), then [`Poller::arm`], and wait for it to be readable if that says
/// [`Arm::Armed`]. Under load there is an event at any time: a loop with other sources takes a bounded number of them, and comes back when it has seen to those.
///
/// ```
/// # use ringway::{Arm, Event, Listener, Poller};
/// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
/// use std::os::fd::AsFd;
///
/// # let path = std::env::temp_dir().join(format!("ringway-doc-poller-arm-{}", std::process::id()));
/// # let mut poller = Poller::new()?;
/// # poller.listen(Listener::bind(path.as_path())?, |connection| connection)?;
/// # let client = std::thread::spawn(move || ringway::connect(path).unwrap().sender().send(b"hello").unwrap());
/// 'serving: loop {
///     while let Some(event) = poller.try_event()? {
///         match event {
///             Event::Ready(mut turn) => while turn.more() {
///                 assert_eq!(turn.receiver().recv()?.to_vec(), b"hello");
///             },
///             Event::Ended(_) => break 'serving,
///             _ => {}
///         }
///     }
///     if poller.arm()? == Arm::Armed {
///         // Here with all else that the loop waits for; or `epoll`, for levels or edges.
///         poll(&mut [PollFd::new(poller.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
///     }
/// }
/// # client.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Poller<C: Polled = Connection> {
    tower: Arc<Tower>,
    entries: Slab<Entry<C>>,
    doors: Slab<Door<C>>,
    /// The hot ones, the next to be looked at first. Some may have left.
    ring: VecDeque<Token>,
    /// How many are to be looked at yet in this round.
    left: usize,
    /// Listeners with something to do.
    queued: VecDeque<Token>,
    /// When to look after a connection or a listener without being told to.
    dates: BinaryHeap<Reverse<(Instant, u64)>>,
    /// What the tower told; kept for its memory.
    keys: Vec<u64>,
    budget: u32,
    pulse: Pulse,
    /// Who was hot when the thread went to sleep.
    dormant: Vec<Token>,
    /// Finds since the clock was read, and looks.
    unclocked: u32,
    looks: u32,
    /// Looks that found nothing, since one that did.
    barren: u32,
    /// Who was found last, and who may be the next.
    last: Option<Token>,
    guess: Option<Token>,
    /// The last one was the one that was guessed.
    trusted: bool,
    /// What an answer to the guessed one will touch is at hand.
    warmed: bool,
    /// Nanoseconds, of this round.
    now: u64,
    /// When the kernel was last asked.
    asked: u64,
    /// It may have more to tell than it could the last time.
    more: bool,
    wakes: u64,
}

impl<C: Polled> Poller<C> {
    /// One that holds nothing.
    ///
    /// # Errors
    /// What the system answers, such as a descriptor limit.
    pub fn new() -> Result<Self, Error> {
        let tower = Tower::new().map_err(|error| Error::io("making a poller", error))?;
        let now = cpu::nanos();
        Ok(Self {
            tower: Arc::new(tower),
            entries: Slab::from(0),
            doors: Slab::from(FIRST_DOOR),
            ring: VecDeque::new(),
            left: 0,
            queued: VecDeque::new(),
            dates: BinaryHeap::new(),
            keys: Vec::new(),
            budget: BUDGET,
            pulse: Pulse::new(now),
            dormant: Vec::new(),
            unclocked: 0,
            looks: 0,
            barren: 0,
            last: None,
            guess: None,
            trusted: false,
            warmed: false,
            now,
            asked: 0,
            more: false,
            wakes: 0,
        })
    }

    /// Frames that a turn may have ([`Turn::more`]): at least 1. Default 64.
    pub fn budget(&mut self, frames: u32) {
        self.budget = frames.max(1);
    }

    /// Accepts from `listener` from now on, and holds what `wrap` makes of each connection.
    ///
    /// # Errors
    /// [`ErrorKind::Forked`](crate::ErrorKind::Forked), or what the system answers. The listener is dropped then.
    pub fn listen<L, F>(&mut self, listener: L, wrap: F) -> Result<Token, Error>
    where
        L: Accept + Send + 'static,
        F: FnMut(L::Connection) -> C + Send + 'static,
        C: 'static,
    {
        if self.tower.is_forked() {
            return Err(forked());
        }
        let token = self.doors.insert(Door::new(listener, wrap));
        let key = token.key(Topic::Door);
        let watched = self.doors.get(token).map_or(Ok(()), |door| {
            self.tower.watch_lobby(door.descriptor(), key)
        });
        if let Err(error) = watched {
            self.doors.remove(token);
            return Err(Error::io("watching a listener", error));
        }
        Ok(token)
    }

    /// A listener, to ask it something, or to hand it over ([`Listener::hand_over`], [`Listener::pass_to`]): the poller goes on with the handshakes that have begun.
    pub fn listener(&mut self, listener: Token) -> Option<&mut Listener> {
        self.doors.get_mut(listener)?.listener()
    }

    /// Listens no more, and drops the listener. Connections stay. Returns whether there was one of that name.
    pub fn stop(&mut self, listener: Token) -> bool {
        let door = self.doors.remove(listener);
        if let Some(door) = &door {
            self.tower.forget(door.descriptor());
        }
        door.is_some()
    }

    /// Holds a connection.
    ///
    /// # Errors
    /// What the system answers. The connection is dropped then.
    pub fn add(&mut self, polled: C) -> Result<Token, Error> {
        if self.tower.is_forked() {
            return Err(forked());
        }
        let token = self.entries.insert(Entry::new(polled, cpu::nanos()));
        let (bell, life) = (token.key(Topic::Bell), token.key(Topic::Life));
        let seat = Seat::new(&self.tower, bell, life);
        let sat = self
            .entries
            .get_mut(token)
            .map_or(Ok(()), |entry| entry.sit(seat));
        if let Err(error) = sat {
            if let Some(mut entry) = self.entries.remove(token) {
                entry.leave();
            }
            return Err(Error::io("watching a connection", error));
        }
        self.heat(token);
        step!("poller-add");
        Ok(token)
    }

    /// Gives a connection back, which waits by itself again: for that each half makes an epoll instance, now or, if there is no descriptor left, when it first
    /// waits. `None`: it has left already.
    pub fn remove(&mut self, connection: Token) -> Option<C> {
        let mut entry = self.entries.remove(connection)?;
        self.forget_gone();
        entry.rise();
        entry.stand();
        Some(entry.polled)
    }

    /// A connection, for example to send something that it has not asked for. `None`: it has left.
    pub fn get_mut(&mut self, connection: Token) -> Option<&mut C> {
        // Whatever is done to its halves, they are looked at afterwards.
        self.heat(connection);
        Some(&mut self.entries.get_mut(connection)?.polled)
    }

    /// As [`Turn::until_room`], outside a turn. Returns whether the connection is there.
    pub fn until_room(&mut self, connection: Token, room: impl Into<Room>) -> bool {
        self.heat(connection);
        let entry = self.entries.get_mut(connection);
        entry
            .map(|entry| entry.want = entry::Want::Room(room.into(), None))
            .is_some()
    }

    /// As [`Turn::until_room_at`], outside a turn. Returns whether the connection is there.
    ///
    /// # Errors
    /// As for [`Turn::until_room_at`].
    pub fn until_room_at(
        &mut self,
        connection: Token,
        priority: usize,
        room: impl Into<Room>,
    ) -> Result<bool, SendError> {
        self.heat(connection);
        let Some(entry) = self.entries.get_mut(connection) else {
            return Ok(false);
        };
        entry.want_room_at(priority, room.into())?;
        Ok(true)
    }

    /// What names the connections, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.entries.iter().map(|(token, _)| token)
    }

    /// How many connections it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no connection.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many connections are hot: looked at in memory. The others sleep in the kernel.
    pub fn hot(&self) -> usize {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.is_hot)
            .count()
    }

    /// How often it has slept in the kernel and come back.
    pub fn wakes(&self) -> u64 {
        self.wakes
    }

    /// Waits for the next event. `None`: it holds nothing that one could come from. Nothing comes from a listener that was handed over ([`Listener::hand_over`]), once none of its handshakes is left.
    ///
    /// # Errors
    /// [`ErrorKind::Forked`](crate::ErrorKind::Forked), or what the system answers.
    pub fn event(&mut self) -> Result<Option<Event<'_, C>>, Error> {
        let found = self.find(Patience::Endless)?;
        Ok(found.map(|found| self.tell(found)))
    }

    /// As [`Poller::event`], until `deadline`. `None`: there was none.
    ///
    /// # Errors
    /// As for [`Poller::event`].
    pub fn event_deadline(&mut self, deadline: Instant) -> Result<Option<Event<'_, C>>, Error> {
        let found = self.find(Patience::Until(deadline))?;
        Ok(found.map(|found| self.tell(found)))
    }

    /// The next event if there is one now. Never waits.
    ///
    /// # Errors
    /// As for [`Poller::event`].
    pub fn try_event(&mut self) -> Result<Option<Event<'_, C>>, Error> {
        let found = self.find(Patience::None)?;
        Ok(found.map(|found| self.tell(found)))
    }

    /// Before waiting for the descriptor in somebody else's loop: is there something to do now? All connections are cold afterwards. Only after [`Arm::Armed`] is the descriptor
    /// worth waiting for, for readability, and once: arm again before the next time. It may be readable for nothing. With a connection of
    /// [`Wait::Spin`](crate::Wait::Spin) the answer is always [`Arm::Ready`].
    ///
    /// # Errors
    /// As for [`Poller::event`].
    pub fn arm(&mut self) -> Result<Arm, Error> {
        if self.tower.is_forked() {
            return Err(forked());
        }
        self.ask(Some(Duration::ZERO))?;
        // What has not been told yet is not told again to a loop that waits for edges.
        if self.more || !self.queued.is_empty() || !self.cool_all() {
            return Ok(Arm::Ready);
        }
        self.pulse.sleeps();
        let moment = self.dates.peek().map(|Reverse((moment, _))| *moment);
        self.tower
            .ring_at(moment)
            .map_err(|error| Error::io("setting a poller's timer", error))?;
        Ok(Arm::Armed)
    }

    fn tell(&mut self, found: Found<C>) -> Event<'_, C> {
        step!("poller-event");
        match found {
            Found::Connected(token) => {
                let budget = self.budget;
                Event::Connected(Turn::new(self, token, budget))
            }
            Found::Ready(token, budget) => Event::Ready(Turn::new(self, token, budget)),
            Found::Ended(ended) => Event::Ended(ended),
            Found::Stalled(listener, error) => Event::Stalled { listener, error },
        }
    }
}

fn forked() -> Error {
    Error::forked("poller")
}

impl<C: Polled> AsFd for Poller<C> {
    /// Readable when there may be an event, after [`Poller::arm`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tower.as_fd()
    }
}

impl<C: Polled> fmt::Debug for Poller<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Poller")
            .field("connections", &self.len())
            .field("listeners", &self.doors.len())
            .field("hot", &self.hot())
            .field("wakes", &self.wakes)
            .finish_non_exhaustive()
    }
}

impl<C: Polled> Drop for Poller<C> {
    fn drop(&mut self) {
        // The tower may be held by a half that was taken out behind our back; nobody will heed it.
        for entry in self.entries.iter_mut() {
            entry.leave();
        }
        self.tower.close();
    }
}
