//! What this machine is doing: one process samples the kernel's counters into typed messages, another adds them up.
//!
//! `cargo run --release --example host`, or `cargo run --release --example host 60` for a minute. Meanwhile `ringway tap NAME`, with the name that it
//! prints, shows the messages.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use ringway::Config;
use ringway::typed::{self, Message, Nothing, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Time that a processor has spent since the start of the machine (`/proc/stat`), in ticks of 10 ms.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Processor {
    name: Text<8>,
    busy: u64,
    idle: u64,
}

/// Memory (`/proc/meminfo`), in KiB.
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Memory {
    total: u64,
    available: u64,
}

/// Bytes through a network interface since the start of the machine (`/proc/net/dev`).
#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Interface {
    name: Text<16>,
    received: u64,
    sent: u64,
}

/// What one lane carries.
#[derive(Debug, Message)]
enum Reading {
    #[message(kind = 1)]
    Processor(Processor),
    #[message(kind = 2)]
    Memory(Memory),
    #[message(kind = 3)]
    Interface(Interface),
}

/// Without an argument, in seconds.
const TIME: u64 = 1;
const EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [seconds, name] => time(seconds).and_then(|time| sample(name, time)),
        [seconds] => time(seconds).and_then(aggregate),
        _ => aggregate(Duration::from_secs(TIME)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn time(seconds: &str) -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::from_secs(seconds.parse()?))
}

/// Reads the counters again and again, and sends each as a message.
fn sample(name: &str, time: Duration) -> Result<(), Box<dyn Error>> {
    let mut readings = typed::connect::<Reading, Nothing>(name)?.split().0;
    let began = Instant::now();
    loop {
        for line in fs::read_to_string("/proc/stat")?.lines() {
            if let Some(processor) = processor(line) {
                readings.send(&processor)?;
            }
        }
        readings.send(&memory(&fs::read_to_string("/proc/meminfo")?))?;
        for line in fs::read_to_string("/proc/net/dev")?.lines() {
            if let Some(interface) = interface(line) {
                readings.send(&interface)?;
            }
        }
        // Each kind goes once at least, however late it is when the first has gone.
        if began.elapsed() >= time {
            return Ok(());
        }
        thread::sleep(EVERY);
    }
}

fn processor(line: &str) -> Option<Processor> {
    let mut words = line.split_whitespace();
    let name = words.next().filter(|name| name.starts_with("cpu"))?;
    let ticks: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    // The fourth and the fifth are idle, and idle for want of a disk; guests are counted twice, at the end.
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(Processor {
        name: Text::cut(name),
        busy: ticks.iter().take(8).sum::<u64>() - idle,
        idle,
    })
}

fn memory(text: &str) -> Memory {
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let word = line.and_then(|line| line.split_whitespace().nth(1));
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    Memory {
        total: value("MemTotal:"),
        available: value("MemAvailable:"),
    }
}

fn interface(line: &str) -> Option<Interface> {
    let (name, counts) = line.split_once(':')?;
    let counts: Vec<u64> = counts
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    Some(Interface {
        name: Text::cut(name.trim()),
        received: *counts.first()?,
        sent: *counts.get(8)?,
    })
}

/// Starts the other process, and prints what has changed between its first reading and its last.
fn aggregate(time: Duration) -> Result<(), Box<dyn Error>> {
    let name = format!("host-{}", std::process::id());
    let config = Config::new().allow_tap(true);
    let mut listener = typed::Listener::<Nothing, Reading>::bind_with(&config, name.as_str())?;
    let seconds = time.as_secs().to_string();
    let mut child = Command::new(std::env::current_exe()?)
        .args([&seconds, &name])
        .spawn()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut readings = listener.accept_deadline(deadline)?.split().1;
    // There is nobody else to wait for, but somebody may want to read along.
    let attendant = listener.attend()?;
    println!("while this runs ({seconds} s), `ringway tap {name}` shows its messages");

    let (mut messages, mut free) = (0, None);
    // First and last of each.
    let mut processors = BTreeMap::new();
    let mut interfaces = BTreeMap::new();
    loop {
        match readings.recv() {
            Ok(Reading::Processor(now)) => {
                processors
                    .entry(now.name.to_string())
                    .or_insert((now, now))
                    .1 = now;
            }
            Ok(Reading::Interface(now)) => {
                interfaces
                    .entry(now.name.to_string())
                    .or_insert((now, now))
                    .1 = now;
            }
            Ok(Reading::Memory(now)) => free = Some(now),
            Err(error) if error.is_closed() => break,
            Err(error) => return Err(error.into()),
        }
        messages += 1;
    }
    drop(attendant);
    for (name, (first, last)) in &processors {
        let busy = last.busy.saturating_sub(first.busy);
        let all = busy + last.idle.saturating_sub(first.idle);
        println!("{name:<8} {:>3} % busy", 100 * busy / all.max(1));
    }
    for (name, (first, last)) in &interfaces {
        let received = last.received.saturating_sub(first.received);
        let sent = last.sent.saturating_sub(first.sent);
        println!("{name:<8} {received} bytes received, {sent} sent");
    }
    if let Some(memory) = free {
        let (available, total) = (memory.available >> 10, memory.total >> 10);
        println!("memory   {available} of {total} MiB available");
    }
    println!("{messages} messages");
    if !child.wait()?.success() {
        return Err("the process that samples failed".into());
    }
    assert!(
        !processors.is_empty() && free.is_some(),
        "every kind has come"
    );
    Ok(())
}
