//! A server that answers each frame with the same bytes, every one increased by one.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{
    Config, Connection, Event, Polled, Poller, Receiver, RecvError, SendError, Sender, Turn,
};

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(crate) fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-poller-{name}-{}", std::process::id()))
}

/// A handshake with a thread or process that may be stalled for seconds is waited for.
pub(crate) fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(30))
}

/// The smallest configuration.
pub(crate) fn smallest() -> Config {
    patient()
        .capacity(4096)
        .peer_capacity(4096)
        .few_descriptors(true)
}

/// What the server keeps of each client.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    /// An answer for which there was no room.
    answer: Option<Vec<u8>>,
    pub(crate) answered: u64,
}

impl Client {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            answer: None,
            answered: 0,
        }
    }
}

impl Polled for Client {
    fn lanes(&mut self) -> (&mut Sender, &mut Receiver) {
        self.connection.lanes()
    }
}

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connected: usize,
    pub(crate) ended: Vec<RecvError>,
    pub(crate) stalled: Vec<String>,
    /// Frames answered in all turns.
    pub(crate) answered: u64,
    /// Frames answered in the longest turn.
    pub(crate) longest_turn: u64,
}

/// Answers what is asked, as far as there is room.
pub(crate) fn answer(mut turn: Turn<'_, Client>) -> u64 {
    let before = turn.answered;
    loop {
        if let Some(answer) = turn.answer.take() {
            match turn.connection.sender().try_send(&answer) {
                Ok(()) => turn.answered += 1,
                Err(SendError::Full) => {
                    let length = answer.len();
                    turn.answer = Some(answer);
                    turn.until_room(length);
                    break;
                }
                // The end is told by itself.
                Err(_) => break,
            }
        }
        if !turn.more() {
            break;
        }
        let question = turn.connection.receiver().recv().unwrap().to_vec();
        turn.answer = Some(question.iter().map(|byte| byte.wrapping_add(1)).collect());
    }
    turn.answered - before
}

/// Serves until `enough`. Panics after half a minute in which nobody came, went or was answered: all of a crowd may take longer on a busy machine.
pub(crate) fn serve(poller: &mut Poller<Client>, seen: &mut Seen, enough: impl Fn(&Seen) -> bool) {
    let done = |seen: &Seen| seen.connected as u64 + seen.ended.len() as u64 + seen.answered;
    let (mut before, mut limit) = (done(seen), soon());
    while !enough(seen) {
        if done(seen) > before {
            (before, limit) = (done(seen), soon());
        }
        // What is enough may depend on more than events.
        let tick = Instant::now() + Duration::from_millis(20);
        match poller.event_deadline(tick).unwrap() {
            None => assert!(
                Instant::now() < limit,
                "served {} clients, {} have gone, {:?}",
                seen.connected,
                seen.ended.len(),
                seen.stalled
            ),
            Some(Event::Connected(_)) => seen.connected += 1,
            Some(Event::Ready(turn)) => {
                let answered = answer(turn);
                seen.answered += answered;
                seen.longest_turn = seen.longest_turn.max(answered);
            }
            Some(Event::Ended(ended)) => seen.ended.push(ended.end),
            Some(Event::Stalled { error, .. }) => seen.stalled.push(error.to_string()),
            Some(other) => panic!("{other:?}"),
        }
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.connection.fmt(out)
    }
}

/// Has the poller listen there, and two clients connect.
pub(crate) fn two_clients(
    poller: &mut Poller<Client>,
    config: &Config,
    at: &Path,
) -> (Connection, Connection) {
    poller
        .listen(config.bind(at).unwrap(), Client::new)
        .unwrap();
    thread::scope(|scope| {
        let connect = || config.connect(at).unwrap();
        let connecting = scope.spawn(move || (connect(), connect()));
        let mut seen = Seen::default();
        serve(poller, &mut seen, |seen| seen.connected == 2);
        connecting.join().unwrap()
    })
}

/// Asks `times` times, and compares the answers.
pub(crate) fn ask(connection: &mut Connection, times: u64) {
    let (sender, receiver) = connection.halves();
    for number in 0..times {
        let question = number.to_le_bytes();
        sender.send_deadline(&question, soon()).unwrap();
        let mut answer = [0; 8];
        let length = receiver.recv_into_deadline(&mut answer, soon()).unwrap();
        assert_eq!(length, 8);
        assert_eq!(answer, question.map(|byte| byte.wrapping_add(1)));
    }
}
