//! Three lanes with one epoch and one bell for each direction, full and empty again many times: whichever side dies, what was committed in any lane is found, in the order of its lane.

use std::sync::{Arc, Mutex};

use shuttle::thread;

use super::plan::{Death, death, draw, life, numbers, payload};
use crate::layout::geometry::Geometry;
use crate::model::bell::{Bell, epoch, tell_release, until_room, wait_or_end};
use crate::model::lane;
use crate::ring::Several;
use crate::segment::heap::HeapWord;
use crate::sync::mortal;
use crate::wake::park::Watch;

const COUNT: usize = 24;
const LANES: usize = 3;
const STEPS: u32 = 400;

pub(super) fn lanes() {
    let geometry = Geometry {
        capacity: 64,
        step: [8, 16][draw(2) as usize],
        alignment: 8,
        start: draw(8) * 8,
    };
    let turns: [u64; COUNT] = numbers(LANES as u64);
    let lengths: [u64; COUNT] = numbers(17);
    let bound = 1 + draw(3) as u32;
    let death = death(STEPS);
    let (mut producers, mut consumers): (Vec<_>, Vec<_>) =
        (0..LANES).map(|_| lane(&geometry, true)).unzip();
    let (data, space) = (Bell::new(), Bell::new());
    let (mut receives, mut watch_receiver) = epoch();
    let (mut sends, mut watch_sender) = epoch();
    // Of each lane, what is published for sure, and perhaps.
    let published = Arc::new(Mutex::new([[0; 2]; LANES]));
    // The frames of each lane, in order.
    let frames =
        move |number: usize| (0..COUNT).filter(move |&frame| turns[frame] == number as u64);
    let receiver = thread::spawn({
        let (data, space, published) = (data.clone(), space.clone(), published.clone());
        move || {
            let mut found = [0; LANES];
            let died = mortal::live(life(death, Death::Receiver), || {
                let mut lane = consumers.remove(0);
                let mut several = Several::new(&mut lane, consumers, bound);
                while let Some((number, entry)) = wait_or_end(&mut receives, &data, || {
                    several.find(&mut lane).expect("an honest producer")
                }) {
                    several.take_up(&mut lane, number, &entry);
                    let frame = frames(number).nth(found[number]).expect("it was sent");
                    assert_eq!(usize::from(entry.kind()), frame, "order in lane {number}");
                    let mut copied = vec![0; entry.payload()];
                    lane.copy(&entry, 0, &mut copied);
                    assert_eq!(copied, payload(frame as u32, lengths[frame] as usize));
                    lane.advance(&entry);
                    found[number] += 1;
                    if lane.is_release_due() {
                        tell_release(&mut lane, &mut watch_sender, &space);
                    }
                }
            });
            if !died {
                for (found, [done, begun]) in found.into_iter().zip(*published.lock().unwrap()) {
                    assert!((done..=begun).contains(&found), "{found}");
                }
            }
            space.tell_death();
        }
    });
    mortal::live(life(death, Death::Sender), || {
        for (frame, &turn) in turns.iter().enumerate() {
            let producer = &mut producers[turn as usize];
            let bytes = payload(frame as u32, lengths[frame] as usize);
            published.lock().unwrap()[turn as usize][1] += 1;
            let sent = until_room(&mut sends, &space, || {
                producer.try_send(&bytes, frame as u16)
            });
            if sent.is_none() {
                break;
            }
            published.lock().unwrap()[turn as usize][0] += 1;
            data.ring_if(watch_receiver.look());
        }
    });
    data.tell_death();
    receiver.join().unwrap();
    for producer in &mut producers {
        assert_eq!(producer.reclaim(), Ok(()), "what the dead have left");
    }
}
