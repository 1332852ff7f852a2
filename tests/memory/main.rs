//! Processes with little memory: in a small control group, and under each limit that rings count towards. They are told when they connect, and never killed
//! for it: neither then nor later, since every page of a ring is there from the start. The limits belong to a whole process, so each case is this
//! binary started again, in a role.

mod full;
#[path = "../crash/process.rs"]
mod process;
#[path = "../role/mod.rs"]
mod role;
mod swap;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use ringway::{Config, Connection, Error, ErrorKind};

const PATH: &str = "RINGWAY_TEST_PATH";
const GROUP: &str = "RINGWAY_TEST_GROUP";
const MIB: usize = 1 << 20;
/// Rings that are too large for each of these processes, and rings that are not.
const LARGE: usize = 64 * MIB;
const SMALL: usize = 4 * MIB;
/// What a group may have.
const LIMIT: usize = 40 * MIB;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-memory-{name}-{}", std::process::id()))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn rings(bytes: usize) -> Config {
    Config::new()
        .capacity(bytes)
        .peer_capacity(bytes)
        .max_capacity(LARGE)
        .handshake_timeout(Duration::from_secs(20))
}

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else {
        return;
    };
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    let (limit, side) = role.split_once(' ').unwrap();
    match limit {
        "file-size" => set(Resource::RLIMIT_FSIZE, 16 * MIB),
        "address-space" => set(Resource::RLIMIT_AS, address_space() + 32 * MIB),
        "group" => enter(),
        "swap" => {
            swap::shown().unwrap();
            enter();
        }
        other => panic!("no limit {other}"),
    }
    let mut connection = match side {
        "client" => client(&path),
        _ => server(&path),
    };
    if limit == "group" || limit == "swap" {
        leave_no_more_than(2 * MIB);
    }
    exchange(&mut connection, side == "client");
    println!("through");
}

fn set(resource: Resource, bytes: usize) {
    setrlimit(resource, bytes as u64, bytes as u64).unwrap();
}

/// What this process has of it now.
fn address_space() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    size << 10
}

/// What the side that cannot have its rings says, and what the other one hears, name the limit.
fn is_named(error: &Error, when: &str) {
    let words = ["ulimit -f", "ulimit -v", "memory control group"];
    assert_eq!(error.kind(), ErrorKind::Resources, "{when}: {error}");
    let text = error.to_string();
    assert!(
        words.iter().any(|word| text.contains(word)),
        "{when}: {text}"
    );
}

/// Its own ring is too large, then it is not.
fn client(path: &Path) -> Connection {
    let error = refused(&rings(SMALL).capacity(LARGE), path);
    is_named(&error, "the client");
    println!("{error}");
    rings(SMALL).connect(path).unwrap()
}

fn server(path: &Path) -> Connection {
    let mut listener = rings(SMALL).bind(path).unwrap();
    let connection = listener.accept_deadline(soon()).unwrap();
    assert_eq!(listener.refusals(), 1);
    let error = listener.last_refusal().unwrap();
    is_named(error, "the server");
    println!("{error}");
    connection
}

/// Three laps of each ring, by messages that are checked. Who begins fills a ring before anything of it is read.
fn exchange(connection: &mut Connection, begins: bool) {
    let (sender, receiver) = connection.halves();
    let mut message = vec![0; 64 << 10];
    for lap in 0..3u8 {
        let count = SMALL / message.len() * 3 / 4;
        for half in [begins, !begins] {
            for number in 0..count {
                let byte = lap ^ (number as u8);
                if half {
                    message.fill(byte);
                    sender.send_deadline(&message, soon()).unwrap();
                } else {
                    let frame = receiver.recv_deadline(soon()).unwrap().to_vec();
                    assert_eq!(frame.len(), message.len());
                    assert!(frame.iter().all(|found| *found == byte), "{lap} {number}");
                }
            }
        }
    }
}

/// Plays `limit` on both sides, one after the other; the other side is this process, which has all that it needs.
fn on_both_sides(limit: &str, group: Option<&Group>) {
    for side in ["client", "server"] {
        let path = path(limit);
        let mut command = role::process(&format!("{limit} {side}"));
        command.env(PATH, &path);
        if let Some(group) = group {
            command.env(GROUP, &group.0);
        }
        let told = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut connection = match side {
                    "client" => accept(&path),
                    _ => connect(&path),
                };
                exchange(&mut connection, side != "client");
                // The role ends first, or it would hear of our end in the midst.
                let _ = connection.receiver().recv_deadline(soon());
            });
            let told = role::play(&mut command);
            other.join().unwrap();
            told
        });
        assert!(told.contains("through"), "{told}");
        if let Some(group) = group {
            assert_eq!(group.killed(), 0, "{side}");
        }
        assert!(!path.exists());
    }
}

fn accept(path: &Path) -> Connection {
    let mut listener = rings(SMALL).bind(path).unwrap();
    let connection = listener.accept_deadline(soon()).unwrap();
    let error = listener.last_refusal().unwrap();
    is_named(error, "told by the client");
    connection
}

fn connect(path: &Path) -> Connection {
    let error = refused(&rings(SMALL).peer_capacity(LARGE), path);
    is_named(&error, "told by the server");
    rings(SMALL).connect(path).unwrap()
}

/// Why a client is not connected, once somebody listens: each side begins by itself.
fn refused(config: &Config, path: &Path) -> Error {
    let until = soon();
    loop {
        match config.connect(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other.unwrap_err(),
        }
    }
}

/// Without our asking, the kernel sends `SIGXFSZ`, which ends the process.
#[test]
fn a_limit_on_files_refuses_rings_and_kills_nobody() {
    on_both_sides("file-size", None);
}

#[test]
fn a_limit_on_the_address_space_refuses_rings_and_kills_nobody() {
    on_both_sides("address-space", None);
}

/// Without our asking, the kernel ends the process that allocates. And when the group is full but for a little, whole rings are still written and read.
#[test]
fn a_small_memory_group_refuses_rings_and_kills_nobody() {
    if let Some(group) = Group::new("small") {
        on_both_sides("group", Some(&group));
    }
}

/// The same of a group that may swap nothing, on a host that has swap, or says so.
#[test]
fn a_group_that_may_not_swap_refuses_rings_on_a_host_that_swaps() {
    // Of a thread of its own, so that nobody else sees it.
    let shown = std::thread::spawn(swap::shown).join().unwrap();
    if let Err(error) = shown {
        println!("SKIPPED: no swap can be shown here: {error}");
    } else if let Some(group) = Group::new("swap") {
        match group.swaps_nothing() {
            Ok(()) => on_both_sides("swap", Some(&group)),
            Err(error) => println!("SKIPPED: groups have no limit on swap here: {error}"),
        }
    }
}

/// A control group inside of ours, which ends with the test.
struct Group(PathBuf);

impl Group {
    /// None, and told why, where none can be made.
    fn new(name: &str) -> Option<Self> {
        let ours = fs::read_to_string("/proc/self/cgroup").unwrap();
        let at = |wanted: &str| {
            let mut lines = ours.lines().map(|line| line.splitn(3, ':'));
            lines.find_map(|mut it| {
                let (_, controllers, group) = (it.next()?, it.next()?, it.next()?);
                let found = controllers.split(',').any(|name| name == wanted);
                found.then(|| group.trim_start_matches('/').to_owned())
            })
        };
        let folder = match at("memory") {
            Some(inside) => Path::new("/sys/fs/cgroup/memory").join(inside),
            None => Path::new("/sys/fs/cgroup").join(at("").unwrap_or_default()),
        };
        let group = Self(folder.join(format!("ringway-{name}-{}", std::process::id())));
        let made = fs::create_dir(&group.0).and_then(|()| {
            let files = ["memory.max", "memory.limit_in_bytes"];
            let there = files.iter().find(|file| group.0.join(file).exists());
            let there = there.ok_or_else(|| std::io::Error::other("it has no memory limit"))?;
            fs::write(group.0.join(there), LIMIT.to_string())
        });
        if let Err(error) = made {
            println!("SKIPPED: no memory control group can be made here: {error}");
            return None;
        }
        Some(group)
    }

    /// Has it swap nothing out.
    fn swaps_nothing(&self) -> std::io::Result<()> {
        if self.0.join("memory.swap.max").exists() {
            return fs::write(self.0.join("memory.swap.max"), "0");
        }
        // Of version 1 it is the sum of both.
        let sum = self.0.join("memory.memsw.limit_in_bytes");
        fs::OpenOptions::new()
            .write(true)
            .open(sum)?
            .write_all(LIMIT.to_string().as_bytes())
    }

    /// How many processes of it the kernel has ended.
    fn killed(&self) -> u64 {
        let files = ["memory.events", "memory.oom_control"];
        let texts = files.map(|file| fs::read_to_string(self.0.join(file)).unwrap_or_default());
        let mut lines = texts.iter().flat_map(|text| text.lines());
        let count = lines.find_map(|line| line.strip_prefix("oom_kill "));
        count.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn group() -> PathBuf {
    PathBuf::from(std::env::var_os(GROUP).unwrap())
}

fn enter() {
    let own = std::process::id().to_string();
    fs::write(group().join("cgroup.procs"), own).unwrap();
}

/// Fills the group with memory that the kernel cannot take back.
fn leave_no_more_than(bytes: usize) {
    let usage = || {
        let files = ["memory.current", "memory.usage_in_bytes"];
        let text = files.map(|file| fs::read_to_string(group().join(file)).unwrap_or_default());
        let usage: usize = text.concat().trim().parse().unwrap();
        usage
    };
    while usage() + bytes < LIMIT {
        let more = vec![1u8; MIB / 2].into_boxed_slice();
        std::hint::black_box(Box::leak(more));
    }
    assert!(usage() > LIMIT / 2);
}
