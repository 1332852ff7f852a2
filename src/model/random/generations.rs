//! A client outlives its servers, which die at random steps, and sends again to each what the one before has not finished with, in rings of other sizes. What is called unseen nobody was handed,
//! what was released is not sent again, and in the end every frame was finished with.

use std::sync::{Arc, Mutex};

use shuttle::thread;

use super::plan::{draw, payload};
use crate::layout::geometry::Geometry;
use crate::layout::header::HEADER;
use crate::layout::redelivery::Redelivery;
use crate::model::bell::{Bell, epoch, tell_release, until_room, wait_or_end};
use crate::model::lane;
use crate::ring::{Consumer, Producer};
use crate::segment::heap::{HeapRing, HeapWord};
use crate::sync::mortal;
use crate::wake::park::{Park, Watch};

const COUNT: usize = 12;
/// The last one of so many lives.
const GENERATIONS: u64 = 4;
const STEPS: u64 = 120;

/// What has become of a frame, as no server can know it.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    handed: bool,
    finished: bool,
    released: bool,
}

type Fates = Arc<Mutex<[Fate; COUNT]>>;
type Sends = Producer<HeapRing, HeapWord, HeapWord>;

fn length(frame: usize) -> usize {
    frame * 5 % 17
}

/// What the client has of a server.
struct Served {
    producer: Sends,
    park: Park<HeapWord>,
    watch: Watch<HeapWord>,
    data: Bell,
    space: Bell,
    server: thread::JoinHandle<bool>,
}

impl Served {
    /// A server behind `old`, of which it is sent what that one left.
    fn new(old: Option<&mut Sends>, generation: u64, fates: &Fates) -> Self {
        let standing = old.as_ref().map(|old| {
            let standing = old.standing().expect("it can be resumed");
            assert_eq!(standing.broken, None, "what the dead have left");
            standing
        });
        let (start, left) = standing.map_or((draw(8) * 8, 0), |it| (it.start, it.length()));
        let fits = [64, 128, 256].map(|size| (size, left + HEADER <= size));
        let fits: Vec<u64> = fits.iter().filter(|it| it.1).map(|it| it.0).collect();
        let geometry = Geometry {
            capacity: fits[draw(fits.len() as u64) as usize],
            step: 16,
            alignment: 8,
            start,
        };
        let (mut producer, mut consumer) = lane(&geometry, true);
        let word = HeapWord::new(start);
        producer.can_recover(Some(word.clone()));
        consumer.give_account(word);
        if let (Some(old), Some(standing)) = (old, &standing) {
            producer.take_over(old, standing);
            old.wipe(standing);
        }
        let (data, space) = (Bell::new(), Bell::new());
        let (receives, watch) = epoch();
        let (park, watch_client) = epoch();
        let steps = if generation + 1 < GENERATIONS {
            draw(STEPS) as u32
        } else {
            mortal::FOR_EVER
        };
        let mut half = Server {
            consumer,
            park: receives,
            watch: watch_client,
            data: data.clone(),
            space: space.clone(),
            fates: fates.clone(),
            holds: draw(2) == 0,
        };
        let server = thread::spawn(move || {
            let died = mortal::live(steps, || half.run());
            half.space.tell_death();
            died
        });
        let mut served = Self {
            producer,
            park,
            watch,
            data,
            space,
            server,
        };
        let _ = served.producer.publish();
        served.data.ring_if(served.watch.look());
        served
    }

    /// Sends the frame, if the server lives as long.
    fn send(&mut self, frame: usize) -> bool {
        let bytes = payload(frame as u32, length(frame));
        let producer = &mut self.producer;
        let sent = until_room(&mut self.park, &self.space, || {
            producer.try_send(&bytes, frame as u16)
        });
        if sent.is_some() {
            self.data.ring_if(self.watch.look());
        }
        sent.is_some()
    }
}

pub(super) fn generations() {
    let fates = Fates::default();
    let mut sent = 0;
    let mut served = Served::new(None, 0, &fates);
    for generation in 1.. {
        while sent < COUNT && served.send(sent) {
            sent += 1;
        }
        served.space.wait_for_death();
        let died = served.server.join().unwrap();
        if !died {
            break;
        }
        let mut old = served.producer;
        if sent == COUNT && old.standing().is_some_and(|left| left.length() == 0) {
            // It died behind its last release.
            break;
        }
        served = Served::new(Some(&mut old), generation, &fates);
    }
    let fates = fates.lock().unwrap();
    assert!(fates.iter().all(|fate| fate.finished), "{fates:?}");
}

struct Server {
    consumer: Consumer<HeapRing, HeapWord>,
    park: Park<HeapWord>,
    watch: Watch<HeapWord>,
    data: Bell,
    space: Bell,
    fates: Fates,
    /// Takes two at a time, where there are two.
    holds: bool,
}

impl Server {
    fn run(&mut self) {
        self.consumer.hold(self.holds);
        loop {
            let consumer = &mut self.consumer;
            wait_or_end(&mut self.park, &self.data, || {
                consumer.peek().expect("an honest producer")
            })
            .expect("the client lives");
            let last = self.take().expect("it was there");
            let last = if self.holds {
                self.take().unwrap_or(last)
            } else {
                last
            };
            self.consumer.release();
            for fate in &mut self.fates.lock().unwrap()[..=last] {
                fate.finished = true;
            }
            tell_release(&mut self.consumer, &mut self.watch, &self.space);
            for fate in &mut self.fates.lock().unwrap()[..=last] {
                fate.released = true;
            }
            if last + 1 == COUNT {
                return;
            }
        }
    }

    /// Hands out the next frame, if there is one.
    fn take(&mut self) -> Option<usize> {
        let entry = self.consumer.peek().expect("an honest producer")?;
        self.consumer.say_taken(&entry);
        let frame = usize::from(entry.kind());
        let fate = self.fates.lock().unwrap()[frame];
        assert!(!fate.released, "frame {frame} was finished with");
        let seen = entry.redelivery() == Redelivery::InDoubt;
        assert!(seen || !fate.handed, "frame {frame} was handed out before");
        self.fates.lock().unwrap()[frame].handed = true;
        let mut copied = vec![0; entry.payload()];
        self.consumer.copy(&entry, 0, &mut copied);
        assert_eq!(copied, payload(frame as u32, length(frame)));
        self.consumer.advance(&entry);
        Some(frame)
    }
}
