//! The Rust side of the tests of other languages: the fingerprints of many shapes, a server that echoes messages, one that is refused, a client that is, and one that resumes.

#[path = "../../../tests/typed/kinds.rs"]
#[allow(dead_code, reason = "they are described, and not all are made")]
mod kinds;
mod shapes;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringway::typed::{Listener, RecvError, connect_with};
use ringway::{Config, Connection, ErrorKind};

use kinds::{Everything, Leg, Request};
use shapes::{Other, Quote};

const USAGE: &str = "usage: ringway-ffi-peer fingerprints | echo PATH | requests PATH | slices PATH | expect PATH | refused PATH | resume PATH ROUNDS";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["fingerprints"] => {
            shapes::print();
            Ok(())
        }
        ["echo", path] => echo(path),
        ["requests", path] => requests(path),
        ["slices", path] => slices(path),
        ["expect", path] => expect(path),
        ["refused", path] => refused(path),
        ["resume", path, rounds] => rounds
            .parse()
            .map_err(Into::into)
            .and_then(|rounds| resume(path, rounds)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn Error>>;

/// As much time as a machine may take that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// That much for a handshake.
fn patient() -> Config {
    Config::new().handshake_timeout(PATIENCE)
}

/// Sends back what one client sends, changed in two fields.
fn echo(path: &str) -> Outcome {
    let mut listener = Listener::<Everything, Everything>::bind_with(&patient(), path)?;
    let (mut sender, mut receiver) = listener.accept()?.split();
    loop {
        match receiver.recv() {
            Ok(mut message) => {
                message.wide = -message.wide;
                message.yes = !message.yes;
                sender.send(&message)?;
            }
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends back what one client sends many of in one frame, counted up by one.
fn slices(path: &str) -> Outcome {
    let mut listener = Listener::<Leg, Leg>::bind_with(&patient(), path)?;
    let (mut sender, mut receiver) = listener.accept()?.split();
    loop {
        match receiver.recv_batch::<Leg>() {
            Ok(batch) => {
                let mut legs: Vec<Leg> = batch.iter().collect();
                for leg in &mut legs {
                    leg.count += 1;
                }
                sender.send_slice(&legs)?;
            }
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes the requests of one client, and says what each was.
fn requests(path: &str) -> Outcome {
    let mut listener = Listener::<Request, Request>::bind_with(&patient(), path)?;
    let (mut sender, mut receiver) = listener.accept()?.split();
    loop {
        match receiver.recv() {
            Ok(request) => {
                println!("{request:?}");
                sender.send_any(&request)?;
            }
            Err(error) if error.is_closed() => return Ok(()),
            Err(RecvError::Invalid(invalid)) => println!("invalid: {invalid}"),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Listens for quotes until its standard input ends, and refuses whoever sends something else.
fn expect(path: &str) -> Outcome {
    let mut listener = Listener::<Quote, Quote>::bind_with(&patient(), path)?;
    std::thread::spawn(move || {
        loop {
            if let Err(error) = listener.accept() {
                eprintln!("{error}");
            }
        }
    });
    println!("listening");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    std::fs::remove_file(path)?;
    Ok(())
}

/// Connects to that with another message of the same name, as soon as somebody listens, and says what it was told.
fn refused(path: &str) -> Outcome {
    let end = Instant::now() + PATIENCE;
    loop {
        match connect_with::<Other, Other>(&patient(), path) {
            Ok(_) => return Err("it was taken".into()),
            // A socket lies there a moment before anybody listens.
            Err(error) if error.kind() == ErrorKind::NotFound && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => {
                println!("{error}");
                return Ok(());
            }
        }
    }
}

/// In each round it sends an empty frame and four numbers to a server, waits for its end, and goes on with the next one until that ends.
fn resume(path: &str, rounds: u32) -> Outcome {
    let config = patient().resumable(true);
    for _ in 0..rounds {
        let end = Instant::now() + PATIENCE;
        let mut connection = loop {
            match config.connect(path) {
                Err(error) if error.kind() == ErrorKind::NotFound && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                connected => break connected?,
            }
        };
        let mut group = connection.sender().group();
        group.send(&[])?;
        for number in 0..4u64 {
            group.send(&number.to_le_bytes())?;
        }
        group.publish();
        ended(&mut connection)?;
        let resumed = config.resume(path, connection, Instant::now() + PATIENCE);
        let resumed = resumed.map_err(|lost| lost.to_string())?;
        ended(&mut { resumed.connection })?;
    }
    Ok(())
}

fn ended(connection: &mut Connection) -> Outcome {
    match connection
        .receiver()
        .recv_deadline(Instant::now() + PATIENCE)
    {
        Err(ringway::RecvError::Closed) => Ok(()),
        other => Err(format!("it goes on: {other:?}").into()),
    }
}
