//! What the frames of a connection mean: our tables as they go into our segment, and the judgement on the peer's.
//!
//! Each side judges both directions: what the peer sends against what we expect, and what we send against what it expects. So each refuses
//! by its own rules, and its caller is told by its own side.

use super::config::Config;
use super::side::Refused;
use crate::error::{Error, ErrorKind};
use crate::layout::handshake::Reason;
use crate::layout::schemas::{self, Announced, MAX_SCHEMAS, Misplaced, NO_FINGERPRINT, SCHEMAS};
use crate::schema::{self, Schema};
use crate::segment::ForeignSegment;

const _: () = assert!(schemas::MAX_TABLE == schema::MAX_TABLE);

/// Our tables.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The area in our segment.
    pub(crate) area: Vec<u8>,
    pub(crate) announced: Announced,
}

impl Told {
    /// The tables of `config`.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let (sends, fingerprint) = encoded("sends", config.sends.as_ref())?;
        let (expects, expects_fingerprint) = encoded("expects", config.expects.as_ref())?;
        let area = schemas::area(&sends, &expects, expects_fingerprint);
        let bytes = area.len() as u32;
        Ok(Self {
            area,
            announced: Announced { bytes, fingerprint },
        })
    }
}

/// One of the two that shake hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Whether `peer`, which has announced that, makes bytes of messages as we do, and has an area of schemas that is not too long.
pub(crate) fn check_announced(
    config: &Config,
    peer: Side,
    codec: u32,
    schema_bytes: u32,
) -> Result<(), Refused> {
    if codec != config.codec {
        let (peer, us) = (peer.name(), peer.opposite().name());
        let advice = if [codec, config.codec].contains(&BYTES) {
            "use `ByteStream` (`Config::byte_stream`) on both sides, or on neither"
        } else {
            "give both the same `Config::codec`"
        };
        return Err(refused(format!(
            "the {peer} sends {}, the {us} expects {}: {advice}",
            carried(codec),
            carried(config.codec)
        )));
    }
    check_bytes(peer, schema_bytes)
}

/// What the handshake calls a stream of bytes, among the codecs.
pub(crate) const BYTES: u32 = 4;

/// What a codec carries, for people.
fn carried(codec: u32) -> String {
    match codec {
        0 => "frames".to_owned(),
        1 => "messages by postcard".to_owned(),
        2 => "messages by MessagePack".to_owned(),
        3 => "messages by Protocol Buffers".to_owned(),
        BYTES => "a stream of bytes".to_owned(),
        other => format!("messages by codec {other}"),
    }
}

/// Whether an area of schemas is not too long.
pub(crate) fn check_bytes(peer: Side, schema_bytes: u32) -> Result<(), Refused> {
    if schema_bytes as usize > MAX_SCHEMAS {
        return Err(misplaced(peer, Misplaced::TooLong));
    }
    Ok(())
}

/// What the peer says of its frames.
#[derive(Debug, Default)]
pub(crate) struct PeerSchemas {
    pub(crate) sends: Option<Schema>,
    pub(crate) expects: Option<Schema>,
}

impl PeerSchemas {
    /// Reads the schemas in `segment`, which is the `peer`'s, and judges both directions.
    pub(crate) fn judge(
        config: &Config,
        peer: Side,
        announced: &Announced,
        segment: &ForeignSegment,
    ) -> Result<Self, Refused> {
        // Copied once, and read from the copy: the peer may write there meanwhile.
        let mut area = vec![0; announced.bytes as usize];
        segment.copy_control(SCHEMAS, &mut area);
        let read = Self::read(config, peer, announced.fingerprint, &area)?;
        fits(peer, read.sends.as_ref(), config.expects.as_ref())?;
        fits(
            peer.opposite(),
            config.sends.as_ref(),
            read.expects.as_ref(),
        )?;
        Ok(read)
    }

    /// Reads a private copy of the `peer`'s area.
    pub(crate) fn read(
        config: &Config,
        peer: Side,
        fingerprint: [u8; 16],
        area: &[u8],
    ) -> Result<Self, Refused> {
        let places = schemas::places(area, fingerprint).map_err(|how| misplaced(peer, how))?;
        let read = |table: &[u8], fingerprint, ours: Option<&Schema>, verb| {
            read(table, fingerprint, ours).map_err(|why| {
                refused(format!(
                    "the {}'s schema of what it {verb} {why}",
                    peer.name()
                ))
            })
        };
        let sends = read(
            &area[places.sends],
            fingerprint,
            config.expects.as_ref(),
            "sends",
        )?;
        let expects = read(
            &area[places.expects],
            places.expects_fingerprint,
            config.sends.as_ref(),
            "expects",
        )?;
        Ok(Self { sends, expects })
    }
}

/// A peer's table. Where its fingerprint is that of `ours`, it is ours, and the table is not looked at.
fn read(
    table: &[u8],
    fingerprint: [u8; 16],
    ours: Option<&Schema>,
) -> Result<Option<Schema>, String> {
    if table.is_empty() {
        return Ok(None);
    }
    if let Some(ours) = ours.filter(|ours| schema::fingerprint(ours) == fingerprint) {
        return Ok(Some(ours.clone()));
    }
    let theirs = schema::decode(table).map_err(|error| format!("cannot be read: {error}"))?;
    if schema::fingerprint(&theirs) != fingerprint {
        return Err("is not the one that its fingerprint announces".to_owned());
    }
    Ok(Some(theirs))
}

/// Whether a side that `expects` can read what the `writer` `sends`.
fn fits(writer: Side, sends: Option<&Schema>, expects: Option<&Schema>) -> Result<(), Refused> {
    let Some(expects) = expects else {
        return Ok(());
    };
    let (writer, reader) = (writer.name(), writer.opposite().name());
    let Some(sends) = sends else {
        return Err(refused(format!(
            "the {writer} sends bytes without a schema, the {reader} expects messages"
        )));
    };
    if schema::fingerprint(sends) == schema::fingerprint(expects) {
        return Ok(());
    }
    schema::compare(sends, expects).map_err(|difference| {
        let tables = difference.tables(writer, reader);
        let text =
            format!("the {reader} cannot read what the {writer} sends: {difference}\n{tables}");
        refused(text.trim_end().to_owned())
    })
}

/// The table and the fingerprint of one of our schemas.
fn encoded(what: &str, schema: Option<&Schema>) -> Result<(Vec<u8>, [u8; 16]), Error> {
    let Some(schema) = schema else {
        return Ok((Vec::new(), NO_FINGERPRINT));
    };
    let table = schema::encode(schema).map_err(|error| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("the schema of what this side {what} cannot be told: {error}"),
        )
    })?;
    Ok((table, schema::fingerprint(schema)))
}

fn misplaced(peer: Side, how: Misplaced) -> Refused {
    let what = match how {
        Misplaced::TooLong => "they are longer than any",
        Misplaced::Lengths => "their lengths do not add up",
        Misplaced::Fingerprint => "a table and its fingerprint go together",
    };
    refused(format!(
        "the {}'s schemas cannot be read: {what}",
        peer.name()
    ))
}

fn refused(text: String) -> Refused {
    (Reason::Schema, ErrorKind::Schema, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_make_bytes_of_messages_in_the_same_way() {
        let mut config = Config::new();
        config.codec = 7;
        let judge = |codec| check_announced(&config, Side::Client, codec, 0);
        assert_eq!(judge(7), Ok(()));
        let (reason, kind, text) = judge(0).unwrap_err();
        assert_eq!((reason, kind), (Reason::Schema, ErrorKind::Schema));
        assert_eq!(
            text,
            "the client sends frames, the server expects messages by codec 7: give both the same `Config::codec`"
        );
        let (_, _, text) = judge(BYTES).unwrap_err();
        assert_eq!(
            text,
            "the client sends a stream of bytes, the server expects messages by codec 7: use `ByteStream` (`Config::byte_stream`) on both sides, or on neither"
        );
    }
}
