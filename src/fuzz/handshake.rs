//! What a stranger sends when it connects: messages, the offer in them, and the area of schemas.

use zerocopy::FromBytes;

use super::input::Input;
use crate::connection::Config;
use crate::connection::judged;
use crate::layout::geometry::{MAX_CAPACITY, SURE_PAYLOAD};
use crate::layout::handshake::{
    self, Attach, Hello, Kind, REFUSAL_TEXT, Reason, Refuse, SegmentOffer, Shown, Welcome,
};
use crate::layout::{is_printable, schemas};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let fingerprint = [input.u8(); 16];
    let message = input.bytes(handshake::LONGEST);
    say(message);
    area(fingerprint, input.rest());
    area(fingerprint, bytes);
}

fn say(message: &[u8]) {
    let Some(kind) = handshake::kind(message) else {
        return;
    };
    let whole = "a message of a known kind has its length";
    let config = Config::new();
    match kind {
        Kind::Hello => {
            let hello = Hello::read_from_bytes(message).expect(whole);
            let judged = judged::announced(&config, hello.codec, hello.schema_bytes);
            refused(judged.err());
        }
        Kind::Welcome => {
            let welcome = Welcome::read_from_bytes(message).expect(whole);
            refused(judged::welcome(&config, &welcome).err());
            offer(&welcome.offer);
        }
        Kind::Attach => offer(&Attach::read_from_bytes(message).expect(whole).offer),
        Kind::Ready => {}
        Kind::Refuse => {
            let refuse = Refuse::read_from_bytes(message).expect(whole);
            let text = refuse.text();
            assert!(text.chars().all(is_printable), "it goes to a terminal");
            assert!(text.chars().count() <= REFUSAL_TEXT);
            let error = judged::refusal(&refuse).to_string();
            assert!(error.contains(&text));
        }
        Kind::Shown => {
            let shown = Shown::read_from_bytes(message).expect(whole);
            offer(&shown.server);
            offer(&shown.client);
        }
    }
}

/// An offer is refused, or what it says adds up, without an overflow on the way.
fn offer(offer: &SegmentOffer) {
    let Ok(geometry) = offer.geometry() else {
        return;
    };
    assert!(geometry.capacity <= MAX_CAPACITY);
    assert!(geometry.largest_payload() >= SURE_PAYLOAD);
    assert!(geometry.largest_frame() + geometry.step <= geometry.capacity);
    assert!(geometry.start.checked_add(1 << 61).is_some());
}

/// An area of schemas, as it lies in a segment.
fn area(fingerprint: [u8; 16], area: &[u8]) {
    let places = schemas::places(area, fingerprint);
    if let Ok(places) = &places {
        for table in [&places.sends, &places.expects] {
            assert!(table.end <= area.len() && table.len() <= schemas::MAX_TABLE);
        }
        assert!(places.sends.end <= places.expects.start || places.expects.is_empty());
    }
    match judged::area(&Config::new(), fingerprint, area) {
        Ok(read) => {
            let tables = places.expect("it was read");
            assert_eq!(read.0.is_some(), !tables.sends.is_empty());
            assert_eq!(read.1.is_some(), !tables.expects.is_empty());
        }
        Err(why) => refused(Some(why)),
    }
}

/// What is refused has a reason, and words of which the peer is told the first line.
fn refused(why: Option<judged::Refused>) {
    let Some((reason, _, text)) = why else {
        return;
    };
    let refuse = Refuse::new(reason, &text);
    assert!(!refuse.text().is_empty() && Reason::from_wire(refuse.reason) == Some(reason));
}
