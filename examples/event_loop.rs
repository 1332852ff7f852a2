//! A server on one thread: a listener and all its connections in one `poll`. Clients are threads, for brevity.
//!
//! `cargo run --release --example event_loop`

use std::error::Error;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::{Arm, Config, Connection, Listener, Receiver, RecvError, SendError, Sender};

const CLIENTS: u64 = 3;
const MESSAGES: u64 = 20_000;
/// Messages that one client may have handled before the others have their turn.
const TURN: usize = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let name = format!("event-loop-{}", std::process::id());
    // Small rings: their senders wait for space, which the loop must see too.
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let listener = config.bind(name.as_str())?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (config, name) = (config.clone(), name.clone());
            thread::spawn(move || ask(&config, &name).map_err(|error| error.to_string()))
        })
        .collect();
    let answered = serve(listener)?;
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    println!("{CLIENTS} clients, {answered} answers");
    assert_eq!(answered, CLIENTS * MESSAGES);
    Ok(())
}

/// Answers until the last client has gone.
fn serve(mut listener: Listener) -> Outcome<u64> {
    let mut peers: Vec<Peer> = Vec::new();
    let (mut met, mut answered) = (0, 0);
    while met < CLIENTS || !peers.is_empty() {
        // Until it answers `None`: what else a handshake needs happens in there too.
        while let Some(connection) = listener.try_accept()? {
            met += 1;
            peers.push(Peer::new(connection));
        }
        let mut timeout = PollTimeout::NONE;
        let mut index = 0;
        while index < peers.len() {
            match peers[index].turn(&mut answered)? {
                Next::Poll => index += 1,
                Next::Again => {
                    timeout = PollTimeout::ZERO;
                    index += 1;
                }
                Next::Gone => drop(peers.swap_remove(index)),
            }
        }
        let mut watched: Vec<_> = std::iter::once(listener.as_fd())
            .chain(peers.iter().map(Peer::descriptor))
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        if met < CLIENTS || watched.len() > 1 {
            poll(&mut watched, timeout)?;
        }
    }
    Ok(answered)
}

/// What a turn leaves to be done.
enum Next {
    /// It is armed: poll its descriptor.
    Poll,
    /// There is more to do.
    Again,
    Gone,
}

struct Peer {
    sender: Sender,
    receiver: Receiver,
    /// An answer for which there was no space. While it waits no question is read: so a client that reads no answers is itself made to wait.
    answer: Option<[u8; 8]>,
}

impl Peer {
    fn new(connection: Connection) -> Self {
        let (sender, receiver) = connection.split();
        Self {
            sender,
            receiver,
            answer: None,
        }
    }

    fn turn(&mut self, answered: &mut u64) -> Outcome<Next> {
        for _ in 0..TURN {
            if let Some(answer) = self.answer {
                match self.sender.try_send(&answer) {
                    Ok(()) => {
                        *answered += 1;
                        self.answer = None;
                    }
                    Err(SendError::Full) => {
                        if self.sender.arm(answer.len())? == Arm::Armed {
                            return Ok(Next::Poll);
                        }
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let mut question = [0; 8];
            match self.receiver.try_recv_into(&mut question) {
                Ok(_) => {
                    self.answer = Some((u64::from_le_bytes(question) * 2).to_le_bytes());
                }
                Err(RecvError::Empty) => {
                    if self.receiver.arm()? == Arm::Armed {
                        return Ok(Next::Poll);
                    }
                }
                Err(RecvError::Closed) => return Ok(Next::Gone),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Next::Again)
    }

    /// That of the half which was armed. Both are polled for readability.
    fn descriptor(&self) -> BorrowedFd<'_> {
        if self.answer.is_some() {
            self.sender.as_fd()
        } else {
            self.receiver.as_fd()
        }
    }
}

/// A client: asks as fast as it can on one thread, and reads the answers on another.
fn ask(config: &Config, name: &str) -> Outcome<()> {
    let (mut sender, mut receiver) = config.connect(name)?.split();
    let asking = thread::spawn(move || -> Result<_, SendError> {
        for number in 0..MESSAGES {
            sender.send(&number.to_le_bytes())?;
        }
        // Dropped only when all has been answered: its goodbye is what the server takes leave by.
        Ok(sender)
    });
    let mut answer = [0; 8];
    for number in 0..MESSAGES {
        receiver.recv_into(&mut answer)?;
        assert_eq!(u64::from_le_bytes(answer), number * 2);
    }
    drop(asking.join().map_err(|_| "the asking thread panicked")??);
    Ok(())
}
