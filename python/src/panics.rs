//! A panic on purpose, in the build whose faults are planted (`cargo verify --only python`): what becomes of a half that meets one.

use pyo3::prelude::*;

use crate::receiver::Receiver;
use crate::sender::Sender;

/// Panics in a call of a half.
#[pyfunction]
pub(crate) fn _panic(py: Python<'_>, half: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(sender) = half.cast::<Sender>() {
        let _outbox = sender.get().half.enter(py, None)?;
        panic!("planted");
    }
    let _inbox = half.cast::<Receiver>()?.get().half.enter(py, None)?;
    panic!("planted");
}
