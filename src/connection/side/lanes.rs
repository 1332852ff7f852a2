//! The lanes of a connection: each has its ring and its words in both segments, and two gates.

use super::{Own, Theirs};
use crate::connection::config::Config;
use crate::connection::schemas::Side;
use crate::connection::{receiver, sender};
use crate::layout::control;
use crate::layout::geometry::Geometry;
use crate::layout::handshake::{FEATURE_RESUME, RECEIVER_SPINS};
use crate::ring::{Consumer, Producer, Readers};
use crate::segment::Gate;
use crate::sys::cpu;

/// Both halves of each lane, with two gates for each.
pub(super) fn join(
    config: &Config,
    own: &Own,
    theirs: &Theirs,
    gates: Vec<Gate>,
) -> (Vec<sender::Lane>, Vec<receiver::Lane>) {
    let mut gates = gates.into_iter();
    let resumes = own.features & FEATURE_RESUME != 0;
    let mut lanes = (Vec::new(), Vec::new());
    for lane in 0..own.size.lanes {
        let (Some(sending), Some(receiving)) = (gates.next(), gates.next()) else {
            unreachable!("two gates for each lane");
        };
        let at = lane * control::APART;
        let mut producer = Producer::new(
            own.segment.ring(lane, sending),
            theirs.segment.word(control::RECEIVER + at),
            own.segment.word(control::SENDER + at),
            &Geometry {
                start: own.starts[lane],
                ..own.geometry
            },
            theirs.waits & RECEIVER_SPINS == 0,
            cpu::nanos,
        );
        producer.tell_readers(Readers {
            claim: own.segment.word(control::CLAIM + at),
            coming: own.segment.word(control::COMING + at),
            come: own.segment.word(control::COME + at),
        });
        producer.announce_in(own.segment.word(control::ANNOUNCED + at));
        let mut consumer = Consumer::new(
            theirs.segment.ring(lane, receiving),
            own.segment.word(control::RECEIVER + at),
            &theirs.geometry(lane),
        );
        // A client outlives its server, and not the other way round: what it receives it need not give account of.
        match theirs.side {
            Side::Client if resumes => consumer.give_account(own.segment.word(control::TAKEN + at)),
            Side::Server if config.resumable => {
                let taken = resumes.then(|| theirs.segment.word(control::TAKEN + at));
                producer.can_recover(taken);
            }
            Side::Client | Side::Server => {}
        }
        lanes.0.push(producer);
        lanes.1.push(consumer);
    }
    lanes
}
