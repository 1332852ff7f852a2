//! Messages between two ends, as an application uses them.

mod kinds;
mod support;
mod survive;
