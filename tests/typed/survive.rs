//! Every value of every type arrives as it was sent.

use std::cell::RefCell;

use proptest::prelude::*;
use ringway::typed::{Bytes, Maybe, Received, Receiver, RecvError, Sender, Text};

use super::kinds::{Cancel, Everything, Leg, Level, Note, Order, Request, Side};
use super::kinds::{NoteHead, OrderHead};
use super::support::{lane, soon};

fn legs() -> impl Strategy<Value = Leg> {
    (any::<f64>(), any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
        |(price, count, buy, hidden)| Leg {
            price,
            count,
            side: if buy { Side::Buy } else { Side::Sell },
            hidden,
            _pad: [0; 2],
        },
    )
}

fn levels() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::Low), Just(Level::Middle), Just(Level::High)]
}

fn everything() -> impl Strategy<Value = Everything> {
    (
        (any::<u128>(), any::<i64>(), any::<f64>(), [legs(), legs()]),
        (proptest::option::of(any::<f64>()), any::<f32>(), levels()),
        (proptest::option::of(levels()), any::<[i16; 3]>()),
        (any::<bool>(), "[^\0]{0,12}", any::<Vec<u8>>()),
        (any::<[bool; 2]>(), proptest::option::of("[^\0]{0,3}")),
        any::<[u8; 2]>(),
    )
        .prop_map(|(first, second, third, fourth, fifth, last)| Everything {
            huge: first.0,
            wide: first.1,
            real: first.2,
            legs: first.3,
            limit: second.0.into(),
            short: second.1,
            level: second.2,
            maybe_level: third.0.into(),
            small: third.1,
            yes: fourth.0,
            name: Text::cut(&fourth.1),
            key: Bytes::new(&fourth.2[..fourth.2.len().min(6)]).unwrap(),
            flags: fifth.0,
            maybe_name: fifth.1.map(|text| Text::cut(&text)).into(),
            last,
        })
}

#[test]
fn any_value_of_any_type_survives() {
    let ends: RefCell<(Sender<Request>, Receiver<Request>)> = RefCell::new(lane());
    let values = (
        everything(),
        proptest::collection::vec(legs(), 0..20),
        ".{0,40}",
        any::<u64>(),
    );
    proptest!(|((everything, legs, text, number) in values)| {
        let mut ends = ends.borrow_mut();
        let (sender, receiver) = &mut *ends;
        sender.send(&everything).unwrap();
        sender.send(&Cancel { number }).unwrap();
        let order = OrderHead { number, side: Side::Sell, _pad: [3; 7] };
        sender.send_with::<Order>(&order, &legs).unwrap();
        sender.send_with::<Note>(&NoteHead { number }, &text).unwrap();

        let Request::Everything(found) = receiver.recv().unwrap() else { panic!("another") };
        // As bytes: a number that is none is not equal to itself.
        prop_assert_eq!(ringway::zerocopy::IntoBytes::as_bytes(&found), ringway::zerocopy::IntoBytes::as_bytes(&everything));
        prop_assert_eq!(receiver.recv().unwrap(), Request::Cancel(Cancel { number }));
        let Request::Order(found) = receiver.recv_deadline(soon()).unwrap() else { panic!("another") };
        prop_assert_eq!((found.number, found.side, found.legs.len()), (number, Side::Sell, legs.len()));
        for (found, sent) in found.legs.iter().zip(&legs) {
            prop_assert_eq!(found.price.to_bits(), sent.price.to_bits());
            prop_assert_eq!((found.count, found.side, found.hidden), (sent.count, sent.side, sent.hidden));
        }
        let Request::Note(found) = receiver.try_recv().unwrap() else { panic!("another") };
        prop_assert_eq!((found.number, &found.text), (number, text.as_str()));
        prop_assert!(receiver.try_recv().unwrap_err().is_nothing_yet());

        // What was received can be sent on.
        let note = Request::Note(found);
        sender.send_any(&note).unwrap();
        prop_assert_eq!(receiver.recv().unwrap(), note);
    });
}

#[test]
fn a_lane_of_one_type_gives_it() {
    let (mut sender, mut receiver) = lane::<Leg>();
    let leg = Leg {
        price: 1.5,
        count: 3,
        side: Side::Buy,
        hidden: true,
        _pad: [0; 2],
    };
    sender.send(&leg).unwrap();
    sender.try_send(&leg).unwrap();
    sender.send_deadline(&leg, soon()).unwrap();
    assert_eq!(receiver.recv().unwrap(), leg);
    assert_eq!(receiver.try_recv().unwrap(), leg);
    assert_eq!(receiver.recv_deadline(soon()).unwrap(), leg);
    drop(sender);
    let end = receiver.recv().unwrap_err();
    assert!(end.is_closed());
    assert_eq!(end, RecvError::Lane(ringway::RecvError::Closed));
}

#[test]
fn a_lane_of_one_type_with_a_list_gives_it() {
    let (mut sender, mut receiver) = lane::<Note>();
    let head = NoteHead { number: 3 };
    sender.send_with::<Note>(&head, "hello").unwrap();
    sender.try_send_with::<Note>(&head, "").unwrap();
    sender
        .send_with_deadline::<Note>(&head, "ä", soon())
        .unwrap();
    let first = receiver.recv().unwrap();
    assert_eq!((first.number, &first.text), (3, "hello"));
    assert_eq!(&receiver.try_recv().unwrap().text, "");
    let last = receiver.recv_deadline(soon()).unwrap();
    // It owns its memory, and goes where it is sent.
    let copy = last.clone();
    drop(last);
    std::thread::spawn(move || assert_eq!(&copy.text, "ä"))
        .join()
        .unwrap();
    assert_eq!(Received::<Note>::new(&head, "hello"), first);
}

#[test]
fn many_travel_in_one_frame() {
    let (mut sender, mut receiver) = lane::<Leg>();
    let leg = |count| Leg {
        price: 0.1,
        count,
        side: Side::Sell,
        hidden: false,
        _pad: [0; 2],
    };
    let legs: Vec<Leg> = (0..1000).map(leg).collect();
    sender.send_slice(&legs).unwrap();
    sender.send(&leg(7)).unwrap();
    sender.send_slice::<Leg>(&[]).unwrap();
    let batch = receiver.recv_batch::<Leg>().unwrap();
    assert_eq!(batch.len(), 1000);
    assert!(batch.iter().eq(legs.iter().copied()));
    assert_eq!(batch.get(999), Some(leg(999)));
    assert_eq!(batch.get(1000), None);
    // One alone is a batch of one, and a batch of none is one too.
    assert_eq!(receiver.recv_batch::<Leg>().unwrap().len(), 1);
    assert!(receiver.try_recv_batch::<Leg>().unwrap().is_empty());
    assert!(receiver.try_recv_batch::<Leg>().is_err());
    // Not the other way round: a batch of two is no message.
    sender.send_slice(&legs[..2]).unwrap();
    sender.send(&leg(8)).unwrap();
    let error = receiver.recv().unwrap_err();
    assert!(
        error.to_string().contains("`Leg`: 32 bytes, where 16"),
        "{error}"
    );
    assert_eq!(receiver.recv().unwrap(), leg(8));
    assert!(sender.max_batch::<Leg>() > 10_000);
}

#[test]
fn a_message_is_filled_in_place_and_viewed_in_place() {
    let (mut sender, mut receiver) = lane::<Plain>();
    for number in 0..3 {
        let place = match number {
            0 => sender.reserve::<Plain>(),
            1 => sender.try_reserve(),
            _ => sender.reserve_deadline(soon()),
        };
        let mut plain = place.unwrap();
        plain.number = number;
        plain.limit = Maybe::from(0.5);
        plain.name = Text::literal("in place");
        plain.commit();
    }
    assert_eq!(receiver.recv().unwrap().number, 0);
    // SAFETY: the peer is this very test, and sends nothing more.
    let view = unsafe { receiver.recv_trusted::<Plain>() }.unwrap();
    assert_eq!((view.len(), view[0].number), (1, 1));
    assert_eq!(view[0].name, "in place");
    drop(view);
    let batch = receiver.recv_batch::<Plain>().unwrap();
    assert_eq!(batch.as_slice()[0].limit, Some(0.5));

    let mut target = Plain {
        number: 0,
        limit: Maybe::none(),
        name: Text::EMPTY,
    };
    assert!(
        receiver
            .try_recv_into(&mut target)
            .unwrap_err()
            .is_nothing_yet()
    );
    for number in 10..13 {
        sender.send(&Plain { number, ..target }).unwrap();
        match number {
            10 => receiver.recv_into(&mut target).unwrap(),
            11 => receiver.try_recv_into(&mut target).unwrap(),
            _ => receiver.recv_into_deadline(&mut target, soon()).unwrap(),
        }
        assert_eq!(target.number, number);
    }
    sender.untyped().send_kind(1, &[0; 32]).unwrap();
    assert!(receiver.recv_into(&mut target).is_err());
    sender.untyped().send(&[0xFF; 32]).unwrap();
    let error = receiver.recv_into(&mut target).unwrap_err().to_string();
    assert!(error.contains("field `limit`"), "{error}");
}

#[derive(
    Clone,
    Copy,
    Debug,
    ringway::typed::Message,
    ringway::zerocopy::FromBytes,
    ringway::zerocopy::IntoBytes,
    ringway::zerocopy::Immutable,
    ringway::zerocopy::KnownLayout,
)]
#[repr(C)]
struct Plain {
    number: u64,
    limit: Maybe<f64>,
    name: Text<8>,
}
