//! What the module contains.

use pyo3::prelude::*;

use crate::connection::{Connection, Peer, connect};
use crate::errors;
use crate::listener::{Listener, listen};
use crate::observe::observe;
use crate::pair::pair;
use crate::receiver::Receiver;
use crate::records::recv_records;
use crate::reservation::Reservation;
use crate::schema::Schema;
use crate::sender::Sender;
use crate::view::View;

#[pymodule]
fn _ringway(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    errors::add(module)?;
    module.add_class::<Connection>()?;
    module.add_class::<Listener>()?;
    module.add_class::<Peer>()?;
    module.add_class::<Receiver>()?;
    module.add_class::<Reservation>()?;
    module.add_class::<Schema>()?;
    module.add_class::<Sender>()?;
    module.add_class::<View>()?;
    for function in [
        wrap_pyfunction!(connect, module)?,
        wrap_pyfunction!(listen, module)?,
        wrap_pyfunction!(observe, module)?,
        wrap_pyfunction!(pair, module)?,
    ] {
        function.setattr("__module__", "ringway")?;
        module.add_function(function)?;
    }
    module.add_function(wrap_pyfunction!(recv_records, module)?)
}
