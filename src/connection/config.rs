//! Options of a listener or a connection.

use std::time::{Duration, Instant};

use super::address::Address;
use super::quota::Limits;
use super::{Connection, Listener, Observed, Tap, client, observer, receiver, schemas};
use crate::error::{Error, ErrorKind};
use crate::layout::control::LANES;
use crate::layout::geometry::{Geometry, MAX_CAPACITY, MIN_CAPACITY};
use crate::schema::Schema;
use crate::sys::clock::HostClock;
use crate::sys::{credentials, limit, memfd};
use crate::wake::ladder::Wait;

/// Options, with a default for each. One value serves any number of listeners and connections.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `bind` or `connect`"]
pub struct Config {
    pub(crate) capacity: usize,
    pub(crate) peer_capacity: usize,
    pub(crate) max_capacity: usize,
    pub(crate) lanes: usize,
    /// Frames that may go before one of lower priority.
    pub(crate) bound: u32,
    pub(crate) wait: Wait,
    pub(crate) spin_budget: Option<Duration>,
    pub(crate) alignment: usize,
    pub(crate) huge: bool,
    pub(crate) prefault: bool,
    pub(crate) lock: bool,
    pub(crate) node: Option<u32>,
    pub(crate) timeout: Duration,
    pub(crate) uids: Vec<u32>,
    pub(crate) trust: bool,
    /// Commits may carry no barrier.
    pub(crate) membarrier: bool,
    pub(crate) tap: bool,
    /// Give up descriptors that only make wakes faster.
    pub(crate) lean: bool,
    /// Raise the soft limit of descriptors when it is needed.
    pub(crate) raise: bool,
    pub(crate) limits: Limits,
    pub(crate) timing: bool,
    pub(crate) drop_expired: bool,
    /// The client can resume the connection.
    pub(crate) resumable: bool,
    /// What our side sends, and what it expects to receive. `None`: bytes without a meaning.
    pub(crate) sends: Option<Schema>,
    pub(crate) expects: Option<Schema>,
    /// How messages become bytes; 0: bytes, or messages that are read as they lie.
    pub(crate) codec: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity: 256 << 10,
            peer_capacity: 256 << 10,
            max_capacity: 64 << 20,
            lanes: 1,
            bound: 64,
            wait: Wait::Adaptive,
            spin_budget: None,
            alignment: 8,
            huge: false,
            prefault: false,
            lock: false,
            node: None,
            timeout: Duration::from_secs(5),
            uids: Vec::new(),
            trust: false,
            membarrier: false,
            tap: false,
            lean: false,
            raise: false,
            limits: Limits::default(),
            timing: false,
            drop_expired: false,
            resumable: false,
            sends: None,
            expects: None,
            codec: 0,
        }
    }
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes in the ring that a client sends into, in each of them where there are several lanes: a power of two, 4,096 to 1 GiB. Default 256 KiB.
    ///
    /// It is a client's wish. The server cuts it to its [`Config::max_capacity`] without an error: [`Sender::capacity`](crate::Sender::capacity)
    /// and [`Receiver::capacity`](crate::Receiver::capacity) tell what was agreed, [`Sender::max_payload`](crate::Sender::max_payload) how long
    /// a frame can be then.
    ///
    /// A listener's rings are never made by it, neither the one that it sends into nor the one that it reads: its clients ask, and its
    /// `max_capacity` limits them. There it is only checked like any option: within its range and `max_capacity`, large enough for
    /// [`Config::alignment`], and at least 2 MiB with [`Config::huge_pages`].
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// Bytes in the ring that a client asks its server to send into: a power of two, 4,096 to 1 GiB. Default 256 KiB.
    ///
    /// A wish as [`Config::capacity`] is, and cut in the same way. A listener does nothing with it but check it.
    pub fn peer_capacity(mut self, bytes: usize) -> Self {
        self.peer_capacity = bytes;
        self
    }

    /// The largest ring that this side agrees to, own or peer's: a power of two, 4,096 to 1 GiB. Default 64 MiB. A server cuts larger wishes
    /// down to it; a client may not wish for more than its own, and is never given more than it wished for.
    pub fn max_capacity(mut self, bytes: usize) -> Self {
        self.max_capacity = bytes;
        self
    }

    /// Lanes in each direction, 1 to 4: so many priorities, of which 0 is served first ([`Sender::at`](crate::Sender::at),
    /// [`Frame::priority`](crate::Frame::priority)). Default 1. Both sides ask, and get the smaller number ([`Sender::priorities`](crate::Sender::priorities)).
    ///
    /// Each lane has a ring of its own, of the agreed capacity: memory, address space and what counts towards limits are so many times as much. With one lane, each frame
    /// costs a little less to receive.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// How many frames of higher priorities our side receives, at most, while one of a lower priority waits: from 1 on, default 64. Then the lower one is looked at, and
    /// gives one frame if it has one. With `n` priorities and a bound of `b`, a frame that is the first of its lane is received behind at most `b + n - 2`
    /// frames of other lanes (in lane 0: `n - 1`). It is no matter of the peer's.
    pub fn starvation_bound(mut self, frames: u32) -> Self {
        self.bound = frames;
        self
    }

    /// How this side waits. [`Wait::Spin`] is declared to the peer, for the life of the connection.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// The most time out of each second that each half may spin while it waits, under [`Wait::Adaptive`]: `Duration::from_millis(50)` is a twentieth
    /// of a CPU. Zero: never; a second or more, the default: no limit but what is learned. A half that spends nothing may save up a tenth of it, at least 64 µs: in any stretch of
    /// time it spins for no longer than that stretch brought, and what was saved up; beyond it waits sleep at once.
    ///
    /// Time counts while a wait looks, by the clock, also what others took of the CPU meanwhile. Under a limit each wait costs two looks at the clock more, and a
    /// [`Poller`](crate::Poller) does not look at the connection in memory: it sleeps as soon as nothing is there. [`Wait::Spin`] knows no limit.
    pub fn spin_budget(mut self, per_second: Duration) -> Self {
        self.spin_budget = Some(per_second);
        self
    }

    /// The largest payload alignment that this side will ask of `reserve_aligned`: a power of two, 8 to 4,096. Default 8. It
    /// makes the largest frame that much smaller.
    pub fn alignment(mut self, bytes: usize) -> Self {
        self.alignment = bytes;
        self
    }

    /// Puts our segment on huge pages of 2 MiB (rings of at least 2 MiB). The host must have some free (`vm.nr_hugepages`).
    pub fn huge_pages(mut self, on: bool) -> Self {
        self.huge = on;
        self
    }

    /// Fills the page tables of both segments while connecting, so that no first touch costs a fault later.
    pub fn prefault(mut self, on: bool) -> Self {
        self.prefault = on;
        self
    }

    /// Keeps both segments in memory (`mlock`), so that no access waits for a page that the kernel took away; also fills the page tables, as
    /// [`Config::prefault`] does. Their bytes count towards the process's `RLIMIT_MEMLOCK`, each ring once; of a listener,
    /// the clients' rings too, which then count towards what they are granted ([`Limits::bytes`]). What does not fit is an error
    /// of the kind `Resources` that says what to raise; a server tells it to the client that it refuses.
    pub fn lock_memory(mut self, on: bool) -> Self {
        self.lock = on;
        self
    }

    /// Takes the memory of our segment from this NUMA node only, best that of the processor that reads it most. The peer chooses for its own.
    ///
    /// An error of the kind `InvalidConfig` if the host has no such node, `Resources` if the kernel knows no NUMA or does not let us.
    pub fn numa_node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// How long a handshake may take. Default 5 s: on a host that is busy with others either side may get no processor for seconds. More than a day counts as a day.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        // So that adding it to any moment stays within what a clock can say.
        self.timeout = timeout.min(Duration::from_secs(86_400));
        self
    }

    /// Admits peers of another uid, besides our own. A listener on a path then makes its socket connectable by all; the uid
    /// decides.
    pub fn allow_uid(mut self, uid: u32) -> Self {
        self.uids.push(uid);
        self
    }

    /// Rings the peer's bell by a plain `write`, which is faster, but which a hostile peer can make block for ever.
    pub fn trust_peer(mut self, on: bool) -> Self {
        self.trust = on;
        self
    }

    /// Lets this side's sends leave out the barrier that they otherwise carry for a receiver that may sleep, while the receiver does not sleep: some 5 to 10 ns less for
    /// each. Off by default, and without effect unless both sides ask for it.
    ///
    /// Its price is paid elsewhere. A receiver that goes to sleep meanwhile makes up for it by the system call `membarrier`, which interrupts every processor that runs a process
    /// which has *registered* for it, and this registers ours: until it ends, any process of the host, whatever its uid, can interrupt each of its running threads as often as it likes (a
    /// third of the time of a thread that spins was left to it in a test). So it is for hosts on whose processes you rely, and pays for streams to a receiver that is busy for seconds at a time: a
    /// sender leaves the barrier out when the receiver has not slept for 10 ms (up to 2 s, where that turned out too short) and 16,384 frames, and takes it back when it has. A receiver makes at most
    /// 250 such calls a second; what it sleeps beyond that, or where the call is forbidden, it sleeps by 1 ms at a time, and [`Receiver::arm`](crate::Receiver::arm) says
    /// [`Arm::Ready`](crate::Arm::Ready) then. Releases, which wake a sender that waits for room, always carry their barrier. Where the kernel or a sandbox has no `membarrier` nothing is left
    /// out, and so it is with several [lanes](Config::lanes). [`Wait::Spin`] needs neither: a receiver that declares it is sent to without a barrier in any case.
    pub fn membarrier(mut self, on: bool) -> Self {
        self.membarrier = on;
        self
    }

    /// Lets whoever runs under our own effective uid read the frames of a listener's connections along ([`Config::tap`], `ringway tap`), both ways.
    /// Default: nobody can. Each connection then keeps two descriptors more. It has no effect on a client.
    pub fn allow_tap(mut self, on: bool) -> Self {
        self.tap = on;
        self
    }

    /// Keeps no descriptor of the peer's bells, two fewer per connection. It is then woken through the handshake socket, which wakes both of its halves
    /// and costs it about two system calls more each time. With a [`Poller`](crate::Poller) an idle connection has four descriptors then.
    ///
    /// Where `io_uring` is not permitted (`ringway doctor` says so) bells are rung by AIO, and peers then hear of the death of a process that has rung one some 35 ms later, 65 at p99.
    /// A process whose connections all have this option rings none, and so its death is told at once there too (`docs/RELIABILITY.md`).
    pub fn few_descriptors(mut self, on: bool) -> Self {
        self.lean = on;
        self
    }

    /// Raises this process's soft limit of descriptors to its hard one (`ulimit -Hn`) when it binds or connects. Off by default: a limit is
    /// the process's, and programs that use `select` cannot have descriptors beyond 1,023.
    pub fn raise_descriptor_limit(mut self, on: bool) -> Self {
        self.raise = on;
        self
    }

    /// What a listener grants to the clients of one uid.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Times how long our side takes to encode and decode messages ([`codec::over`](crate::codec::over)): one call in 64 of each half, told in the counters
    /// ([`LaneCounters::codec_nanos`](crate::LaneCounters::codec_nanos)). Default: off. Messages that travel as they lie in memory are not encoded,
    /// and not timed.
    pub fn timing(mut self, on: bool) -> Self {
        self.timing = on;
        self
    }

    /// Drops frames that have expired before our side receives them: [`Receiver::drop_expired`](crate::Receiver::drop_expired). Default: off. An error of the kind `Clock` where this
    /// process cannot tell the host's clock.
    pub fn drop_expired(mut self, on: bool) -> Self {
        self.drop_expired = on;
        self
    }

    /// Lets a client that outlives its server resume the connection with the next one ([`Config::resume`]): what the server had not finished with is sent again, and says so
    /// ([`Frame::redelivery`](crate::Frame::redelivery)). Off by default. Both sides have to ask for it.
    ///
    /// A server's receiver then tells, for each frame, that it hands it out and that it is finished with: sending and receiving 64 bytes as a [`Frame`](crate::Frame) in one process took 378 instructions in
    /// place of 130. What the server sends, and its client receives, costs no more than otherwise. The server is finished with a frame when the
    /// [`Frame`](crate::Frame) is dropped, unless a panic does that; with that one, and with one that was returned by value (`recv_into`, messages of a typed connection) or is received in a task, when the receiver is asked for the next one: by any call that looks for a frame, though it finds none
    /// (`try_recv`, [`Receiver::arm`](crate::Receiver::arm), and a [`Poller`](crate::Poller) between two turns or when it is armed, unless it waits for room to answer). So **a handler commits its reply
    /// first, and then drops the frame** or goes on: then a frame that is finished with has its reply, and one that is not is sent again. (What a [`Batcher`](crate::batch::Batcher)
    /// has accepted is not committed before it is flushed.) Who handles frames elsewhere, and later, holds them until
    /// then ([`Receiver::hold`](crate::Receiver::hold), [`Receiver::release`](crate::Receiver::release)).
    pub fn resumable(mut self, on: bool) -> Self {
        self.resumable = on;
        self
    }

    /// What this side sends, for programs that know it as data. A typed connection sets it by itself. The peer reads it from our segment, and
    /// each side refuses the other if what one sends is not compatible with what the other expects.
    pub fn sends(mut self, schema: Schema) -> Self {
        self.sends = Some(schema);
        self
    }

    /// What this side expects to receive. Without it anything is taken; with it a peer that sends bytes without a schema is refused.
    pub fn expects(mut self, schema: Schema) -> Self {
        self.expects = Some(schema);
        self
    }

    /// The number of the format that messages are encoded in (`ringway::codec`), or of a stream of bytes ([`Config::byte_stream`]); 0, the default: they travel as they lie in memory. A peer with
    /// another number is refused. Numbers from 2³¹ on are for formats of your own.
    pub fn codec(mut self, id: u32) -> Self {
        self.codec = id;
        self
    }

    /// Listens under a name or path.
    ///
    /// # Errors
    /// A bad option or name, a name that is taken, a directory that is unsafe, or what the system answers.
    pub fn bind(&self, address: impl Into<Address>) -> Result<Listener, Error> {
        self.prepare()?;
        Listener::with(self.clone(), &address.into())
    }

    /// Connects to a listener and shakes hands.
    ///
    /// # Errors
    /// Nobody listens, a refusal that names what differs, a limit of the host, or the deadline.
    pub fn connect(&self, address: impl Into<Address>) -> Result<Connection, Error> {
        self.prepare()?;
        client::connect(self, &address.into(), Instant::now() + self.timeout)
    }

    /// Asks a listener for what it lets others see: its counters and its schemas, not a byte of what its connections carry. A listener answers whom
    /// it would admit as a peer, from within `accept` and its kin.
    ///
    /// # Errors
    /// As for [`Config::connect`].
    pub fn observe(&self, address: impl Into<Address>) -> Result<Observed, Error> {
        self.check()?;
        let path = address.into().resolve(false)?;
        observer::observe(self, &path, Instant::now() + self.timeout)
    }

    /// Asks a listener for the segments of its connections, to read their frames along. It has to allow that ([`Config::allow_tap`]), to run under
    /// our uid, and to answer, as for [`Config::observe`].
    ///
    /// # Errors
    /// As for [`Config::connect`]; [`ErrorKind::Feature`] where the listener does not allow it.
    pub fn tap(&self, address: impl Into<Address>) -> Result<Tap, Error> {
        self.check()?;
        let path = address.into().resolve(false)?;
        Tap::new(self.clone(), path)
    }

    pub(crate) fn prepare(&self) -> Result<(), Error> {
        self.check()?;
        if self.drop_expired {
            HostClock::here().map_err(receiver::unknown)?;
        }
        if self.raise {
            limit::raise_descriptors()
                .map_err(|error| Error::io("raising the limit of descriptors", error))?;
        }
        Ok(())
    }

    pub(crate) fn allows(&self, uid: u32) -> bool {
        self.uids.contains(&uid) || credentials::is_own(uid)
    }

    pub(crate) fn geometry(&self, capacity: u64) -> Geometry {
        Geometry::new(capacity, self.alignment as u32, 0)
    }

    fn check(&self) -> Result<(), Error> {
        let bad = |text: String| Err(Error::new(ErrorKind::InvalidConfig, text));
        for (name, bytes) in [
            ("capacity", self.capacity),
            ("peer_capacity", self.peer_capacity),
            ("max_capacity", self.max_capacity),
        ] {
            let range = MIN_CAPACITY as usize..=MAX_CAPACITY as usize;
            if !bytes.is_power_of_two()
                || !range.contains(&bytes)
                || bytes % memfd::page_size() != 0
            {
                return bad(format!(
                    "{name} is {bytes}: it must be a power of two, from 4096 (one page) to 1 GiB"
                ));
            }
        }
        for (name, bytes) in [
            ("capacity", self.capacity),
            ("peer_capacity", self.peer_capacity),
        ] {
            if bytes > self.max_capacity {
                let most = self.max_capacity;
                return bad(format!(
                    "{name} exceeds max_capacity ({most}): raise max_capacity"
                ));
            }
        }
        if !self.alignment.is_power_of_two() || !(8..=4096).contains(&self.alignment) {
            return bad(format!(
                "alignment is {}: it must be a power of two, from 8 to 4096",
                self.alignment
            ));
        }
        if self.geometry(self.capacity as u64).check().is_err() {
            return bad(format!(
                "a ring of {} bytes has no room for alignment {}: use a larger one",
                self.capacity, self.alignment
            ));
        }
        if !(1..=LANES).contains(&self.lanes) {
            return bad(format!(
                "lanes is {}: a direction has 1 to {LANES} of them",
                self.lanes
            ));
        }
        if self.bound == 0 {
            return bad(
                "starvation_bound is 0: at least 1 frame of higher priority goes first".to_owned(),
            );
        }
        schemas::Told::new(self)?;
        if self.huge && self.capacity < memfd::HUGE_PAGE {
            return bad("huge pages need a capacity of at least 2 MiB".to_owned());
        }
        Ok(())
    }
}
