//! One side of a case of `actors/cases.txt`: `actor SERVE|CONNECT CASE ADDRESS`. What it receives it prints, and sends back where the case has it so.

mod chaos;
mod messages;

use std::error::Error;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringway::typed::{self, Messages};
use ringway::{Config, Connection, ErrorKind, Listener, Receiver, Sender};

use messages::{Order, Quote, Sample};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Longer than a machine takes that has other things to do.
const LONG: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["SERVE", case, address] => run(true, case, Path::new(address)),
        ["CONNECT", case, address] => run(false, case, Path::new(address)),
        _ => Err("usage: actor SERVE|CONNECT CASE ADDRESS".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(serves: bool, case: &str, address: &Path) -> Outcome {
    match case {
        "bytes" => bytes(serves, address),
        "kinds" => kinds(serves, address),
        "batches" => batches(serves, address),
        "typed" if serves => serve_typed::<Sample>(address),
        "typed" => connect_typed::<Sample>(address, &[Sample::example()]),
        "variable" if serves => serve_typed::<Order>(address),
        "variable" => connect_typed::<Order>(address, &Order::examples()),
        "priorities" => priorities(serves, address),
        "expiring" => expiring(serves, address),
        "client-dies" => death(serves, address, !serves),
        "client-killed" | "server-killed" => chaos::endless(serves, address),
        "server-dies" => death(serves, address, serves),
        "wrong" => wrong(serves, address),
        "lie-frame" | "lie-flags" => lied_to(serves, address, false),
        "lie-released" => lied_to(serves, address, true),
        _ => Err(format!("there is no case `{case}`").into()),
    }
}

fn patient() -> Config {
    Config::new().handshake_timeout(LONG)
}

/// Connects to somebody who may be about to listen.
fn reach<T>(mut connect: impl FnMut() -> Result<T, ringway::Error>) -> Result<T, ringway::Error> {
    let began = Instant::now();
    loop {
        match connect() {
            Err(error) if error.kind() == ErrorKind::NotFound && began.elapsed() < LONG => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn meet(serves: bool, address: &Path, config: &Config) -> Outcome<(Sender, Receiver)> {
    let connection: Connection = if serves {
        let mut listener: Listener = config.bind(address)?;
        listener.accept_deadline(Instant::now() + LONG)?
    } else {
        reach(|| config.connect(address))?
    };
    Ok(connection.split())
}

/// The next frame: its kind, its priority, its payload.
fn next(receiver: &mut Receiver) -> Result<(u16, usize, Vec<u8>), ringway::RecvError> {
    let frame = receiver.recv_deadline(Instant::now() + LONG)?;
    Ok((frame.kind(), frame.priority(), frame.to_vec()))
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

/// As many bytes as that, of all values.
fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| ((at * 7 + len) % 251) as u8).collect()
}

fn hash(seed: u32, payload: &[u8]) -> u32 {
    payload.iter().fold(seed, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(*byte))
    })
}

fn bytes(serves: bool, address: &Path) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient())?;
    for len in [0, 1, 64, 1000, 100_000] {
        if !serves {
            sender.send(&payload(len))?;
        }
        let (_, _, found) = next(&mut receiver)?;
        println!("{} {}", found.len(), hash(0, &found));
        if serves {
            sender.send(&found)?;
        }
    }
    goodbye(serves, sender, receiver)
}

fn kinds(serves: bool, address: &Path) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient())?;
    for (kind, word) in [(0, "zero"), (1, "one"), (513, "many"), (65_535, "last")] {
        if !serves {
            sender.send_kind(kind, word.as_bytes())?;
        }
        let (kind, _, found) = next(&mut receiver)?;
        println!("{kind} {}", text(&found));
        if serves {
            sender.send_kind(kind, &found)?;
        }
    }
    goodbye(serves, sender, receiver)
}

fn batches(serves: bool, address: &Path) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient())?;
    let mut all: Vec<Vec<u8>> = (0..100).map(payload).collect();
    if !serves {
        send_together(&mut sender, &all)?;
    }
    all.clear();
    while all.len() < 100 {
        let mut frames = receiver.recv_batch_deadline(64, Instant::now() + LONG)?;
        while let Some(frame) = frames.next_frame() {
            all.push(frame.to_vec());
        }
    }
    let hash = all.iter().fold(0, |seed, payload| hash(seed, payload));
    println!("{} {hash}", all.len());
    if serves {
        send_together(&mut sender, &all)?;
    }
    goodbye(serves, sender, receiver)
}

fn send_together(sender: &mut Sender, all: &[Vec<u8>]) -> Outcome {
    let mut group = sender.group();
    for payload in all {
        group.send(payload)?;
    }
    group.publish();
    Ok(())
}

/// The client closes first, and the server is told of that in order.
fn goodbye(serves: bool, sender: Sender, mut receiver: Receiver) -> Outcome {
    if serves {
        match next(&mut receiver) {
            Err(ringway::RecvError::Closed) => println!("Closed"),
            other => return Err(format!("{other:?} in place of an end").into()),
        }
    }
    drop((sender, receiver));
    Ok(())
}

fn serve_typed<M: Messages + ?Sized>(address: &Path) -> Outcome
where
    M::Received: messages::Shown,
{
    let mut listener = typed::Listener::<M, M>::bind_with(&patient(), address)?;
    let mut connection = listener.accept_deadline(Instant::now() + LONG)?;
    loop {
        match connection.receiver().recv_deadline(Instant::now() + LONG) {
            Ok(message) => {
                println!("{}", messages::Shown::shown(&message));
                connection.sender().send_any(&message)?;
            }
            Err(error) if error.is_closed() => {
                println!("Closed");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn connect_typed<M: Messages + ?Sized>(address: &Path, all: &[M::Received]) -> Outcome
where
    M::Received: messages::Shown,
{
    let config = patient();
    let mut connection = reach(|| typed::connect_with::<M, M>(&config, address))?;
    for message in all {
        connection.sender().send_any(message)?;
        let found = connection.receiver().recv_deadline(Instant::now() + LONG)?;
        println!("{}", messages::Shown::shown(&found));
    }
    Ok(())
}

/// A file that says that everything is sent: only then the server begins to receive.
fn sent(address: &Path) -> PathBuf {
    let mut path = address.as_os_str().to_owned();
    path.push(".sent");
    path.into()
}

fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() && began.elapsed() < LONG {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn priorities(serves: bool, address: &Path) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient().lanes(2))?;
    if !serves {
        sender.at(1)?.send(b"later")?;
        sender.at(0)?.send(b"now")?;
        std::fs::write(sent(address), "")?;
        return done(&mut receiver);
    }
    wait_for(&sent(address));
    for _ in 0..2 {
        let (_, priority, found) = next(&mut receiver)?;
        println!("{priority} {}", text(&found));
    }
    sender.send(b"done")?;
    goodbye(serves, sender, receiver)
}

fn expiring(serves: bool, address: &Path) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient().drop_expired(serves))?;
    if !serves {
        // Once more where this process had no processor until it was over before it was sent.
        loop {
            let over = Instant::now() + Duration::from_millis(200);
            match sender.send_expiring(b"short", over) {
                Err(ringway::SendError::Expired) => {}
                sent => break sent?,
            }
        }
        sender.send_expiring(b"long", Instant::now() + LONG)?;
        std::thread::sleep(Duration::from_millis(300));
        std::fs::write(sent(address), "")?;
        return done(&mut receiver);
    }
    wait_for(&sent(address));
    let (_, _, found) = next(&mut receiver)?;
    println!("{}", text(&found));
    sender.send(b"done")?;
    goodbye(serves, sender, receiver)
}

fn done(receiver: &mut Receiver) -> Outcome {
    println!("{}", text(&next(receiver)?.2));
    Ok(())
}

/// One side ends by a signal that nothing can be done about; the other says what it was told, by each half.
fn death(serves: bool, address: &Path, dies: bool) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient())?;
    sender.send(b"here")?;
    println!("{}", text(&next(&mut receiver)?.2));
    if dies {
        let pid = std::process::id().to_string();
        std::process::Command::new("kill")
            .args(["-KILL", &pid])
            .status()?;
        return Err("it lives".into());
    }
    say(next(&mut receiver));
    say(sender.check());
    Ok(())
}

fn say<T: Debug, E: Debug>(told: Result<T, E>) {
    match told {
        Ok(value) => println!("{value:?}"),
        Err(error) => println!("{error:?}"),
    }
}

/// The other side keeps no rule: what one half is told.
fn lied_to(serves: bool, address: &Path, sends: bool) -> Outcome {
    let (mut sender, mut receiver) = meet(serves, address, &patient())?;
    wait_for(&sent(address));
    if !sends {
        say_why(next(&mut receiver));
        return Ok(());
    }
    let deadline = Instant::now() + LONG;
    let mut told = Ok(());
    // As many as fill the ring a few times.
    for _ in 0..10_000 {
        told = sender.send_deadline(&[0; 1000], deadline);
        if told.is_err() {
            break;
        }
    }
    say_why(told);
    Ok(())
}

/// The name of an error, and its words.
fn say_why<T: Debug, E: Debug + std::fmt::Display>(told: Result<T, E>) {
    match told {
        Ok(value) => println!("{value:?}"),
        Err(error) => {
            let name = format!("{error:?}");
            println!("{}\n{error}", name.split(['(', ' ']).next().unwrap_or(""));
        }
    }
}

/// The two mean different things by the name of one message.
fn wrong(serves: bool, address: &Path) -> Outcome {
    if !serves {
        let config = patient();
        match reach(|| typed::connect_with::<messages::Other, messages::Other>(&config, address)) {
            Ok(_) => return Err("it was taken".into()),
            Err(error) => println!("{:?}\n{error}", error.kind()),
        }
        return Ok(());
    }
    let mut listener = typed::Listener::<Quote, Quote>::bind_with(&patient(), address)?;
    let began = Instant::now();
    while listener.refusals() == 0 && began.elapsed() < LONG {
        if listener.try_accept()?.is_some() {
            return Err("it was taken".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("{}", listener.last_refusal().ok_or("nobody came")?);
    Ok(())
}
