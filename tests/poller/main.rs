//! Many peers on one thread. Each test that counts, forks or limits runs in a process of its own with a watchdog.

mod crowd;
mod drain;
mod ends;
mod exchange;
#[path = "../forbid/mod.rs"]
mod forbid;
mod idle;
mod leaks;
mod limits;
mod panics;
#[path = "../hostile/peer.rs"]
#[allow(dead_code, reason = "the scripts of the hostile tests need more of it")]
mod peer;
#[path = "../crash/process.rs"]
mod process;
mod room;
mod server;
mod storm;
