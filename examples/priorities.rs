//! Telemetry in bulk, and a stop command that does not wait behind it: two priorities of one connection; a pair of threads for brevity.
//!
//! `cargo run --release --example priorities`

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Receiver, SendError, Sender};

/// What everything has that names no priority: here, what is urgent.
const COMMANDS: usize = 0;
const TELEMETRY: usize = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("priorities-{}", std::process::id());
    // Both sides ask for two lanes in each direction.
    let config = Config::new().lanes(2);
    let mut listener = config.bind(name.as_str())?;
    let connecting = thread::spawn(move || config.connect(name.as_str()));
    let (mut sender, _receiver) = listener.accept()?.split();
    let connection = connecting
        .join()
        .map_err(|_| "the device panicked")?
        .map_err(|error| error.to_string())?;
    let (_sender, receiver) = connection.split();

    let started = Instant::now();
    let device = thread::spawn(move || device(receiver, started).map_err(|e| e.to_string()));
    let mut sent = fill(&mut sender)?;
    // The device takes a millisecond for each sample, so its ring of telemetry is full all the time.
    while started.elapsed() < Duration::from_millis(30) {
        thread::sleep(Duration::from_millis(1));
        sent += fill(&mut sender)?;
    }
    sender.send(&started.elapsed().as_nanos().to_le_bytes())?;

    let (handled, took) = device.join().map_err(|_| "the device panicked")??;
    println!(
        "{} samples were waiting; the stop command was there after {took:?}",
        sent - handled
    );
    assert!(handled < sent, "it did not wait for them");
    Ok(())
}

/// Sends samples until there is no room for more. Returns how many.
fn fill(sender: &mut Sender) -> Result<u32, SendError> {
    let mut telemetry = sender.at(TELEMETRY)?;
    let mut sent = 0;
    loop {
        match telemetry.try_send(&[7; 200]) {
            Ok(()) => sent += 1,
            Err(SendError::Full) => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
}

/// Handles samples until it is told to stop. Returns how many, and how long the stop command took to come.
fn device(mut receiver: Receiver, started: Instant) -> Result<(u32, Duration), Box<dyn Error>> {
    let mut handled = 0;
    loop {
        let frame = receiver.recv()?;
        if frame.priority() == COMMANDS {
            let mut then = [0; 16];
            frame.copy_to(&mut then);
            let then = Duration::from_nanos(u64::try_from(u128::from_le_bytes(then))?);
            return Ok((handled, started.elapsed().saturating_sub(then)));
        }
        drop(frame);
        thread::sleep(Duration::from_millis(1));
        handled += 1;
    }
}
