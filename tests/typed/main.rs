//! Messages between two ends, as an application uses them.
#![cfg(feature = "derive")]

mod agree;
mod deprecated;
mod generations;
mod invalid;
mod kinds;
mod schema;
mod shapes;
mod support;
mod survive;
mod together;
