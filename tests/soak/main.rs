//! Two processes that live through round after round of everything that there is to do with each other, in a drawn order and several things at a time. Every byte that arrives is the one that was
//! sent, and what a round has opened is gone behind it: descriptors, mappings, threads and memory are what they were behind the first one.
//!
//! `RINGWAY_SOAK_SECONDS`: for how long (30 unless told). `RINGWAY_LONG_MINUTES`: for so many minutes. `RINGWAY_SEED`: other draws.

mod bytes;
mod frames;
mod heap;
mod holdings;
mod killed;
mod lossy;
#[path = "../manners/mod.rs"]
mod manners;
mod meeting;
mod messages;
#[path = "../crash/process.rs"]
mod process;
mod receive;
mod send;
mod served;
mod side;
mod talk;
mod tally;
mod tapped;
mod terms;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Which side a process is, for how many seconds, and where they meet.
const TOLD: &str = "RINGWAY_SOAK_SIDE";
/// What a side says of what it did stands behind this, among what else it prints.
const MARK: &str = "did: ";

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

/// A side's part, in a process of its own.
#[test]
fn side() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    let mut words = told.splitn(3, ' ');
    let mut word = || words.next().unwrap();
    let (side, seconds) = (word().parse().unwrap(), word().parse().unwrap());
    // Whatever panics ends the process: other threads would wait for the one that has.
    let says = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        says(panic);
        std::process::exit(101);
    }));
    let end = Instant::now() + Duration::from_secs(seconds);
    for line in side::live(Path::new(word()), side, end) {
        println!("{MARK}{line}");
    }
}

/// The part of those that are killed.
#[test]
fn victim() {
    killed::victim();
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where they meet. Sides that fail leave their sockets there.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn mixed_patterns_leave_nothing_behind_and_lose_nothing() {
    let minutes = number("RINGWAY_LONG_MINUTES").unwrap_or(0);
    let seconds = match minutes {
        0 => number("RINGWAY_SOAK_SECONDS").unwrap_or(30),
        _ => minutes * 60,
    };
    let folder = std::env::temp_dir().join(format!("ringway-soak-{}", std::process::id()));
    // Of a run that was killed, whose number has come round.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let folder = Folder(folder);
    let path = folder.0.join("side");
    let start = |side| {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "side", "--nocapture", "--test-threads=1"])
            .env(TOLD, format!("{side} {seconds} {}", path.display()))
            // One heap for all threads: how many there are depends on who happens to run at once.
            .env("MALLOC_ARENA_MAX", "1")
            .stdout(Stdio::piped())
            .spawn();
        Running(child.unwrap())
    };
    let mut sides = [start(0), start(1)];
    let mut failed = None;
    let mut ended = [false; 2];
    while failed.is_none() && ended != [true; 2] {
        for (side, Running(child)) in sides.iter_mut().enumerate() {
            if let Some(status) = child.try_wait().unwrap() {
                ended[side] = true;
                failed = failed.or((!status.success()).then_some((side, status)));
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    if failed.is_some() {
        // What the other one says of it.
        thread::sleep(Duration::from_secs(1));
    }
    if let Some((side, status)) = failed {
        panic!("side {side}: {status}");
    }
    // Each line by itself, for whoever counts what they say.
    println!();
    for (side, Running(child)) in sides.iter_mut().enumerate() {
        let mut printed = String::new();
        let mut out = child.stdout.take().unwrap();
        out.read_to_string(&mut printed).unwrap();
        // Behind what libtest says of the test that is running.
        let lines = printed.lines().filter_map(|line| line.split_once(MARK));
        let lines: Vec<_> = lines.map(|(_, line)| line).collect();
        assert!(!lines.is_empty(), "side {side} did nothing");
        // Both count the same; of what it has, each says its own.
        let from = if side == 0 { 0 } else { lines.len() - 1 };
        for line in &lines[from..] {
            println!("{line}");
        }
    }
}
