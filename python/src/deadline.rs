//! Timeouts as Python gives them, in seconds.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Until when a call waits. `None`: for ever.
pub(crate) type Deadline = Option<Instant>;

/// The deadline that is so many seconds away.
///
/// # Errors
/// A number that is negative or none.
pub(crate) fn after(seconds: Option<f64>) -> PyResult<Deadline> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    if seconds.is_nan() || seconds < 0.0 {
        let text = format!(
            "timeout is {seconds}: it must be None, or a number of seconds that is not negative"
        );
        return Err(PyValueError::new_err(text));
    }
    // What no clock can say is for ever.
    let timeout = Duration::try_from_secs_f64(seconds).ok();
    Ok(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
}

/// A timeout that becomes a deadline when somebody has to wait, and stays it: a call that finds what it wants at once asks no clock, and all waits of one that does not end at the same time.
#[derive(Debug)]
pub(crate) struct Until {
    timeout: Option<f64>,
    deadline: Option<Deadline>,
}

impl Until {
    pub(crate) fn new(timeout: Option<f64>) -> Self {
        Self {
            timeout,
            deadline: None,
        }
    }

    /// One that is a deadline by itself.
    pub(crate) fn at(deadline: Instant) -> Self {
        Self {
            timeout: None,
            deadline: Some(Some(deadline)),
        }
    }

    /// The deadline.
    ///
    /// # Errors
    /// As for [`after`].
    #[cold]
    pub(crate) fn deadline(&mut self) -> PyResult<Deadline> {
        if let Some(deadline) = self.deadline {
            return Ok(deadline);
        }
        let deadline = after(self.timeout)?;
        self.deadline = Some(deadline);
        Ok(deadline)
    }
}
