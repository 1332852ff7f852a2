//! Orders to a desk that crashes every now and then: none is lost, and none is booked twice.
//!
//! `cargo run --release --example resume`

use std::collections::HashSet;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use ringway::{Config, Connection, RecvError, Redelivery, SendError};

const ORDERS: u64 = 200_000;
/// The desk is killed after about so many orders, again and again.
const LIFE: Duration = Duration::from_millis(20);
const CRASHES: u32 = 5;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next(), arguments.next()) {
        (Some(name), Some(book)) => desk(&name, Path::new(&book)),
        _ => trade(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("resume: {error}");
            ExitCode::FAILURE
        }
    }
}

fn config() -> Config {
    Config::new().resumable(true)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Books orders, each in a file that outlives this process, and answers. Then, and not before, it is finished with the frame.
fn desk(name: &str, book: &Path) -> Result<(), Box<dyn Error>> {
    let mut booked = HashSet::new();
    let mut file = OpenOptions::new().read(true).append(true).open(book)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    for position in bytes.chunks_exact(8) {
        booked.insert(u64::from_le_bytes(position.try_into()?));
    }
    let mut connection = config().bind(name)?.accept()?;
    let (sender, receiver) = connection.halves();
    loop {
        let frame = match receiver.recv() {
            Ok(frame) => frame,
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Only an order that is in doubt may be in the book already. A frame keeps its position, whoever serves it.
        let position = frame.position();
        if frame.redelivery() != Redelivery::InDoubt || !booked.contains(&position) {
            file.write_all(&position.to_le_bytes())?;
        }
        let number = frame.to_vec();
        sender.send(&number)?;
    }
}

fn open(name: &str, book: &Path) -> std::io::Result<Child> {
    let this = std::env::current_exe()?;
    Command::new(this).arg(name).arg(book).spawn()
}

/// Sends orders through one desk after the other.
fn trade() -> Result<(), Box<dyn Error>> {
    let name = format!("resume-{}", std::process::id());
    let book = std::env::temp_dir().join(&name);
    File::create(&book)?;
    let mut child = open(&name, &book)?;
    let mut connection = connect(&name)?;
    let (mut sent, mut answered, mut crashes) = (0, 0u64, 0);
    let mut killing = Instant::now() + LIFE;
    while answered < ORDERS {
        if crashes < CRASHES && Instant::now() >= killing {
            crashes += 1;
            killing = Instant::now() + LIFE;
            child.kill()?;
            assert_eq!(child.wait()?.signal(), Some(9));
            child = open(&name, &book)?;
        }
        match exchange(&mut connection, &mut sent, &mut answered) {
            Ok(()) => continue,
            Err(RecvError::PeerDied) => {}
            Err(error) => return Err(error.into()),
        }
        let began = Instant::now();
        let resumed = config().resume(name.as_str(), connection, soon())?;
        println!(
            "a crash after {answered} answers: sent again {} that nobody had seen and {} in doubt, {:.1?} after it was heard of",
            resumed.unseen(),
            resumed.in_doubt(),
            began.elapsed()
        );
        connection = resumed.connection;
    }
    drop(connection);
    assert!(child.wait()?.success());
    let bytes = std::fs::read(&book)?;
    std::fs::remove_file(&book)?;
    let booked: HashSet<&[u8]> = bytes.chunks_exact(8).collect();
    println!(
        "{} orders, {} bookings, {crashes} crashes",
        sent,
        bytes.len() / 8
    );
    assert_eq!((booked.len() as u64, bytes.len() as u64 / 8), (sent, sent));
    Ok(())
}

fn number(answer: &[u8]) -> u64 {
    answer.try_into().map_or(0, u64::from_le_bytes)
}

fn connect(name: &str) -> Result<Connection, Box<dyn Error>> {
    let until = soon();
    loop {
        match config().connect(name) {
            Err(error) if Instant::now() < until => {
                let _ = error;
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return Ok(other?),
        }
    }
}

/// Sends while there is room, and receives what is there. An error: all that the desk had answered has been received.
fn exchange(
    connection: &mut Connection,
    sent: &mut u64,
    answered: &mut u64,
) -> Result<(), RecvError> {
    let (sender, receiver) = connection.halves();
    while *sent < ORDERS {
        match sender.try_send(&sent.to_le_bytes()) {
            Ok(()) => *sent += 1,
            // What the receiver says then, an end too.
            Err(SendError::Full | SendError::PeerDied) => break,
            Err(error) => panic!("{error}"),
        }
    }
    loop {
        match receiver.recv_deadline(Instant::now() + Duration::from_millis(1)) {
            // An order in doubt may be answered twice.
            Ok(frame) => *answered = (*answered).max(number(&frame.to_vec()) + 1),
            Err(RecvError::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
