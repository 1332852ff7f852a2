//! Any runtime that can wait for a descriptor: here `async-io`, that of smol, with nothing but `AsFd` and `arm`.
//!
//! `cargo run --release --example async_io`

use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};

use async_io::Async;
use futures_util::future::try_join;
use ringway::{Arm, Connection, Listener, Receiver, RecvError, SendError, Sender};

const FRAMES: u64 = 50_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The descriptor of a half or a listener, for the runtime. It has nothing to be read: only whether it is readable counts.
fn watch(half: &impl AsFd) -> std::io::Result<Async<OwnedFd>> {
    Async::new_nonblocking(half.as_fd().try_clone_to_owned()?)
}

/// Whoever drops this future loses nothing: a frame is taken by the poll that returns it.
async fn recv(receiver: &mut Receiver, watch: &Async<OwnedFd>) -> Outcome<Option<Vec<u8>>> {
    loop {
        match receiver.try_recv() {
            Ok(frame) => return Ok(Some(frame.to_vec())),
            Err(RecvError::Closed) => return Ok(None),
            Err(RecvError::Empty) => {}
            Err(error) => return Err(error.into()),
        }
        // Only behind `Armed` is there something to wait for.
        if receiver.arm()? == Arm::Armed {
            watch.readable().await?;
        }
    }
}

async fn send(sender: &mut Sender, watch: &Async<OwnedFd>, frame: &[u8]) -> Outcome<()> {
    loop {
        match sender.try_send(frame) {
            Ok(()) => return Ok(()),
            Err(SendError::Full) => {}
            Err(error) => return Err(error.into()),
        }
        // It is readable when there may be room: no stream that one writes to.
        if sender.arm(frame.len())? == Arm::Armed {
            watch.readable().await?;
        }
    }
}

async fn serve(mut listener: Listener) -> Outcome<u64> {
    let door = watch(&listener)?;
    let connection: Connection = loop {
        if let Some(connection) = listener.try_accept()? {
            break connection;
        }
        door.readable().await?;
    };
    let (mut sender, mut receiver) = connection.split();
    let (room, frames) = (watch(&sender)?, watch(&receiver)?);
    let mut answered = 0;
    while let Some(frame) = recv(&mut receiver, &frames).await? {
        send(&mut sender, &room, &frame).await?;
        answered += 1;
    }
    Ok(answered)
}

async fn ask(connection: Connection) -> Outcome<()> {
    let (mut sender, mut receiver) = connection.split();
    let (room, frames) = (watch(&sender)?, watch(&receiver)?);
    for number in 0..FRAMES {
        send(&mut sender, &room, &number.to_le_bytes()).await?;
        let answer = recv(&mut receiver, &frames).await?;
        assert_eq!(answer.as_deref(), Some(&number.to_le_bytes()[..]));
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let name = format!("async-io-{}", std::process::id());
    let listener = Listener::bind(name.as_str())?;
    // Connecting waits for the server's answer: on a thread of its own, where there is no feature `tokio`.
    let dialling = std::thread::spawn(move || ringway::connect(name));
    let asking = async {
        let connection = blocking(dialling).await?;
        ask(connection).await
    };
    let (answered, ()) = async_io::block_on(try_join(serve(listener), asking))?;
    println!("{answered} answers");
    assert_eq!(answered, FRAMES);
    Ok(())
}

/// Looks after a thread until it has ended.
async fn blocking(
    thread: std::thread::JoinHandle<Result<Connection, ringway::Error>>,
) -> Outcome<Connection> {
    while !thread.is_finished() {
        async_io::Timer::after(std::time::Duration::from_millis(1)).await;
    }
    Ok(thread.join().map_err(|_| "the thread panicked")??)
}
