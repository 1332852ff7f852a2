//! Frames that are sent in every way, by copy, in groups and in place, over many laps, to a receiver that holds them and goes back at times. Both sides sleep, and one of them may die.

use std::sync::{Arc, Mutex};

use shuttle::thread;

use super::plan::{Death, death, draw, life, numbers, payload};
use crate::layout::geometry::Geometry;
use crate::model::bell::{Bell, epoch, tell_release, until_room, wait_or_end};
use crate::model::lane;
use crate::ring::{Consumer, Producer, Refusal};
use crate::segment::heap::{HeapRing, HeapWord};
use crate::sync::mortal;
use crate::wake::park::{Park, Watch};

const COUNT: usize = 24;
/// Steps that all of it takes, more or less.
const STEPS: u32 = 500;

#[derive(Clone, Copy)]
struct Plan {
    lengths: [u64; COUNT],
    ways: [u64; COUNT],
    /// Frames that are read before they are finished with. One: none is held.
    held: u64,
    fenced: bool,
}

/// What the dead have done: frames that they had begun to publish and had published, or begun to release and released.
type Known = Arc<Mutex<[usize; 2]>>;

pub(super) fn stream() {
    let geometry = Geometry {
        capacity: 128,
        step: [8, 16, 32][draw(3) as usize],
        alignment: 16,
        start: draw(16) * 8,
    };
    let plan = Plan {
        lengths: numbers(33),
        ways: numbers(5),
        held: 1 + draw(3),
        fenced: true,
    };
    let death = death(STEPS);
    let (producer, consumer) = lane(&geometry, plan.fenced);
    let (data, space) = (Bell::new(), Bell::new());
    let (receives, watch_receiver) = epoch();
    let (sends, watch_sender) = epoch();
    let published = Known::default();
    let finished = Known::default();
    let receiver = thread::spawn({
        let (data, space) = (data.clone(), space.clone());
        let (published, finished) = (published.clone(), finished.clone());
        move || {
            let mut half = Receives {
                consumer,
                park: receives,
                watch: watch_sender,
                data,
                space: space.clone(),
                finished,
                found: 0,
            };
            let died = mortal::live(life(death, Death::Receiver), || half.run(&plan));
            if !died {
                // It ends when it has heard of the sender's end, so that this is final.
                let [done, begun] = *published.lock().unwrap();
                assert!((done..=begun).contains(&half.found), "{}", half.found);
            }
            space.tell_death();
        }
    });
    let mut half = Sends {
        producer,
        park: sends,
        watch: watch_receiver,
        data: data.clone(),
        space,
        published,
        group: 0,
    };
    mortal::live(life(death, Death::Sender), || {
        if !half.run(&plan) {
            assert_eq!(half.producer.reclaim(), Ok(()), "what the dead have left");
        }
    });
    data.tell_death();
    receiver.join().unwrap();
    if death.0 != Death::Sender {
        // All words are final, and may have been left by one who is dead.
        assert_eq!(half.producer.reclaim(), Ok(()), "what the dead have left");
        let behind: usize = plan.lengths.iter().map(|length| *length as usize).sum();
        let [_, begun] = *finished.lock().unwrap();
        let released = half.producer.known_released() - geometry.start;
        assert!(begun > 0 || released == 0, "{released} of {behind}");
    }
}

struct Sends {
    producer: Producer<HeapRing, HeapWord, HeapWord>,
    park: Park<HeapWord>,
    watch: Watch<HeapWord>,
    data: Bell,
    space: Bell,
    published: Known,
    /// Frames of the open group.
    group: usize,
}

impl Sends {
    /// Returns whether all was sent: the receiver has died, if not.
    fn run(&mut self, plan: &Plan) -> bool {
        for frame in 0..COUNT {
            let bytes = payload(frame as u32, plan.lengths[frame] as usize);
            let sent = match plan.ways[frame] {
                0 | 1 => self.publish() && self.send(frame, &bytes),
                2 => self.append(frame, &bytes),
                3 => self.publish() && self.place(frame, &bytes, 16),
                // A reservation that is given up, first.
                _ => self.publish() && self.abort(&bytes) && self.send(frame, &bytes),
            };
            if !sent {
                return false;
            }
        }
        self.publish()
    }

    /// Tries until there is room, or nobody who will ever make some.
    fn until_room<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Producer<HeapRing, HeapWord, HeapWord>) -> Result<T, Refusal>,
    ) -> Option<T> {
        let producer = &mut self.producer;
        until_room(&mut self.park, &self.space, || attempt(producer))
    }

    fn begin(&self, count: usize) {
        self.published.lock().unwrap()[1] += count;
    }

    fn done(&mut self, count: usize) {
        self.published.lock().unwrap()[0] += count;
        self.data.ring_if(self.watch.look());
    }

    fn send(&mut self, frame: usize, bytes: &[u8]) -> bool {
        self.begin(1);
        let sent = self.until_room(|producer| producer.try_send(bytes, frame as u16));
        if sent.is_some() {
            self.done(1);
        }
        sent.is_some()
    }

    fn append(&mut self, frame: usize, bytes: &[u8]) -> bool {
        if self.group == 3 && !self.publish() {
            return false;
        }
        if self.producer.try_append(bytes, frame as u16).is_err() {
            // Nobody waits for room with a group that nobody has seen.
            self.publish();
            let appended = self.until_room(|producer| producer.try_append(bytes, frame as u16));
            if appended.is_none() {
                return false;
            }
        }
        self.group += 1;
        true
    }

    fn publish(&mut self) -> bool {
        let count = core::mem::take(&mut self.group);
        self.begin(count);
        if self.producer.publish().is_some() {
            self.done(count);
        }
        true
    }

    fn place(&mut self, frame: usize, bytes: &[u8], alignment: usize) -> bool {
        let Some(slot) = self.until_room(|producer| producer.try_reserve(bytes.len(), alignment))
        else {
            return false;
        };
        self.producer.fill(&slot, bytes);
        self.begin(1);
        self.producer
            .commit(&slot, bytes.len() as u32, frame as u16);
        self.done(1);
        true
    }

    fn abort(&mut self, bytes: &[u8]) -> bool {
        let Some(slot) = self.until_room(|producer| producer.try_reserve(bytes.len(), 8)) else {
            return false;
        };
        self.producer.fill(&slot, bytes);
        true
    }
}

struct Receives {
    consumer: Consumer<HeapRing, HeapWord>,
    park: Park<HeapWord>,
    watch: Watch<HeapWord>,
    data: Bell,
    space: Bell,
    finished: Known,
    found: usize,
}

impl Receives {
    fn run(&mut self, plan: &Plan) {
        self.consumer.hold(plan.held > 1);
        loop {
            let first = self.found;
            let Some(read) = self.read(plan, plan.held) else {
                return;
            };
            if plan.held > 1 {
                if read > 1 && plan.ways[first] % 2 == 0 {
                    self.go_back(plan, first, read);
                }
                self.finished.lock().unwrap()[1] += read;
                self.consumer.release();
                self.tell();
            }
        }
    }

    /// Finishes with nothing, tells that, and reads them all once more.
    fn go_back(&mut self, plan: &Plan, first: usize, read: usize) {
        self.tell();
        assert!(self.consumer.rewind() > 0);
        self.found = first;
        for _ in 0..read {
            assert!(self.take(plan), "it was there");
        }
    }

    /// Reads so many frames, or as many as are there behind the first. `None`: there will be none.
    fn read(&mut self, plan: &Plan, most: u64) -> Option<usize> {
        if !self.take(plan) {
            let consumer = &mut self.consumer;
            wait_or_end(&mut self.park, &self.data, || {
                consumer.peek().expect("an honest producer")
            })?;
            assert!(self.take(plan), "it was there");
        }
        let mut read = 1;
        while read < most as usize && self.take(plan) {
            read += 1;
        }
        Some(read)
    }

    fn take(&mut self, plan: &Plan) -> bool {
        let Some(entry) = self.consumer.peek().expect("an honest producer") else {
            return false;
        };
        let frame = self.found;
        assert_eq!(usize::from(entry.kind()), frame, "order");
        let mut copied = vec![0; entry.payload()];
        self.consumer.copy(&entry, 0, &mut copied);
        let length = plan.lengths[frame] as usize;
        assert_eq!(copied, payload(frame as u32, length), "frame {frame}");
        self.consumer.advance(&entry);
        self.found += 1;
        if self.consumer.is_release_due() {
            self.finished.lock().unwrap()[1] += 1;
            self.tell();
        }
        true
    }

    fn tell(&mut self) {
        tell_release(&mut self.consumer, &mut self.watch, &self.space);
    }
}
