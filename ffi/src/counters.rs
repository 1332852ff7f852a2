//! What connections have done, by names.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ringway::{ConnectionCounters, Counters, LaneCounters, Observed};

use crate::boundary::{call, given, quietly, tell, text};
use crate::config::ringway_config;
use crate::connection::ringway_peer;
use crate::error::Failure;
use crate::schema::ringway_schema;
use crate::status::ringway_status;

/// A listener that is observed: its counters and schemas, and not a byte of what its connections carry. It may be used from several threads at once.
#[derive(Debug)]
pub struct ringway_observed {
    observed: Observed,
}

/// What connections had done when they were asked. It may be read from several threads at once.
#[derive(Debug)]
pub struct ringway_counters {
    connections: Vec<ConnectionCounters>,
}

/// Asks a listener for what it lets others see. It answers whom it would admit as a peer. Free it with `ringway_observed_free`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_observe(
    config: Option<&ringway_config>,
    address: *const c_char,
    observed: Option<&mut MaybeUninit<Box<ringway_observed>>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        // SAFETY: the caller's promise.
        let address = unsafe { text(address, "address") }?;
        let out = given(observed, "observed")?;
        let observed = config.config.observe(address)?;
        out.write(Box::new(ringway_observed { observed }));
        Ok(())
    })
}

/// Who listens.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_observed_peer(
    observed: Option<&ringway_observed>,
    peer: Option<&mut MaybeUninit<ringway_peer>>,
) -> ringway_status {
    call(|| {
        let observed = given(observed, "observed")?;
        given(peer, "peer")?.write(observed.observed.peer().into());
        Ok(())
    })
}

/// What the listener sends to its clients: as `ringway_connection_peer_sends`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_observed_sends(
    observed: Option<&ringway_observed>,
    schema: Option<&mut MaybeUninit<Box<ringway_schema>>>,
) -> ringway_status {
    call(|| {
        let (observed, schema) = (given(observed, "observed")?, given(schema, "schema")?);
        schema.write(ringway_schema::of(observed.observed.sends())?);
        Ok(())
    })
}

/// What the listener expects of its clients: as `ringway_connection_peer_sends`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_observed_expects(
    observed: Option<&ringway_observed>,
    schema: Option<&mut MaybeUninit<Box<ringway_schema>>>,
) -> ringway_status {
    call(|| {
        let (observed, schema) = (given(observed, "observed")?, given(schema, "schema")?);
        schema.write(ringway_schema::of(observed.observed.expects())?);
        Ok(())
    })
}

/// What the connections of the listener have done up to now. Free it with `ringway_counters_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_observed_counters(
    observed: Option<&ringway_observed>,
    counters: Option<&mut MaybeUninit<Box<ringway_counters>>>,
) -> ringway_status {
    call(|| {
        let (observed, counters) = (given(observed, "observed")?, given(counters, "counters")?);
        let connections = observed.observed.connections()?;
        counters.write(Box::new(ringway_counters { connections }));
        Ok(())
    })
}

/// Frees what is observed.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_observed_free(observed: Option<Box<ringway_observed>>) {
    quietly(|| drop(observed));
}

/// What the connections of this process have done up to now. Free it with `ringway_counters_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_counters_own(
    counters: Option<&mut MaybeUninit<Box<ringway_counters>>>,
) -> ringway_status {
    call(|| {
        let counters = given(counters, "counters")?;
        let connections = Counters::own()?.connections()?;
        counters.write(Box::new(ringway_counters { connections }));
        Ok(())
    })
}

/// How many connections there were.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_counters_connections(
    counters: Option<&ringway_counters>,
    count: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let counters = given(counters, "counters")?;
        given(count, "count")?.write(counters.connections.len());
        Ok(())
    })
}

/// One number of connection `index`: `peer_uid`, `peer_pid` (0, if it has none here), `lanes`; of the half that sends `sends.frames` and likewise `bytes`, `batches`, `high_water`, `waits`, `sleeps`, `wakes`, `refused`, `dropped`, `codec_samples`, `codec_nanos`, `expired`;
/// of the half that receives the same behind `receives.`. `RINGWAY_NO_SUCH_FIELD`: there is no such name.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_counters_value(
    counters: Option<&ringway_counters>,
    index: usize,
    name: *const c_char,
    value: Option<&mut MaybeUninit<u64>>,
) -> ringway_status {
    call(|| {
        let connection = given(counters, "counters")?.at(index)?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") }?;
        let value = given(value, "value")?;
        let found = number(connection, name).ok_or_else(|| {
            let text = format!("the counters have no `{name}`");
            Failure::new(ringway_status::RINGWAY_NO_SUCH_FIELD, text)
        })?;
        value.write(found);
        Ok(())
    })
}

/// The path of the socket of connection `index`, with a zero behind it; `length` as for `ringway_listener_path`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_counters_name(
    counters: Option<&ringway_counters>,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let connection = given(counters, "counters")?.at(index)?;
        // SAFETY: the caller's promise.
        unsafe { tell(connection.name.as_bytes(), buffer, capacity, length) }
    })
}

/// Frees counters.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_counters_free(counters: Option<Box<ringway_counters>>) {
    quietly(|| drop(counters));
}

impl ringway_counters {
    fn at(&self, index: usize) -> Result<&ConnectionCounters, Failure> {
        let count = self.connections.len();
        self.connections.get(index).ok_or_else(|| {
            Failure::argument(format!(
                "`index` is {index}, and there are {count} connections"
            ))
        })
    }
}

fn number(connection: &ConnectionCounters, name: &str) -> Option<u64> {
    if let Some(name) = name.strip_prefix("sends.") {
        return of_lane(&connection.sends, name);
    }
    if let Some(name) = name.strip_prefix("receives.") {
        return of_lane(&connection.receives, name);
    }
    Some(match name {
        "peer_uid" => connection.peer_uid.into(),
        "peer_pid" => connection.peer_pid.unwrap_or(0).into(),
        "lanes" => connection.lanes as u64,
        _ => return None,
    })
}

fn of_lane(lane: &LaneCounters, name: &str) -> Option<u64> {
    Some(match name {
        "frames" => lane.frames,
        "bytes" => lane.bytes,
        "batches" => lane.batches,
        "high_water" => lane.high_water,
        "waits" => lane.waits,
        "sleeps" => lane.sleeps,
        "wakes" => lane.wakes,
        "refused" => lane.refused,
        "dropped" => lane.dropped,
        "codec_samples" => lane.codec_samples,
        "codec_nanos" => lane.codec_nanos,
        "expired" => lane.expired,
        _ => return None,
    })
}
