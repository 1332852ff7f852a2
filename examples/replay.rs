//! Frames that are handled in batches, and read again when handling them fails: held, released, rewound. Both sides spin, which is the
//! fastest way to wait and takes a whole CPU each.
//!
//! `cargo run --release --example replay`

use std::error::Error;
use std::thread;

use ringway::{Config, Receiver, RecvError, Wait};

const NUMBERS: u64 = 1_000;
const BATCH: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("replay-{}", std::process::id());
    // Declared to the peer, which then never looks whether we sleep.
    let config = Config::new().wait(Wait::Spin);
    let mut listener = config.bind(name.as_str())?;
    let producer = thread::spawn(move || -> Result<(), String> {
        let mut connection = config.connect(name).map_err(|error| error.to_string())?;
        for number in 0..NUMBERS {
            let sent = connection.sender().send(&number.to_le_bytes());
            sent.map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    let mut receiver = listener.accept()?.split().1;
    // From now on a frame that is read still belongs to us, and counts against the ring, until it is released.
    receiver.hold(true);
    let (mut sum, mut replays) = (0, 0);
    loop {
        let batch = read(&mut receiver)?;
        match handle(&batch, replays) {
            Ok(part) => sum += part,
            Err(why) => {
                replays += 1;
                let back = receiver.rewind();
                println!("{why}: {back} bytes of ring are read again");
                continue;
            }
        }
        receiver.release();
        if batch.len() < BATCH {
            break;
        }
    }
    producer.join().map_err(|_| "the producer panicked")??;
    println!("the sum of {NUMBERS} numbers is {sum}, with {replays} batches read twice");
    assert_eq!((sum, replays), (NUMBERS * (NUMBERS - 1) / 2, 3));
    Ok(())
}

/// The next frames; fewer than a batch at the end of the stream.
fn read(receiver: &mut Receiver) -> Result<Vec<u64>, RecvError> {
    let mut batch = Vec::new();
    let mut number = [0; 8];
    while batch.len() < BATCH {
        match receiver.recv_into(&mut number) {
            Ok(_) => batch.push(u64::from_le_bytes(number)),
            Err(RecvError::Closed) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(batch)
}

/// Fails now and then, as a database does. The last, empty batch is one too.
fn handle(batch: &[u64], failed: u64) -> Result<u64, &'static str> {
    let third = NUMBERS / 3;
    match batch.first() {
        Some(first) if *first >= failed * third && failed < 3 => Err("not now"),
        _ => Ok(batch.iter().sum()),
    }
}
