//! Options of a listener or a connection.

use std::time::Duration;

use ringway::{Config, Limits, Wait};

use crate::boundary::{call, given, quietly};
use crate::error::Failure;
use crate::schema::ringway_schema;
use crate::status::ringway_status;

/// Options, with a default for each. One value serves any number of listeners and connections, which copy what they need. It may be read from several threads at once, and be changed by one
/// while nobody else uses it.
#[derive(Clone, Debug, Default)]
pub struct ringway_config {
    pub(crate) config: Config,
    limits: Limits,
}

/// What `ringway_config_set` sets. A truth value is 0 or 1; whatever is not told here is told where the library's documentation has the option of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum ringway_option {
    /// Bytes in the ring that a client sends into: a power of two from 4,096 to 1 GiB. Default 256 KiB.
    RINGWAY_CAPACITY = 0,
    /// Bytes in the ring that a client asks its server to send into. Default 256 KiB.
    RINGWAY_PEER_CAPACITY = 1,
    /// The largest ring that this side agrees to. Default 64 MiB.
    RINGWAY_MAX_CAPACITY = 2,
    /// Priorities in each direction, 1 to 4. Default 1.
    RINGWAY_LANES = 3,
    /// Frames of higher priorities that are received while one of a lower priority waits. Default 64.
    RINGWAY_STARVATION_BOUND = 4,
    /// How this side waits: a `ringway_wait`.
    RINGWAY_WAIT = 5,
    /// Nanoseconds out of each second that each half may spin while it waits. Default: no limit.
    RINGWAY_SPIN_BUDGET = 6,
    /// The largest payload alignment that is asked for: a power of two from 8 to 4,096. Default 8.
    RINGWAY_ALIGNMENT_MOST = 7,
    /// Truth value: our segment is on huge pages.
    RINGWAY_HUGE_PAGES = 8,
    /// Truth value: the page tables are filled while connecting.
    RINGWAY_PREFAULT = 9,
    /// Truth value: both segments are kept in memory.
    RINGWAY_LOCK_MEMORY = 10,
    /// The NUMA node of our segment.
    RINGWAY_NUMA_NODE = 11,
    /// Nanoseconds that a handshake may take. Default five seconds.
    RINGWAY_HANDSHAKE_TIMEOUT = 12,
    /// A uid that is admitted besides our own; may be set several times.
    RINGWAY_ALLOW_UID = 13,
    /// Truth value: the peer is rung by a plain `write`, which a hostile one can make block.
    RINGWAY_TRUST_PEER = 14,
    /// Truth value: sends leave out their barrier while the receiver is awake.
    RINGWAY_MEMBARRIER = 15,
    /// Truth value: processes of our uid may read a listener's frames along.
    RINGWAY_ALLOW_TAP = 16,
    /// Truth value: no descriptor of the peer's bells is kept.
    RINGWAY_FEW_DESCRIPTORS = 17,
    /// Truth value: the soft limit of descriptors is raised to the hard one.
    RINGWAY_RAISE_DESCRIPTOR_LIMIT = 18,
    /// Truth value: frames that have expired before they are received are dropped.
    RINGWAY_DROP_EXPIRED = 19,
    /// Truth value: a client may resume the connection with the server's successor.
    RINGWAY_RESUMABLE = 20,
    /// The number of the format that messages are encoded in; 0: they travel as they lie.
    RINGWAY_CODEC = 21,
    /// Of a listener: connections of one uid.
    RINGWAY_LIMIT_CONNECTIONS = 22,
    /// Of a listener: bytes of segments for the clients of one uid.
    RINGWAY_LIMIT_BYTES = 23,
    /// Of a listener: handshakes of one uid that are under way.
    RINGWAY_LIMIT_HANDSHAKES = 24,
}

/// Options, each with its name in the header.
macro_rules! named {
    ($($option:ident),+ $(,)?) => {
        &[$((ringway_option::$option, stringify!($option))),+]
    };
}

impl ringway_option {
    /// Each, and its name in the header.
    pub(crate) const ALL: &'static [(Self, &'static str)] = named!(
        RINGWAY_CAPACITY,
        RINGWAY_PEER_CAPACITY,
        RINGWAY_MAX_CAPACITY,
        RINGWAY_LANES,
        RINGWAY_STARVATION_BOUND,
        RINGWAY_WAIT,
        RINGWAY_SPIN_BUDGET,
        RINGWAY_ALIGNMENT_MOST,
        RINGWAY_HUGE_PAGES,
        RINGWAY_PREFAULT,
        RINGWAY_LOCK_MEMORY,
        RINGWAY_NUMA_NODE,
        RINGWAY_HANDSHAKE_TIMEOUT,
        RINGWAY_ALLOW_UID,
        RINGWAY_TRUST_PEER,
        RINGWAY_MEMBARRIER,
        RINGWAY_ALLOW_TAP,
        RINGWAY_FEW_DESCRIPTORS,
        RINGWAY_RAISE_DESCRIPTOR_LIMIT,
        RINGWAY_DROP_EXPIRED,
        RINGWAY_RESUMABLE,
        RINGWAY_CODEC,
        RINGWAY_LIMIT_CONNECTIONS,
        RINGWAY_LIMIT_BYTES,
        RINGWAY_LIMIT_HANDSHAKES,
    );
}

/// How a half waits: what the option `RINGWAY_WAIT` is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum ringway_wait {
    /// Spins while that pays, then sleeps.
    RINGWAY_WAIT_ADAPTIVE = 0,
    /// Never sleeps, and takes a whole CPU.
    RINGWAY_WAIT_SPIN = 1,
    /// Looks once, then sleeps.
    RINGWAY_WAIT_PARK = 2,
}

/// The default options. Free them with `ringway_config_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_config_new(
    config: Option<&mut std::mem::MaybeUninit<Box<ringway_config>>>,
) -> ringway_status {
    call(|| {
        given(config, "config")?.write(Box::default());
        Ok(())
    })
}

/// A copy of options, to be changed apart from them. Free it with `ringway_config_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_config_copy(
    config: Option<&ringway_config>,
    copy: Option<&mut std::mem::MaybeUninit<Box<ringway_config>>>,
) -> ringway_status {
    call(|| {
        let copied = given(config, "config")?.clone();
        given(copy, "copy")?.write(Box::new(copied));
        Ok(())
    })
}

/// Frees options. Connections and listeners that were made with them stay as they are.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_config_free(config: Option<Box<ringway_config>>) {
    quietly(|| drop(config));
}

/// Sets an option: a `ringway_option`. What does not go together is found when they are used, by `ringway_bind` or `ringway_connect`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_config_set(
    config: Option<&mut ringway_config>,
    option: i32,
    value: u64,
) -> ringway_status {
    call(|| given(config, "config")?.set(option, value))
}

/// What this side sends, for peers that know it as data: they are refused where they expect something that is not compatible. Copied.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_config_sends(
    config: Option<&mut ringway_config>,
    schema: Option<&ringway_schema>,
) -> ringway_status {
    call(|| {
        let (config, schema) = (given(config, "config")?, given(schema, "schema")?);
        let changed = std::mem::take(&mut config.config);
        config.config = changed.sends(schema.schema.clone());
        Ok(())
    })
}

/// What this side expects to receive: a peer that sends something that is not compatible is refused. Copied.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_config_expects(
    config: Option<&mut ringway_config>,
    schema: Option<&ringway_schema>,
) -> ringway_status {
    call(|| {
        let (config, schema) = (given(config, "config")?, given(schema, "schema")?);
        let changed = std::mem::take(&mut config.config);
        config.config = changed.expects(schema.schema.clone());
        Ok(())
    })
}

impl ringway_config {
    fn set(&mut self, option: i32, value: u64) -> Result<(), Failure> {
        const CAPACITY: i32 = ringway_option::RINGWAY_CAPACITY as i32;
        const PEER_CAPACITY: i32 = ringway_option::RINGWAY_PEER_CAPACITY as i32;
        const MAX_CAPACITY: i32 = ringway_option::RINGWAY_MAX_CAPACITY as i32;
        const LANES: i32 = ringway_option::RINGWAY_LANES as i32;
        const BOUND: i32 = ringway_option::RINGWAY_STARVATION_BOUND as i32;
        const WAIT: i32 = ringway_option::RINGWAY_WAIT as i32;
        const SPIN_BUDGET: i32 = ringway_option::RINGWAY_SPIN_BUDGET as i32;
        const ALIGNMENT: i32 = ringway_option::RINGWAY_ALIGNMENT_MOST as i32;
        const HUGE_PAGES: i32 = ringway_option::RINGWAY_HUGE_PAGES as i32;
        const PREFAULT: i32 = ringway_option::RINGWAY_PREFAULT as i32;
        const LOCK: i32 = ringway_option::RINGWAY_LOCK_MEMORY as i32;
        const NODE: i32 = ringway_option::RINGWAY_NUMA_NODE as i32;
        const TIMEOUT: i32 = ringway_option::RINGWAY_HANDSHAKE_TIMEOUT as i32;
        const UID: i32 = ringway_option::RINGWAY_ALLOW_UID as i32;
        const TRUST: i32 = ringway_option::RINGWAY_TRUST_PEER as i32;
        const MEMBARRIER: i32 = ringway_option::RINGWAY_MEMBARRIER as i32;
        const TAP: i32 = ringway_option::RINGWAY_ALLOW_TAP as i32;
        const FEW: i32 = ringway_option::RINGWAY_FEW_DESCRIPTORS as i32;
        const RAISE: i32 = ringway_option::RINGWAY_RAISE_DESCRIPTOR_LIMIT as i32;
        const DROP_EXPIRED: i32 = ringway_option::RINGWAY_DROP_EXPIRED as i32;
        const RESUMABLE: i32 = ringway_option::RINGWAY_RESUMABLE as i32;
        const CODEC: i32 = ringway_option::RINGWAY_CODEC as i32;
        const CONNECTIONS: i32 = ringway_option::RINGWAY_LIMIT_CONNECTIONS as i32;
        const BYTES: i32 = ringway_option::RINGWAY_LIMIT_BYTES as i32;
        const HANDSHAKES: i32 = ringway_option::RINGWAY_LIMIT_HANDSHAKES as i32;

        let unfit = |range: &str| unfit(option, value, range);
        let size = || usize::try_from(value).map_err(|_| unfit("at most what a size_t can be"));
        let small = || u32::try_from(value).map_err(|_| unfit("0 to 4294967295"));
        let truth = || match value {
            0 | 1 => Ok(value == 1),
            _ => Err(unfit("a truth value: 0 or 1")),
        };
        let config = self.config.clone();
        self.config = match option {
            CAPACITY => config.capacity(size()?),
            PEER_CAPACITY => config.peer_capacity(size()?),
            MAX_CAPACITY => config.max_capacity(size()?),
            LANES => config.lanes(size()?),
            BOUND => config.starvation_bound(small()?),
            WAIT => config.wait(wait(value).ok_or_else(|| unfit(WAITS))?),
            SPIN_BUDGET => config.spin_budget(Duration::from_nanos(value)),
            ALIGNMENT => config.alignment(size()?),
            HUGE_PAGES => config.huge_pages(truth()?),
            PREFAULT => config.prefault(truth()?),
            LOCK => config.lock_memory(truth()?),
            NODE => config.numa_node(small()?),
            TIMEOUT => config.handshake_timeout(Duration::from_nanos(value)),
            UID => config.allow_uid(small()?),
            TRUST => config.trust_peer(truth()?),
            MEMBARRIER => config.membarrier(truth()?),
            TAP => config.allow_tap(truth()?),
            FEW => config.few_descriptors(truth()?),
            RAISE => config.raise_descriptor_limit(truth()?),
            DROP_EXPIRED => config.drop_expired(truth()?),
            RESUMABLE => config.resumable(truth()?),
            CODEC => config.codec(small()?),
            CONNECTIONS | BYTES | HANDSHAKES => {
                self.limits = match option {
                    CONNECTIONS => self.limits.connections(value),
                    BYTES => self.limits.bytes(value),
                    _ => self.limits.handshakes(value),
                };
                config.limits(self.limits)
            }
            _ => {
                let text = format!("{option} is no option of this version of the library");
                return Err(Failure::argument(text));
            }
        };
        Ok(())
    }
}

const WAITS: &str = "RINGWAY_WAIT_ADAPTIVE (0), RINGWAY_WAIT_SPIN (1) or RINGWAY_WAIT_PARK (2)";

fn wait(value: u64) -> Option<Wait> {
    const ADAPTIVE: u64 = ringway_wait::RINGWAY_WAIT_ADAPTIVE as u64;
    const SPIN: u64 = ringway_wait::RINGWAY_WAIT_SPIN as u64;
    const PARK: u64 = ringway_wait::RINGWAY_WAIT_PARK as u64;
    match value {
        ADAPTIVE => Some(Wait::Adaptive),
        SPIN => Some(Wait::Spin),
        PARK => Some(Wait::Park),
        _ => None,
    }
}

fn unfit(option: i32, value: u64, range: &str) -> Failure {
    let known = ringway_option::ALL.iter();
    let name = known
        .filter(|(known, _)| *known as i32 == option)
        .map(|(_, name)| *name)
        .next();
    let name = name.unwrap_or("the option");
    Failure::argument(format!("{name} cannot be {value}: it is {range}"))
}
