//! Frames that are no messages, from a sender of bytes: each is an error that says what is wrong, and nothing else.

use std::mem::offset_of;

use ringway::typed::{Fault, Fixed, Invalid, Messages, Receiver, RecvError, Sender};
use ringway::zerocopy::IntoBytes;

use super::kinds::{Cancel, Everything, Leg, Level, Request, Side};
use super::support::lane;

fn leg() -> Leg {
    Leg {
        price: 1.0,
        count: 1,
        side: Side::Buy,
        hidden: false,
        _pad: [0; 2],
    }
}

fn everything() -> Everything {
    Everything {
        huge: 1,
        wide: 2,
        real: 3.0,
        legs: [leg(); 2],
        limit: Some(1.0).into(),
        short: 1.0,
        level: Level::Low,
        maybe_level: Some(Level::High).into(),
        small: [1; 3],
        yes: true,
        name: "name".try_into().unwrap(),
        key: b"key"[..].try_into().unwrap(),
        flags: [true; 2],
        maybe_name: Some("abc".try_into().unwrap()).into(),
        last: [1; 2],
    }
}

/// What the receiver makes of a frame; the message behind it must come through.
fn answer(
    sender: &mut Sender<Request>,
    receiver: &mut Receiver<Request>,
    kind: u16,
    bytes: &[u8],
) -> Option<Invalid> {
    sender.untyped().send_kind(kind, bytes).unwrap();
    sender.send(&Cancel { number: 1 }).unwrap();
    let invalid = match receiver.recv() {
        Err(RecvError::Invalid(invalid)) => Some(invalid),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    };
    let next = receiver.recv().unwrap();
    assert_eq!(next, Request::Cancel(Cancel { number: 1 }));
    invalid
}

#[test]
fn every_field_is_looked_at() {
    let (mut sender, mut receiver) = lane::<Request>();
    let mut expect = |offset: usize, bytes: &[u8], path: &str, fault: &Fault| {
        let message = everything();
        let mut frame = message.as_bytes().to_vec();
        frame[offset..offset + bytes.len()].copy_from_slice(bytes);
        let invalid = answer(&mut sender, &mut receiver, 7, &frame).expect(path);
        assert_eq!(
            (invalid.message(), invalid.path(), invalid.fault()),
            ("Everything", path, fault)
        );
    };
    let leg = offset_of!(Everything, legs) + size_of::<Leg>();
    let variant = |name, value| Fault::Variant { name, value };
    expect(
        leg + offset_of!(Leg, side),
        &[3],
        "legs[1].side",
        &variant("Side", 3),
    );
    expect(
        leg + offset_of!(Leg, hidden),
        &[255],
        "legs[1].hidden",
        &Fault::Bool(255),
    );
    let level = offset_of!(Everything, level);
    let odd = (-70_001i32).to_le_bytes();
    expect(level, &odd, "level", &variant("Level", -70_001));
    expect(offset_of!(Everything, yes), &[2], "yes", &Fault::Bool(2));
    expect(
        offset_of!(Everything, flags) + 1,
        &[9],
        "flags[1]",
        &Fault::Bool(9),
    );
    let name = offset_of!(Everything, name);
    expect(name, &[0xC3], "name", &Fault::Text);
    expect(name + 8, b"x", "name", &Fault::Text);
    let count = Fault::Count { len: 7, room: 6 };
    expect(offset_of!(Everything, key), &[7, 0], "key", &count);
    let limit = offset_of!(Everything, limit) + 8;
    expect(limit, &[2], "limit", &Fault::Presence);
    expect(limit + 7, &[1], "limit", &Fault::Presence);
    let maybe = offset_of!(Everything, maybe_level);
    expect(maybe, &[5], "maybe_level", &variant("Level", 5));
    let maybe = offset_of!(Everything, maybe_name);
    expect(maybe, &[0xFF], "maybe_name", &Fault::Text);
}

#[test]
fn kinds_and_lengths_are_looked_at() {
    let (mut sender, mut receiver) = lane::<Request>();
    let mut answer = |kind, bytes: &[u8]| {
        let invalid = answer(&mut sender, &mut receiver, kind, bytes)?;
        Some((
            invalid.message(),
            invalid.path().to_owned(),
            invalid.fault().clone(),
        ))
    };
    let none = String::new;
    assert_eq!(answer(3, &[0; 8]), Some(("", none(), Fault::Kind(3))));
    assert_eq!(answer(0, &[0; 8]), Some(("", none(), Fault::Kind(0))));
    for len in [0, 7, 9, 16] {
        let expected = Some(("Cancel", none(), Fault::Length { len, expected: 8 }));
        assert_eq!(answer(2, &vec![0; len]), expected);
    }
    // Variable parts.
    assert_eq!(
        answer(5, &[0; 7]),
        Some((
            "Note",
            none(),
            Fault::Length {
                len: 7,
                expected: 8
            }
        ))
    );
    assert_eq!(answer(5, &[0; 8]), None);
    assert_eq!(
        answer(5, b"12345678\xC3"),
        Some(("Note", "text".to_owned(), Fault::Text))
    );
    let mut order = [0; 33];
    order[8] = 1;
    let elements = Fault::Elements {
        len: 17,
        element: 16,
    };
    assert_eq!(
        answer(9, &order),
        Some(("Order", "legs".to_owned(), elements))
    );
    let variant = Fault::Variant {
        name: "Side",
        value: 0,
    };
    assert_eq!(
        answer(9, &order[..32]),
        Some(("Order", "legs[0].side".to_owned(), variant.clone()))
    );
    order[8 + 20] = 2;
    assert_eq!(answer(9, &order[..32]), None);
    order[8] = 0;
    assert_eq!(
        answer(9, &order[..32]),
        Some(("Order", "side".to_owned(), variant))
    );
}

#[test]
fn a_lane_of_one_type_is_no_less_careful() {
    let (mut sender, mut receiver) = lane::<Leg>();
    let good = leg();
    let mut bad = good.as_bytes().to_vec();
    bad[offset_of!(Leg, side)] = 0;
    let frames: [(u16, &[u8]); 4] = [
        (0, &bad),
        (1, good.as_bytes()),
        (0, &good.as_bytes()[..15]),
        (0, &[0; 32]),
    ];
    for (kind, frame) in frames {
        for look in 0..3 {
            sender.untyped().send_kind(kind, frame).unwrap();
            let found = match look {
                0 => receiver.recv(),
                1 => receiver.try_recv(),
                _ => receiver.recv_deadline(super::support::soon()),
            };
            assert!(matches!(found, Err(RecvError::Invalid(_))), "{found:?}");
        }
        sender.send(&good).unwrap();
        assert_eq!(receiver.recv().unwrap(), good);
    }
    // A batch is as good as the worst in it.
    sender
        .untyped()
        .send(&[good.as_bytes(), &bad].concat())
        .unwrap();
    let RecvError::Invalid(invalid) = receiver.recv_batch::<Leg>().unwrap_err() else {
        panic!("another error");
    };
    assert_eq!((invalid.message(), invalid.path()), ("Leg", "[1].side"));
    sender.untyped().send_kind(1, good.as_bytes()).unwrap();
    assert!(receiver.recv_batch::<Leg>().is_err());
    sender.untyped().send(&[0; 17]).unwrap();
    assert!(receiver.recv_batch::<Leg>().is_err());
    assert!(receiver.try_recv().unwrap_err().is_nothing_yet());
}

#[test]
fn any_bytes_at_all_are_a_message_or_an_error() {
    use proptest::prelude::*;
    let ends = std::cell::RefCell::new(lane::<Request>());
    let kinds: Vec<u16> = Request::RECORDS.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [2, 5, 7, 9]);
    let flips = proptest::collection::vec((0..size_of::<Everything>(), any::<u8>()), 0..6);
    proptest!(|(kind in 0u16..11, junk in any::<Vec<u8>>(), flips in flips)| {
        let mut frame = everything().as_bytes().to_vec();
        for (place, byte) in flips {
            frame[place] = byte;
        }
        let (sender, receiver) = &mut *ends.borrow_mut();
        for bytes in [&junk, &frame] {
            if kind == 2 && bytes.len() == 8 {
                continue;
            }
            let valid = answer(sender, receiver, kind, bytes).is_none();
            prop_assert!(!valid || kinds.contains(&kind));
        }
    });
    assert_eq!(Everything::DEFAULT, [0; size_of::<Everything>()]);
}
