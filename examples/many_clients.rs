//! A service for many clients on one thread: requests and replies through a poller. Clients are threads, for brevity; one of them floods.
//!
//! `cargo run --release --example many_clients`

use std::error::Error;
use std::thread;
use std::time::Duration;

use ringway::{
    Config, Connection, Event, Limits, Polled, Poller, Receiver, SendError, Sender, Turn,
};

const CLIENTS: u64 = 50;
const REQUESTS: u64 = 200;

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
    poller.listen(config.bind(name.as_str())?, Client::new)?;

    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (config, name) = (config.clone(), name.clone());
            // The first one asks for much, and does not wait for one reply before the next request.
            let (requests, ahead) = if client == 0 {
                (20_000, 64)
            } else {
                (REQUESTS, 1)
            };
            thread::spawn(move || {
                ask(&config, &name, requests, ahead).map_err(|error| error.to_string())
            })
        })
        .collect();
    let (mut gone, mut replies) = (0, 0u64);
    while gone < CLIENTS {
        match poller.event()? {
            Some(Event::Ready(turn)) => {
                let token = turn.token();
                match serve(turn) {
                    Ok(served) => replies += served,
                    Err(error) => {
                        // It is this client's fault, and no reason to end the service.
                        println!("dismissed: {error}");
                        drop(poller.remove(token));
                        gone += 1;
                    }
                }
            }
            Some(Event::Ended(ended)) => {
                println!("gone after a sum of {}: {}", ended.polled.sum, ended.end);
                gone += 1;
            }
            Some(Event::Stalled { error, .. }) => {
                eprintln!("no client can be accepted now: {error}");
            }
            _ => {}
        }
    }
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    println!(
        "{CLIENTS} clients, {replies} replies, {} sleeps",
        poller.wakes()
    );
    assert_eq!(replies, 20_000 + (CLIENTS - 1) * REQUESTS);
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

/// A client: sends 1, 2, 3, ..., with up to `ahead` requests under way, and checks the sums.
fn ask(config: &Config, name: &str, requests: u64, ahead: u64) -> Outcome<()> {
    let mut connection = config.connect(name)?;
    let (sender, receiver) = connection.halves();
    let (mut asked, mut sum) = (0, 0);
    for number in 1..=requests {
        while asked < requests && asked < number - 1 + ahead {
            asked += 1;
            sender.send(&asked.to_le_bytes())?;
        }
        let mut reply = [0; 8];
        receiver.recv_into(&mut reply)?;
        sum += number;
        assert_eq!(u64::from_le_bytes(reply), sum);
    }
    Ok(())
}
