//! A bare `epoll` loop, edge-triggered: a listener and its connections, in somebody else's event loop. Clients are threads, for brevity.
//!
//! `cargo run --release --example epoll`

use std::collections::HashMap;
use std::error::Error;
use std::thread;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringway::{Arm, Listener, Receiver, RecvError};

const CLIENTS: u64 = 3;
const FRAMES: u64 = 50_000;
/// The listener's key. Those of connections follow.
const DOOR: u64 = 0;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let name = format!("epoll-{}", std::process::id());
    let listener = Listener::bind(name.as_str())?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let name = name.clone();
            thread::spawn(move || feed(name).map_err(|error| error.to_string()))
        })
        .collect();
    let received = serve(listener)?;
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    println!("{CLIENTS} clients, {received} frames");
    assert_eq!(received, CLIENTS * FRAMES);
    Ok(())
}

fn serve(mut listener: Listener) -> Outcome<u64> {
    // An edge is told once: each descriptor is gone on with until it says that it has nothing more, which is `None` of a listener and `Armed` of a half.
    let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(edges, DOOR))?;
    let mut receivers: HashMap<u64, Receiver> = HashMap::new();
    let (mut met, mut received) = (0, 0);
    let mut events = [EpollEvent::empty(); 16];
    while met < CLIENTS || !receivers.is_empty() {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for key in events[..count].iter().map(EpollEvent::data) {
            if key == DOOR {
                while let Some(connection) = listener.try_accept()? {
                    met += 1;
                    let receiver = connection.split().1;
                    epoll.add(&receiver, EpollEvent::new(edges, met))?;
                    receivers.insert(met, receiver);
                    // What came before it was watched.
                    received += drain(&mut receivers, met)?;
                }
            } else {
                received += drain(&mut receivers, key)?;
            }
        }
    }
    Ok(received)
}

/// Reads until there is nothing, and the descriptor tells of what comes next.
fn drain(receivers: &mut HashMap<u64, Receiver>, key: u64) -> Outcome<u64> {
    let Some(receiver) = receivers.get_mut(&key) else {
        return Ok(0);
    };
    let mut received = 0;
    loop {
        match receiver.try_recv().map(drop) {
            Ok(()) => received += 1,
            // Behind `Ready` there is something more, or an end.
            Err(RecvError::Empty) if receiver.arm()? == Arm::Ready => {}
            Err(RecvError::Empty) => return Ok(received),
            Err(RecvError::Closed) => {
                receivers.remove(&key);
                return Ok(received);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn feed(name: String) -> Outcome<()> {
    let mut sender = ringway::connect(name)?.split().0;
    for number in 0..FRAMES {
        sender.send(&number.to_le_bytes())?;
    }
    Ok(())
}
