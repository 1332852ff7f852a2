//! A client outlives its server, again and again: every frame that it has committed is handled, and one that is handled twice was said to be in doubt.
//!
//! `RINGWAY_RESUMES` sets how often the server is killed in each way of serving (60 unless told).

mod client;
mod held;
mod kills;
mod midway;
mod open;
mod orderly;
mod panics;
#[path = "../crash/process.rs"]
mod process;
mod record;
mod refusals;
mod server;
#[path = "../stale/mod.rs"]
mod stale;
mod steps;
#[path = "../crash/traced.rs"]
#[allow(dead_code, reason = "the tests of kills need more of it")]
mod traced;
