//! Large frames that are copied out while they are copied in, among small ones, over many laps, until one side dies.

use std::sync::{Arc, Mutex};

use shuttle::thread;

use super::plan::{Death, death, draw, life, numbers, payload};
use crate::layout::geometry::Geometry;
use crate::model::bell::{Bell, epoch, tell_release, until_room, wait_or_end};
use crate::model::lane;
use crate::ring::Early;
use crate::segment::heap::HeapWord;
use crate::sync::mortal;
use crate::wake::park::Watch;

const COUNT: usize = 12;
const STEPS: u32 = 400;
/// Frames of so many bytes are announced, after each part.
const LARGE: usize = 16;
const PART: usize = 8;

pub(super) fn followed() {
    let geometry = Geometry {
        capacity: 128,
        step: 16,
        alignment: 8,
        start: draw(16) * 8,
    };
    let lengths: [u64; COUNT] = numbers(65);
    let death = death(STEPS);
    let (mut producer, mut consumer) = lane(&geometry, true);
    let word = HeapWord::new(0);
    producer.announce_from(word.clone(), LARGE, PART);
    let (data, space) = (Bell::new(), Bell::new());
    let (mut receives, mut watch_receiver) = epoch();
    let (mut sends, mut watch_sender) = epoch();
    let published = Arc::new(Mutex::new([0, 0]));
    let receiver = thread::spawn({
        let (data, space, published) = (data.clone(), space.clone(), published.clone());
        move || {
            let mut found = 0;
            let died = mortal::live(life(death, Death::Receiver), || {
                while found < COUNT {
                    let bytes = payload(found as u32, lengths[found] as usize);
                    let (mut early, mut copied) = (Early::default(), vec![0; bytes.len()]);
                    let taken = wait_or_end(&mut receives, &data, || {
                        let Some(entry) = consumer.peek().expect("an honest producer") else {
                            consumer.follow(&word, &mut early, &mut copied, PART);
                            assert_eq!(copied[..early.bytes], bytes[..early.bytes], "early");
                            return None;
                        };
                        let there = early.of(&entry);
                        consumer.copy(&entry, there, &mut copied[there..]);
                        consumer.advance(&entry);
                        Some(())
                    });
                    if taken.is_none() {
                        break;
                    }
                    assert_eq!(copied, bytes, "frame {found}");
                    found += 1;
                    if consumer.is_release_due() {
                        tell_release(&mut consumer, &mut watch_sender, &space);
                    }
                }
            });
            if !died && found < COUNT {
                let [done, begun] = *published.lock().unwrap();
                assert!((done..=begun).contains(&found), "{found}");
            }
            space.tell_death();
        }
    });
    mortal::live(life(death, Death::Sender), || {
        for frame in 0..COUNT {
            let bytes = payload(frame as u32, lengths[frame] as usize);
            published.lock().unwrap()[1] += 1;
            let sent = until_room(&mut sends, &space, || {
                let told = || {
                    Watch::<HeapWord>::announce_barrier();
                    data.ring_if(watch_receiver.look());
                    true
                };
                producer.try_send_waking(&bytes, frame as u16, told)
            });
            if sent.is_none() {
                break;
            }
            published.lock().unwrap()[0] += 1;
            data.ring_if(watch_receiver.look());
        }
    });
    data.tell_death();
    receiver.join().unwrap();
    assert_eq!(producer.reclaim(), Ok(()), "what the dead have left");
}
