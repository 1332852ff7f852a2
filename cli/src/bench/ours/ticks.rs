//! Typed messages of plain numbers.

use std::path::Path;

use ringway::Config;
use ringway::typed::{Listener, Message, Nothing, Receiver, Sender, connect_with};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::super::Failure;
use super::patient;

/// Words in a [`Tick`].
pub(crate) const WORDS: usize = 7;

/// As a feed of prices would send them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Message, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Tick {
    instrument: u64,
    sent: u64,
    bid: i64,
    ask: i64,
    bid_size: u64,
    ask_size: u64,
    flags: [u32; 2],
}

impl Tick {
    #[inline(always)]
    pub(crate) fn new(words: [u64; WORDS]) -> Self {
        zerocopy::transmute!(words)
    }
}

/// Both ends of a lane of them, in one process.
pub(crate) fn lane(path: &Path) -> Result<(Sender<Tick>, Receiver<Tick>), Failure> {
    let config = patient(&Config::new());
    let mut listener = Listener::<Nothing, Tick>::bind_with(&config, path)?;
    let path = path.to_owned();
    let client = std::thread::spawn(move || connect_with::<Tick, Nothing>(&config, path));
    let receiver = listener.accept()?.split().1;
    let client = client.join().map_err(|_| "the other end panicked")??;
    Ok((client.split().0, receiver))
}
