//! A server with a poller, and clients that come and go: some leave before they have their last answers.

use std::thread;

use ringway::{
    Config, Connection, Event, Polled, Poller, Receiver, RecvError, SendError, Sender, Turn,
};

use crate::frames::Frames;
use crate::process::{Random, mix};
use crate::talk::Talk;
use crate::tally::{Count, Tally};
use crate::terms::{Terms, soon};

/// What the server keeps of each.
struct Client {
    connection: Connection,
    /// An answer for which there was no room.
    answer: Option<Vec<u8>>,
}

impl Polled for Client {
    fn lanes(&mut self) -> (&mut Sender, &mut Receiver) {
        self.connection.lanes()
    }
}

/// The answer to a question.
fn turned(question: &[u8]) -> Vec<u8> {
    question.iter().map(|byte| !byte).collect()
}

/// Answers what is asked, as far as there is room.
fn answer(mut turn: Turn<'_, Client>) {
    loop {
        if let Some(answer) = turn.answer.take() {
            match turn.connection.sender().try_send(&answer) {
                Ok(()) => {}
                Err(SendError::Full) => {
                    turn.until_room(answer.len());
                    turn.answer = Some(answer);
                    return;
                }
                // It has left: that is told by itself.
                Err(SendError::Closed) => return,
                Err(error) => panic!("{error}"),
            }
        }
        if !turn.more() {
            return;
        }
        let receiver = turn.connection.receiver();
        let question = receiver.recv_deadline(soon()).unwrap().to_vec();
        turn.answer = Some(turned(&question));
    }
}

fn serve(mut poller: Poller<Client>, listener: ringway::Token, clients: usize) {
    let (mut came, mut gone) = (0, 0);
    while gone < clients {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Connected(_)) => came += 1,
            Some(Event::Ready(turn)) => answer(turn),
            Some(Event::Ended(ended)) => {
                assert_eq!(ended.end, RecvError::Closed);
                gone += 1;
            }
            other => panic!("{came} clients came, {gone} have gone: {other:?}"),
        }
    }
    assert_eq!(came, clients);
    assert!(poller.is_empty());
    assert!(poller.stop(listener));
}

impl core::fmt::Debug for Client {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.connection.fmt(out)
    }
}

/// Asks, several questions at a time, and leaves; perhaps too early.
fn ask(mut connection: Connection, seed: u64, count: u64, tally: &mut Tally) {
    let mut draw = Random::new(seed);
    let window = 1 + draw.below(8);
    let (sender, receiver) = connection.halves();
    let most = sender.max_payload() / (2 * window as usize + 2);
    let questions = Frames::new(seed, 8, most.min(1024));
    let (mut frame, mut asked) = (Vec::new(), 0);
    for number in 0..count {
        while asked < count.min(number + window) {
            questions.write(asked, &mut frame);
            sender.send_deadline(&frame, soon()).unwrap();
            asked += 1;
        }
        if asked == count && draw.below(16) == 0 {
            return;
        }
        let answer = receiver.recv_deadline(soon()).unwrap().to_vec();
        questions.write(number, &mut frame);
        assert!(
            answer == turned(&frame),
            "answer {number} is not what was sent"
        );
        tally.received(answer.len());
    }
}

const THREADS: u64 = 3;
const EACH: u64 = 4;

impl Talk<'_> {
    pub(crate) fn served(&mut self) {
        let terms = Terms::draw(&mut self.draw, 0);
        let seed = self.draw.next();
        let count = 1 + self.draw.below(3 * self.much);
        if self.draw.below(2) == self.side {
            let mut poller = Poller::new().unwrap();
            let listener = terms.server.bind(self.path).unwrap();
            let wrap = |connection| Client {
                connection,
                answer: None,
            };
            let listener = poller.listen(listener, wrap).unwrap();
            self.meeting.agree("a poller listens", seed);
            serve(poller, listener, (THREADS * EACH) as usize);
        } else {
            self.meeting.agree("a poller listens", seed);
            self.clients(&terms.client, seed, count);
        }
        self.meeting.agree("a poller has served", seed);
    }

    fn clients(&mut self, config: &Config, seed: u64, count: u64) {
        let path = self.path;
        thread::scope(|scope| {
            let threads = [(); THREADS as usize];
            let mut thread = 0;
            let asking = threads.map(|()| {
                thread += 1;
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    for client in 0..EACH {
                        let seed = mix(seed ^ (thread * 100 + client));
                        ask(config.connect(path).unwrap(), seed, count, &mut tally);
                        tally.add(Count::Served, 1);
                        tally.add(Count::Connections, 1);
                    }
                    tally
                })
            });
            for asking in asking {
                self.tally.merge(&asking.join().unwrap());
            }
        });
    }
}
