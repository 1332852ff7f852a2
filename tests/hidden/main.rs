//! Deaths that hide: of zombies, of processes whose descriptors others were given on purpose, and across namespaces, where pids, clocks and uids mean
//! something else. What a machine does not permit is skipped, and says so.

#[path = "../forbid/mod.rs"]
mod forbid;
mod heirs;
mod lack;
mod space;
mod users;

#[path = "../crash/process.rs"]
mod process;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringway::Config;

const LIMIT: Duration = Duration::from_secs(60);

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-hidden-{name}-{}", std::process::id()))
}

/// A handshake may take as long as a loaded machine has it take: what it has by default may be too short.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
