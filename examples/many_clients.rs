//! A service for many clients on one thread: requests and replies through a poller. Clients are threads, for brevity; one of them floods, and goes on until the service closes.
//!
//! Closing in order: nobody new is let in, those who are there are told, what they had asked is replied to, and then they hear the goodbye. Nothing is lost by it.
//!
//! `cargo run --release --example many_clients`

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{
    Config, Connection, Event, Limits, Polled, Poller, Receiver, RecvError, SendError, Sender,
    Token, Turn,
};

const CLIENTS: u64 = 50;
const REQUESTS: u64 = 200;
/// The kind of the frame by which the service says that it takes no more.
const CLOSING: u16 = 1;
/// How long it waits for those who do not heed that.
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the service keeps of each client.
struct Client {
    connection: Connection,
    /// The sum of what the client has sent: what it is answered.
    sum: u64,
    /// A reply for which there was no room yet.
    owed: Option<[u8; 8]>,
}

impl Client {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            sum: 0,
            owed: None,
        }
    }

    /// Sends what is owed. `false`: there is no room.
    fn settle(&mut self) -> Result<bool, SendError> {
        if let Some(reply) = self.owed {
            match self.connection.sender().try_send(&reply) {
                Ok(()) => self.owed = None,
                Err(SendError::Full) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads one request, and owes the reply.
    fn read(&mut self) -> Outcome<()> {
        let mut request = [0; 8];
        self.connection.receiver().recv_into(&mut request)?;
        self.sum += u64::from_le_bytes(request);
        self.owed = Some(self.sum.to_le_bytes());
        Ok(())
    }
}

impl Polled for Client {
    fn lanes(&mut self) -> (&mut Sender, &mut Receiver) {
        self.connection.lanes()
    }
}

fn main() -> Outcome<()> {
    let name = format!("many-clients-{}", std::process::id());
    // Small rings and few descriptors: a client that does nothing costs next to nothing.
    let config = Config::new()
        .capacity(4096)
        .peer_capacity(4096)
        .few_descriptors(true)
        .raise_descriptor_limit(true)
        .limits(Limits::new().connections(1000))
        .handshake_timeout(Duration::from_secs(10));
    let mut poller = Poller::new()?;
    let door = poller.listen(config.bind(name.as_str())?, Client::new)?;

    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (config, name) = (config.clone(), name.clone());
            // The first one asks for ever, and does not wait for one reply before the next request.
            let (requests, ahead) = if client == 0 {
                (u64::MAX, 64)
            } else {
                (REQUESTS, 1)
            };
            thread::spawn(move || {
                ask(&config, &name, requests, ahead).map_err(|error| error.to_string())
            })
        })
        .collect();
    let (mut gone, mut replies) = (0, 0u64);
    while gone < CLIENTS - 1 {
        next(&mut poller, None, &mut replies, &mut gone)?;
    }
    close(&mut poller, door, &mut replies, &mut gone)?;
    let mut asked = 0;
    for client in clients {
        asked += client.join().map_err(|_| "a client panicked")??;
    }
    println!(
        "{CLIENTS} clients, {replies} replies, {} sleeps",
        poller.wakes()
    );
    assert_eq!((replies, gone), (asked, CLIENTS));
    // Whoever comes now is told that nobody is there.
    println!("{}", config.connect(name.as_str()).unwrap_err());
    Ok(())
}

/// Closes in order.
fn close(
    poller: &mut Poller<Client>,
    door: Token,
    replies: &mut u64,
    gone: &mut u64,
) -> Outcome<()> {
    // The name is free from here on, and who was shaking hands is told that the server went away.
    poller.stop(door);
    let patience = Instant::now() + PATIENCE;
    let tokens: Vec<Token> = poller.tokens().collect();
    for token in tokens {
        if let Some(client) = poller.get_mut(token) {
            let sender = client.connection.sender();
            // Who reads nothing is not waited for longer than the others. An end is told below.
            let _ = sender.send_kind_deadline(CLOSING, b"", patience);
        }
    }
    // A client that has heeded it says goodbye behind its last request, and hears ours behind its last reply, when it is dropped.
    while !poller.is_empty() && Instant::now() < patience {
        next(poller, Some(patience), replies, gone)?;
    }
    // The goodbye to all others. What they had asked without a reply was not done, and they know it by that.
    let tokens: Vec<Token> = poller.tokens().collect();
    for token in tokens {
        drop(poller.remove(token));
    }
    Ok(())
}

/// Attends to the next event.
fn next(
    poller: &mut Poller<Client>,
    deadline: Option<Instant>,
    replies: &mut u64,
    gone: &mut u64,
) -> Outcome<()> {
    let event = match deadline {
        Some(deadline) => poller.event_deadline(deadline)?,
        None => poller.event()?,
    };
    match event {
        Some(Event::Ready(turn)) => {
            let token = turn.token();
            match serve(turn) {
                Ok(served) => *replies += served,
                Err(error) => {
                    // It is this client's fault, and no reason to end the service.
                    println!("dismissed: {error}");
                    drop(poller.remove(token));
                    *gone += 1;
                }
            }
        }
        Some(Event::Ended(ended)) => {
            println!("gone after a sum of {}: {}", ended.polled.sum, ended.end);
            *gone += 1;
        }
        Some(Event::Stalled { error, .. }) => {
            eprintln!("no client can be accepted now: {error}");
        }
        _ => {}
    }
    Ok(())
}

/// Replies to what one client has asked, as far as there is room and its turn goes. Returns how many replies it owed.
fn serve(mut turn: Turn<'_, Client>) -> Outcome<u64> {
    let mut served = 0;
    loop {
        if !turn.settle()? {
            // It reads no replies, so it is asked for no requests.
            turn.until_room(8);
            return Ok(served);
        }
        if !turn.more() {
            return Ok(served);
        }
        turn.read()?;
        served += 1;
    }
}

/// A client: sends 1, 2, 3, ..., with up to `ahead` requests under way, and checks the sums; until it has asked for all or is told that the service closes. Returns how many it has asked for.
fn ask(config: &Config, name: &str, requests: u64, ahead: u64) -> Outcome<u64> {
    let (sender, mut receiver) = config.connect(name)?.split();
    let mut sender = Some(sender);
    let (mut asked, mut replied, mut sum) = (0, 0u64, 0);
    loop {
        while asked < requests && asked < replied + ahead {
            let Some(sender) = &mut sender else { break };
            asked += 1;
            sender.send(&asked.to_le_bytes())?;
        }
        if asked == requests {
            // There will be no more: the replies come all the same.
            sender = None;
        }
        let frame = match receiver.recv() {
            Ok(frame) => frame,
            Err(RecvError::Closed) => break,
            Err(error) => return Err(error.into()),
        };
        if frame.kind() == CLOSING {
            sender = None;
            continue;
        }
        let mut reply = [0; 8];
        frame.copy_to(&mut reply);
        drop(frame);
        replied += 1;
        sum += replied;
        assert_eq!(u64::from_le_bytes(reply), sum);
    }
    // Every request was replied to, also behind the word.
    assert_eq!(replied, asked);
    Ok(asked)
}
