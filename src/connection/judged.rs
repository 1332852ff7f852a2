//! The judgements of the handshake that need no descriptor: what fuzzed bytes are tried on.

use super::schemas::{self, PeerSchemas, Side};
use super::{Config, client, side};
use crate::error::Error;
use crate::layout::handshake::{Refuse, Welcome};
use crate::schema::Schema;

pub(crate) use super::side::Refused;

/// Of a client's announcement.
pub(crate) fn announced(config: &Config, codec: u32, schema_bytes: u32) -> Result<(), Refused> {
    schemas::check_announced(config, Side::Client, codec, schema_bytes)
}

/// Of a Welcome, apart from the offer in it.
pub(crate) fn welcome(config: &Config, welcome: &Welcome) -> Result<(), Refused> {
    client::judge(config, side::features(config), welcome)
}

/// What a refusal is told as.
pub(crate) fn refusal(refuse: &Refuse) -> Error {
    client::refused("server", refuse)
}

/// Of an area of schemas: what the peer sends, and what it expects.
pub(crate) fn area(
    config: &Config,
    fingerprint: [u8; 16],
    area: &[u8],
) -> Result<(Option<Schema>, Option<Schema>), Refused> {
    let read = PeerSchemas::read(config, Side::Client, fingerprint, area)?;
    Ok((read.sends, read.expects))
}
