//! The lane on real mapped memory: against a queue as its model, and against peers whose words lie.

mod against_a_queue;
mod followed;
mod held;
mod lies;
mod manners;
mod taken_over;
mod tapped;

use super::Refusal;
use super::pair::{Pair, Receiving, Sending};
use crate::layout::geometry::Geometry;

/// A largest frame fits at every place of the ring, once the reader has read everything and owes less than a step.
#[test]
fn the_largest_frame_fits_wherever_the_reader_has_caught_up() {
    for alignment in [8u32, 64] {
        let pair = Pair::new(4096);
        let geometry = Geometry::new(4096, alignment, 0);
        let (mut producer, mut consumer) = pair.halves(&geometry, false);
        let largest = geometry.largest_payload() as usize;
        for place in 0..2048usize {
            for size in [8 * (place % 67), largest] {
                let slot = producer
                    .try_reserve(size, alignment as usize)
                    .expect("room, since all was read");
                producer.commit(&slot, size as u32, 1);
                let entry = consumer.peek().unwrap().unwrap();
                assert_eq!(entry.payload(), size);
                consumer.advance(&entry);
                if consumer.is_release_due() {
                    consumer.publish_release();
                }
            }
        }
        assert_eq!(
            producer.try_send(&vec![0; largest + 1], 0),
            Err(Refusal::TooLarge {
                payload: largest + 1,
                most: largest as u64
            })
        );
    }
}

/// Each word that is told may cost the sender a line: one for each step, and not one for each frame.
#[test]
fn a_release_is_due_once_in_a_step() {
    let pair = Pair::new(4096);
    let geometry = Geometry::new(4096, 8, 0);
    let (mut producer, mut consumer) = pair.halves(&geometry, false);
    let mut told = Vec::new();
    for number in 0..640 {
        producer.try_send(&[0; 56], 0).unwrap();
        let entry = consumer.peek().unwrap().unwrap();
        consumer.advance(&entry);
        if consumer.is_release_due() {
            consumer.publish_release();
            told.push(number);
        }
    }
    let each = geometry.step as usize / 64;
    assert_eq!(told, (each - 1..640).step_by(each).collect::<Vec<_>>());
    assert_eq!(consumer.due(), 640 * 64 + geometry.step);
}

/// Who gives account says behind every frame what it has finished with, and yet wakes a sender that waits for room once in a step.
#[test]
fn who_gives_account_wakes_a_sender_once_in_a_step() {
    let pair = Pair::new(4096);
    let geometry = Geometry::new(4096, 8, 0);
    let (mut producer, mut consumer) = pair.lasting(&geometry, true);
    let mut woken = Vec::new();
    for number in 0..640 {
        producer.try_send(&[0; 56], 0).unwrap();
        let entry = consumer.peek().unwrap().unwrap();
        consumer.advance(&entry);
        assert!(consumer.is_release_due());
        if consumer.publish_release() {
            woken.push(number);
        }
        producer.reclaim().unwrap();
        assert_eq!(producer.known_released(), producer.published());
    }
    let each = geometry.step as usize / 64;
    assert_eq!(woken, (each - 1..640).step_by(each).collect::<Vec<_>>());
}

/// Whether the peer is there is a question to the kernel.
#[test]
fn laps_have_gone_by_once_in_so_many_releases() {
    let pair = Pair::new(4096);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(4096, 8, 0), false);
    let mut asked = Vec::new();
    for release in 1..=200 {
        producer.try_send(&[0; 56], 0).unwrap();
        let entry = consumer.peek().unwrap().unwrap();
        consumer.advance(&entry);
        assert!(consumer.publish_release());
        if consumer.has_gone_laps() {
            asked.push(release);
        }
    }
    assert_eq!(asked, [64, 128, 192]);
}

#[test]
fn who_drains_the_lane_sees_whether_there_is_more() {
    let pair = Pair::new(4096);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(4096, 64, 0), false);
    assert!(!consumer.sees_more());
    producer.try_send(&[0; 56], 0).unwrap();
    assert!(consumer.sees_more());
    let entry = consumer.peek().unwrap().unwrap();
    consumer.advance(&entry);
    assert!(!consumer.sees_more());
    // What is no plain frame is left to the whole answer.
    let slot = producer.try_reserve(8, 64).unwrap();
    producer.commit(&slot, 8, 0);
    assert!(!consumer.sees_more());
    assert!(consumer.peek().unwrap().is_some());
}

/// What is longer than what is certain to fit is refused even where there is room for it now.
#[test]
fn what_is_too_large_is_refused_whatever_room_there_is() {
    for alignment in [8u32, 64] {
        let pair = Pair::new(4096);
        let geometry = Geometry::new(4096, alignment, 0);
        let (mut producer, _consumer) = pair.halves(&geometry, false);
        let most = geometry.largest_payload();
        let payload = most as usize + 1;
        let refused = Refusal::TooLarge { payload, most };
        assert_eq!(producer.try_reserve(payload, 8).unwrap_err(), refused);
        assert_eq!(producer.try_append(&vec![0; payload], 0), Err(refused));
        assert_eq!(producer.try_send(&vec![0; payload], 0), Err(refused));
        assert_eq!(producer.has_room(payload, 8), Err(refused));
        assert_eq!(producer.send_through(&vec![0; payload], 0), None);
        assert_eq!(producer.has_room(payload - 1, 8), Ok(true));
        let absurd = Refusal::TooLarge {
            payload: usize::MAX,
            most,
        };
        assert_eq!(producer.has_room(usize::MAX, 8), Err(absurd));
        let (payload, most) = (payload - 8, most - 8);
        let refused = Refusal::TooLarge { payload, most };
        let found = producer.try_reserve_expiring(payload, 8).unwrap_err();
        assert_eq!(found, refused);
        producer.try_reserve_expiring(payload - 1, 8).unwrap();
    }
}

#[test]
fn an_alignment_that_was_not_agreed_on_is_refused() {
    let pair = Pair::new(4096);
    let (mut producer, _) = pair.halves(&Geometry::new(4096, 16, 0), false);
    for asked in [0, 3, 32] {
        assert_eq!(
            producer.try_reserve(8, asked).unwrap_err(),
            Refusal::Alignment { asked, most: 16 }
        );
        assert_eq!(
            producer.try_reserve_expiring(8, asked).unwrap_err(),
            Refusal::Alignment { asked, most: 16 }
        );
    }
    for asked in [1, 2, 16] {
        producer.try_reserve(8, asked).unwrap();
        producer.try_reserve_expiring(8, asked).unwrap();
    }
}

/// The terminator of a long frame may have been written when the frame before it was sent, and whatever was written over it since
/// must not be taken for it.
#[test]
fn a_terminator_that_went_ahead_is_not_trusted_after_a_write_behind_the_tail() {
    let pair = Pair::new(1 << 16);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(1 << 16, 8, 0), false);
    let mut expect = |payload: Option<&[u8]>| {
        let entry = consumer.peek().unwrap();
        assert_eq!(entry.is_some(), payload.is_some());
        if let (Some(entry), Some(payload)) = (entry, payload) {
            let mut copy = vec![0; payload.len()];
            assert_eq!(consumer.copy(&entry, 0, &mut copy), entry.payload());
            assert_eq!(copy, payload);
            consumer.advance(&entry);
        }
    };
    let (long, longer) = ([1; 1000], [0xff; 2000]);
    for round in 0..4 {
        producer.try_send(&long, 0).unwrap();
        expect(Some(&long));
        // Written over, and then aborted, committed at the old length, or in a group.
        let slot = producer.try_reserve(longer.len(), 8).unwrap();
        producer.fill(&slot, &longer);
        match round {
            0 => {}
            1 => drop(producer.commit(&slot, 1000, 0)),
            2 => producer.append(&slot, 1000, 0),
            _ => producer.append(&slot, 2000, 0),
        }
        if producer.publish().is_some() || round == 1 {
            expect(Some(&longer[..if round == 3 { 2000 } else { 1000 }]));
        }
        expect(None);
        producer.try_send(&long, 0).unwrap();
        expect(Some(&long));
        expect(None);
    }
}
