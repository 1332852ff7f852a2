//! One who reads along, beside a lane that laps it again and again, until the sender dies: what it shows was sent, under its own number.

use shuttle::thread;

use super::plan::{Death, death, draw, life, payload};
use crate::layout::geometry::Geometry;
use crate::model::bell::{Bell, epoch, tell_release, until_room, wait_or_end};
use crate::model::lane_with_tap;
use crate::sync::mortal;

const COUNT: u32 = 16;
const STEPS: u32 = 300;
const LOOKS: u32 = 12;

pub(super) fn tapped() {
    let geometry = Geometry {
        capacity: 64,
        step: 8,
        alignment: 8,
        start: draw(8) * 8,
    };
    let death = death(STEPS);
    let (mut producer, mut consumer, mut tap) = lane_with_tap(&geometry, true);
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        for _ in 0..LOOKS {
            let found = tap.try_next(&mut seen).expect("an honest producer");
            if let Some(glimpse) = found {
                let frame = tap.frames() as u32 - 1;
                assert_eq!(u32::from(glimpse.kind), frame, "its header");
                assert_eq!(glimpse.position, geometry.start + 16 * u64::from(frame));
                assert_eq!(seen, payload(frame, 8), "frame {frame}");
            } else {
                thread::yield_now();
            }
        }
    });
    let (data, space) = (Bell::new(), Bell::new());
    let (mut receives, mut watch_receiver) = epoch();
    let (mut sends, mut watch_sender) = epoch();
    let receiver = thread::spawn({
        let (data, space) = (data.clone(), space.clone());
        move || {
            mortal::live(life(death, Death::Receiver), || {
                while let Some(entry) = wait_or_end(&mut receives, &data, || {
                    consumer.peek().expect("an honest producer")
                }) {
                    let mut copied = [0; 8];
                    consumer.copy(&entry, 0, &mut copied);
                    assert_eq!(copied[..], payload(entry.kind().into(), 8));
                    consumer.advance(&entry);
                    if consumer.is_release_due() {
                        tell_release(&mut consumer, &mut watch_sender, &space);
                    }
                }
            });
            space.tell_death();
        }
    });
    mortal::live(life(death, Death::Sender), || {
        for frame in 0..COUNT {
            let bytes = payload(frame, 8);
            let sent = until_room(&mut sends, &space, || {
                producer.try_send(&bytes, frame as u16)
            });
            if sent.is_none() {
                break;
            }
            data.ring_if(watch_receiver.look());
        }
    });
    data.tell_death();
    receiver.join().unwrap();
    reader.join().unwrap();
}
