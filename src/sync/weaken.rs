//! Which ordering the running model weakens: all of a site, or that of one place in the sources. Absent from every build but the models'.
//!
//! It belongs to the thread, so that models run side by side: all threads of one model are coroutines of the thread that runs it.

use core::cell::{Cell, RefCell};
use core::panic::Location;
use std::collections::BTreeSet;

use super::Site;

/// An ordering that is asked for somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// What is weakened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakened {
    /// Wherever it is asked for.
    Site(Site),
    Place(Place),
}

std::thread_local! {
    static WEAKENED: Cell<Option<Weakened>> = const { Cell::new(None) };
    /// Where models have come by, while anybody wants to know.
    static MET: RefCell<Option<BTreeSet<Place>>> = const { RefCell::new(None) };
}

/// Whether the ordering that the caller's caller asks for is weakened.
#[track_caller]
pub(crate) fn is(site: Site) -> bool {
    let at = Location::caller();
    let place = Place {
        site,
        file: at.file(),
        line: at.line(),
    };
    MET.with_borrow_mut(|met| met.as_mut().map(|met| met.insert(place)));
    match WEAKENED.get() {
        None => false,
        Some(Weakened::Site(weakened)) => weakened == site,
        Some(Weakened::Place(weakened)) => weakened == place,
    }
}

#[cfg(test)]
pub(crate) fn set(weakened: Option<Weakened>) {
    WEAKENED.set(weakened);
}

/// The places that `run` comes by.
#[cfg(test)]
pub(crate) fn met(run: impl FnOnce()) -> BTreeSet<Place> {
    MET.set(Some(BTreeSet::new()));
    run();
    MET.take().unwrap_or_default()
}
