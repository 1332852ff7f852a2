//! One of the two processes, through all its rounds.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Connection, RecvError, Wait};

use crate::holdings::Holdings;
use crate::meeting::Meeting;
use crate::process::{Random, mix, watchdog};
use crate::talk::{Ends, Talk};
use crate::tally::{Count, Tally};
use crate::terms::{Terms, plain, soon};

/// So many parts of a round go on at once, each with the same one of the other side.
const TRACKS: usize = 2;

/// What a round consists of, in an order that is drawn: each of these in each track. Most of them draw again what they do.
#[derive(Clone, Copy)]
enum Step {
    Fresh,
    Kept,
    Lanes,
    Bytes,
    Served,
    Killed,
    Tapped,
    Messages,
    Brief,
}

const STEPS: [Step; 13] = [
    Step::Fresh,
    Step::Fresh,
    Step::Fresh,
    Step::Kept,
    Step::Kept,
    Step::Kept,
    Step::Lanes,
    Step::Bytes,
    Step::Served,
    Step::Killed,
    Step::Tapped,
    Step::Messages,
    Step::Brief,
];

/// What one of the tracks has, through all rounds.
struct Track {
    meeting: Meeting,
    path: PathBuf,
    /// Connections that live as long as the process, each in its turn.
    kept: Vec<Ends>,
    /// What is done next with one of them.
    next: u64,
}

/// Rounds until `end`, as the first side sees it; four of them at least. Returns the lines for whoever reads what was done.
pub(crate) fn live(path: &Path, side: u64, end: Instant) -> Vec<String> {
    let parent = std::os::unix::process::parent_id();
    let mut meetings = Meeting::all(path, side == 0, TRACKS + 1);
    let mut rounds = meetings.pop().expect("there is one more");
    let mut tracks: Vec<_> = (0..)
        .zip(meetings)
        .map(|(track, meeting)| {
            Track::new(path.with_extension(format!("track-{track}")), meeting, side)
        })
        .collect();
    let mut total = Tally::default();
    let mut holdings = Holdings::default();
    for round in 0.. {
        watchdog(Duration::from_secs(600));
        rounds.agree("a round", round);
        let all: Vec<_> = thread::scope(|scope| {
            let mut number = 0;
            let running: Vec<_> = tracks
                .iter_mut()
                .map(|track| {
                    number += 1;
                    scope.spawn(move || {
                        let seed = round * 100 + number;
                        let mut tally = track.round(side, seed);
                        if number == 1 {
                            // Of these one for all tracks.
                            track.talk(side, seed, &mut tally).long();
                        }
                        tally
                    })
                })
                .collect();
            running
                .into_iter()
                .map(|track| track.join().unwrap())
                .collect()
        });
        for tally in &all {
            total.merge(tally);
        }
        // Nothing of either side is open now but what is kept.
        rounds.agree("the end of a round", round);
        holdings.look();
        // Whoever started us is gone, and with it who waits for this.
        assert_eq!(parent, std::os::unix::process::parent_id());
        let ours = u64::from(round >= 3 && Instant::now() >= end);
        let theirs = rounds.exchange(ours);
        if (side == 0 && ours == 1) || (side == 1 && theirs == 1) {
            let mut lines: Vec<_> = total.of_both(&mut rounds).lines().collect();
            lines.push(format!("{} rounds", round + 1));
            lines.push(holdings.line());
            return lines;
        }
    }
    unreachable!("rounds have no end of their own")
}

impl Track {
    fn new(path: PathBuf, meeting: Meeting, side: u64) -> Self {
        let mut track = Self {
            meeting,
            path,
            kept: Vec::new(),
            next: 0,
        };
        let mut tally = Tally::default();
        for (wait, capacity, membarrier) in [
            (Wait::Park, 4 << 10, true),
            (Wait::Adaptive, 256 << 10, false),
            (Wait::Adaptive, 16 << 10, true),
        ] {
            let config = plain()
                .wait(wait)
                .capacity(capacity)
                .peer_capacity(capacity)
                .membarrier(membarrier)
                // All of their memory is there from the first round on.
                .prefault(true);
            let terms = Terms::same(config);
            let mut talk = track.talk(side, 1, &mut tally);
            let (sender, receiver) = talk.open(&terms).split();
            let mut ends = Ends { sender, receiver };
            talk.wake_each(&mut ends);
            track.kept.push(ends);
        }
        track
    }

    fn talk<'a>(&'a mut self, side: u64, seed: u64, tally: &'a mut Tally) -> Talk<'a> {
        Talk {
            meeting: &mut self.meeting,
            path: &self.path,
            draw: Random::new(mix(seed)),
            side,
            tally,
            much: MUCH,
        }
    }

    fn round(&mut self, side: u64, seed: u64) -> Tally {
        let mut draw = Random::new(seed);
        let mut steps = STEPS;
        for last in (1..steps.len()).rev() {
            steps.swap(last, draw.below(last as u64 + 1) as usize);
        }
        let mut tally = Tally::default();
        for step in steps {
            let seed = draw.next();
            self.meeting.agree("a step", seed);
            if let Step::Kept = step {
                let ends = self.kept.remove(0);
                let what = self.next;
                self.next += 1;
                let mut talk = self.talk(side, seed, &mut tally);
                let ends = talk.something(ends, what);
                self.kept.push(ends);
                continue;
            }
            let mut talk = self.talk(side, seed, &mut tally);
            match step {
                Step::Fresh => talk.fresh(),
                Step::Lanes => talk.lanes(),
                Step::Bytes => talk.byte_stream(),
                Step::Served => talk.served(),
                Step::Killed => talk.killed(),
                Step::Tapped => talk.tapped(),
                Step::Messages => talk.messages(),
                Step::Brief => talk.brief(),
                Step::Kept => unreachable!("it is above"),
            }
        }
        tally
    }
}

fn until_armed(mut arm: impl FnMut() -> Arm) {
    let end = soon();
    while arm() != Arm::Armed {
        assert!(Instant::now() < end, "a half does not fall asleep");
        thread::sleep(Duration::from_millis(1));
    }
}

/// How much a step does: with this a round takes about a second.
const MUCH: u64 = 100;

impl Talk<'_> {
    /// A new connection; which side listens is drawn.
    pub(crate) fn open(&mut self, terms: &Terms) -> Connection {
        self.tally.add(Count::Connections, 1);
        if terms.spins {
            self.much = 1 + self.much / 8;
        }
        if self.draw.below(2) == self.side {
            let mut listener = terms.server.bind(self.path).unwrap();
            self.meeting.agree("a listener", 0);
            listener.accept_deadline(soon()).unwrap()
        } else {
            self.meeting.agree("a listener", 0);
            terms.client.connect(self.path).unwrap()
        }
    }

    /// Each half of both sides sleeps and is woken: what a connection comes to have by its first wakes, it has from then on.
    fn wake_each(&mut self, ends: &mut Ends) {
        until_armed(|| ends.receiver.arm().unwrap());
        self.meeting.agree("both receivers sleep", 0);
        ends.sender.send_deadline(&[0; 8], soon()).unwrap();
        drop(ends.receiver.recv_deadline(soon()).unwrap());
        let mut sent = 0;
        while ends.sender.try_send(&[1; 64]).is_ok() {
            sent += 1;
        }
        until_armed(|| ends.sender.arm(64).unwrap());
        for _ in 0..self.meeting.exchange(sent) {
            drop(ends.receiver.recv_deadline(soon()).unwrap());
        }
        self.meeting.agree("both rings are empty", 0);
    }

    /// A connection on which one thing is done behind the other, and which then ends.
    fn fresh(&mut self) {
        let large = [0, 0, 0, 256 << 10][self.draw.below(4) as usize];
        let terms = Terms::draw(&mut self.draw, large);
        let (sender, receiver) = self.open(&terms).split();
        let mut ends = Ends { sender, receiver };
        if large > 0 {
            ends = self.large(ends);
        }
        for _ in 0..self.draw.below(4) {
            let what = self.draw.next();
            ends = self.something(ends, what);
        }
        self.end(ends);
    }

    fn lanes(&mut self) {
        let lanes = 2 + self.draw.below(3) as usize;
        let bound = 1 + self.draw.below(70) as u32;
        let terms = Terms::draw(&mut self.draw, 0);
        let terms = terms.with(|config| config.lanes(lanes).starvation_bound(bound));
        let (sender, receiver) = self.open(&terms).split();
        let mut ends = Ends { sender, receiver };
        for _ in 0..=self.draw.below(2) {
            ends = self.by_priority(ends);
        }
        self.end(ends);
    }

    /// Connections that carry a frame each way, one behind the other; who ends them first takes turns.
    fn brief(&mut self) {
        const COUNT: u64 = 20;
        let terms = Terms::draw(&mut self.draw, 0);
        let is_server = self.draw.below(2) == self.side;
        let mut listener = is_server.then(|| terms.server.bind(self.path).unwrap());
        self.meeting.agree("a listener for brief connections", 0);
        for number in 0..COUNT {
            let mut connection = match &mut listener {
                Some(listener) => listener.accept_deadline(soon()).unwrap(),
                None => terms.client.connect(self.path).unwrap(),
            };
            let (sender, receiver) = connection.halves();
            sender
                .send_deadline(&(number ^ self.side).to_ne_bytes(), soon())
                .unwrap();
            let frame = receiver.recv_deadline(soon()).unwrap().to_vec();
            assert_eq!(frame, (number ^ self.side ^ 1).to_ne_bytes());
            self.tally.received(frame.len());
            if number % 2 == self.side {
                let end = receiver.recv_deadline(soon()).map(drop);
                assert_eq!(end, Err(RecvError::Closed));
            }
        }
        self.tally.add(Count::Connections, COUNT);
        self.meeting.agree("brief connections", COUNT);
    }
}
