//! Options, by keyword: those of `Config`, with its names.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use ringway::{Address, Config, Limits, Wait};

use crate::errors::{exception, made};
use crate::schema::Schema;

/// What is known.
pub(crate) const NAMES: &[&str] = &[
    "alignment",
    "allow_tap",
    "allow_uid",
    "capacity",
    "codec",
    "drop_expired",
    "expects",
    "few_descriptors",
    "handshake_timeout",
    "huge_pages",
    "lanes",
    "limits",
    "lock_memory",
    "max_capacity",
    "membarrier",
    "numa_node",
    "peer_capacity",
    "prefault",
    "raise_descriptor_limit",
    "resumable",
    "sends",
    "spin_budget",
    "starvation_bound",
    "trust_peer",
    "wait",
];

/// A name, or a path: whatever contains a slash, or is a `pathlib.Path`.
pub(crate) fn address(name: &Bound<'_, PyAny>) -> PyResult<Address> {
    let path = || Ok(Address::from(name.extract::<PathBuf>()?));
    let Ok(text) = name.cast::<PyString>() else {
        return path();
    };
    match text.to_cow() {
        Ok(text) => Ok(Address::from(text.as_ref())),
        // A path may be no UTF-8, which Python tells in its own way; a name is never so.
        Err(_) if text.contains("/")? => path(),
        Err(error) => Err(error),
    }
}

/// How connections are used that were made with some options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) wait: Wait,
    /// The program trusts the peer.
    pub(crate) trusts: bool,
    /// Of the payloads that are reserved.
    pub(crate) alignment: usize,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            wait: Wait::default(),
            trusts: false,
            alignment: 8,
        }
    }
}

/// The options of a call.
pub(crate) fn config(
    call: &str,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<(Config, Manner)> {
    let mut config = Config::new();
    let mut manner = Manner::default();
    for (name, value) in options.into_iter().flatten() {
        let name: String = name.extract()?;
        let name = name.as_str();
        if !NAMES.contains(&name) {
            return Err(unknown(call, name));
        }
        let set = one(config, &mut manner, name, &value);
        config = set.map_err(|error| named(value.py(), name, error))?;
    }
    Ok((config, manner))
}

#[cold]
fn unknown(call: &str, name: &str) -> PyErr {
    let known = NAMES.join(", ");
    let meant = match name {
        "timeout" => " (handshake_timeout is how long connecting may take, in seconds)",
        _ => "",
    };
    PyTypeError::new_err(format!(
        "{call}() has no option {name:?}{meant}; there are {known}"
    ))
}

/// The same error, which says of which option it is. What a program's own code has raised stays as it is.
#[cold]
fn named(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    let error = made(py, error);
    let class = error.get_type(py);
    let is_ours = class.is(py.get_type::<PyTypeError>())
        || class.is(py.get_type::<PyValueError>())
        || class.is(py.get_type::<PyOverflowError>());
    let text = error.value(py).to_string();
    if !is_ours || text.starts_with(name) {
        return error;
    }
    let told = exception(&class, (format!("{name}: {text}"),));
    told.set_cause(py, Some(error));
    told
}

/// Checks the names and types of options that are used later.
#[pyfunction]
#[pyo3(signature = (call, /, **options))]
pub(crate) fn _check_options(call: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    config(call, options).map(drop)
}

fn one(
    config: Config,
    manner: &mut Manner,
    name: &str,
    value: &Bound<'_, PyAny>,
) -> PyResult<Config> {
    Ok(match name {
        "alignment" => {
            manner.alignment = value.extract()?;
            config.alignment(manner.alignment)
        }
        "allow_tap" => config.allow_tap(value.extract()?),
        "allow_uid" => match value.extract::<u32>() {
            Ok(uid) => config.allow_uid(uid),
            // What is a number is none, and not one of several.
            Err(error) if value.hasattr("__index__")? => return Err(error),
            Err(_) => value.try_iter()?.try_fold(config, |config, uid| {
                PyResult::Ok(config.allow_uid(uid?.extract()?))
            })?,
        },
        "capacity" => config.capacity(value.extract()?),
        "codec" => config.codec(value.extract()?),
        "expects" => match value.extract::<Option<Schema>>()? {
            Some(schema) => config.expects(schema.table),
            None => config,
        },
        "sends" => match value.extract::<Option<Schema>>()? {
            Some(schema) => config.sends(schema.table),
            None => config,
        },
        "drop_expired" => config.drop_expired(value.extract()?),
        "few_descriptors" => config.few_descriptors(value.extract()?),
        "handshake_timeout" => config.handshake_timeout(seconds(name, value)?),
        "huge_pages" => config.huge_pages(value.extract()?),
        "lanes" => config.lanes(value.extract()?),
        "limits" => config.limits(limits(value)?),
        "lock_memory" => config.lock_memory(value.extract()?),
        "max_capacity" => config.max_capacity(value.extract()?),
        "membarrier" => config.membarrier(value.extract()?),
        "numa_node" => config.numa_node(value.extract()?),
        "peer_capacity" => config.peer_capacity(value.extract()?),
        "prefault" => config.prefault(value.extract()?),
        "raise_descriptor_limit" => config.raise_descriptor_limit(value.extract()?),
        "resumable" => config.resumable(value.extract()?),
        "spin_budget" => config.spin_budget(seconds(name, value)?),
        "starvation_bound" => config.starvation_bound(value.extract()?),
        "trust_peer" => {
            manner.trusts = value.extract()?;
            config.trust_peer(manner.trusts)
        }
        "wait" => {
            manner.wait = wait_of(value)?;
            config.wait(manner.wait)
        }
        _ => unreachable!("looked up before"),
    })
}

fn wait_of(value: &Bound<'_, PyAny>) -> PyResult<Wait> {
    let text: String = value.extract()?;
    match text.as_str() {
        "adaptive" => Ok(Wait::Adaptive),
        "spin" => Ok(Wait::Spin),
        "park" => Ok(Wait::Park),
        _ => Err(PyValueError::new_err(format!(
            "wait is {text:?}: it must be \"adaptive\", \"spin\" or \"park\""
        ))),
    }
}

fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds: f64 = value.extract()?;
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!(
            "{name} is {seconds}: it must be a number of seconds that is not negative"
        ))
    })
}

/// A dictionary with some of `connections`, `bytes` and `handshakes`.
fn limits(value: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let mut limits = Limits::new();
    for (name, most) in value.cast::<PyDict>()? {
        let (name, most): (String, u64) = (name.extract()?, most.extract()?);
        limits = match name.as_str() {
            "connections" => limits.connections(most),
            "bytes" => limits.bytes(most),
            "handshakes" => limits.handshakes(most),
            _ => {
                let text = format!(
                    "limits has no {name:?}; there are \"connections\", \"bytes\" and \"handshakes\""
                );
                return Err(PyValueError::new_err(text));
            }
        };
    }
    Ok(limits)
}
