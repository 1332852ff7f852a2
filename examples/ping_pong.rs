//! Request and reply between two real processes: this program starts itself again as the server.
//!
//! `cargo run --release --example ping_pong`

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Listener, RecvError};

const ROUNDS: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = std::env::args().nth(1) {
        return serve(&name);
    }
    let name = format!("ping-pong-{}", std::process::id());
    let mut server = Command::new(std::env::current_exe()?).arg(&name).spawn()?;
    let outcome = ask(&name);
    if outcome.is_err() {
        server.kill()?;
    }
    let status = server.wait()?;
    outcome?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the server ended with {status}").into())
    }
}

/// The server: doubles every number that it is sent, until its client closes.
fn serve(name: &str) -> Result<(), Box<dyn Error>> {
    let mut listener = Listener::bind(name)?;
    let mut connection = listener.accept_deadline(Instant::now() + Duration::from_secs(30))?;
    println!(
        "server {}: uid {} is connected",
        std::process::id(),
        connection.peer().uid
    );
    let mut number = [0; 8];
    loop {
        match connection.receiver().recv_into(&mut number) {
            Ok(_) => {}
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let reply = u64::from_le_bytes(number) * 2;
        connection.sender().send(&reply.to_le_bytes())?;
    }
}

/// The client: asks, and waits for each answer.
fn ask(name: &str) -> Result<(), Box<dyn Error>> {
    let mut connection = connect(name)?;
    let began = Instant::now();
    let mut answer = [0; 8];
    for number in 0..u64::from(ROUNDS) {
        connection.sender().send(&number.to_le_bytes())?;
        connection.receiver().recv_into(&mut answer)?;
        assert_eq!(u64::from_le_bytes(answer), number * 2);
    }
    let each = began.elapsed() / ROUNDS;
    println!(
        "client {}: {ROUNDS} requests and replies, {each:?} each",
        std::process::id()
    );
    Ok(())
}

/// Connects as soon as the server listens.
fn connect(name: &str) -> Result<Connection, Box<dyn Error>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Config::new().connect(name) {
            Ok(connection) => return Ok(connection),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
