//! Frames written in place, committed shorter than reserved, and published in groups; a pair of threads for brevity.
//!
//! `cargo run --release --example in_place`

use std::error::Error;
use std::io::Write;
use std::thread;

use ringway::{Listener, RecvError};

const GROUPS: u32 = 1_000;
const GROUP: u32 = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("in-place-{}", std::process::id());
    // Bound before the other thread starts, so that it finds the name.
    let mut listener = Listener::bind(name.as_str())?;
    let producer = thread::spawn(move || produce(&name).map_err(|error| error.to_string()));

    let mut receiver = listener.accept()?.split().1;
    let (mut frames, mut bytes, mut longest) = (0, 0, String::new());
    loop {
        match receiver.recv() {
            Ok(frame) => {
                frames += 1;
                bytes += frame.len();
                // The payload is copied out: the sender could still change it, so it is never viewed in place here.
                let text = String::from_utf8(frame.to_vec())?;
                if text.len() > longest.len() {
                    longest = text;
                }
            }
            // Orderly, and only after everything that was committed has been read.
            Err(RecvError::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    producer.join().map_err(|_| "the producer panicked")??;
    println!("{frames} frames, {bytes} bytes; the first of the longest: {longest:?}");
    assert_eq!(frames, 1 + GROUPS * GROUP);
    Ok(())
}

fn produce(name: &str) -> Result<(), Box<dyn Error>> {
    let mut sender = ringway::connect(name)?.split().0;

    // Room for the most that it can be, filled in the ring itself, committed at what it came to.
    let mut reservation = sender.reserve(64)?;
    let mut room: &mut [u8] = &mut reservation;
    write!(
        room,
        "written in place by thread {:?}",
        thread::current().id()
    )?;
    let written = 64 - room.len();
    reservation.commit_len(written);

    // A reservation that is dropped was never there.
    drop(sender.reserve(1024)?);

    // One store makes a whole group visible.
    for number in 0..GROUPS {
        let mut group = sender.group();
        for place in 0..GROUP {
            group.send(format!("{number}.{place}").as_bytes())?;
        }
        group.publish();
    }
    Ok(())
}
