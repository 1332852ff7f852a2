//! Locked memory, NUMA nodes, pinning and scheduling classes: each by its effect, as the kernel tells it, and by its error where it is refused.

mod role;

use std::fs;
use std::path::PathBuf;

use nix::sys::resource::{Resource, setrlimit};
use ringway::thread::{self, Class};
use ringway::{Config, Connection, Error, ErrorKind};

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-place-{}-{name}", std::process::id()))
}

/// A server's and a client's end of one connection, both in this process.
fn pair(name: &str, server: &Config, client: &Config) -> Result<(Connection, Connection), Error> {
    let path = place(name);
    // A handshake with a thread that may be stalled for seconds is waited for.
    let patience = std::time::Duration::from_secs(20);
    let patient = |config: &Config| config.clone().handshake_timeout(patience);
    let mut listener = patient(server).bind(path.as_path())?;
    let client = patient(client);
    let client = std::thread::spawn(move || client.connect(path));
    // However busy the machine is: until somebody is there, or the client knows that nobody will be.
    let accepted = loop {
        let short = std::time::Instant::now() + std::time::Duration::from_millis(20);
        match listener.accept_deadline(short) {
            Err(_) if !client.is_finished() => {}
            other => break other,
        }
    };
    let connected = client.join().expect("no panic")?;
    Ok((accepted?, connected))
}

/// A value in KiB of this process's status.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let value = line.unwrap().trim_start_matches(':').trim();
    value.trim_end_matches(" kB").parse().unwrap()
}

/// What a role prints where this host or container does not let it show anything.
const NOT_HERE: &str = "not here:";

/// Plays a role, and says so where it could not be played here.
fn play(role: &str) {
    let said = role::play(&mut role::process(role));
    if let Some(why) = said.split_once(NOT_HERE) {
        eprintln!("skipped: {role}: {}", why.1.lines().next().unwrap_or(""));
    } else {
        assert!(said.contains("played"), "{said}");
    }
}

#[test]
fn locked_segments_are_locked_each_page_once() {
    play("lock");
}

#[test]
fn what_is_prefaulted_is_mapped_before_it_is_used() {
    play("prefault");
}

#[test]
fn what_may_not_be_locked_says_what_to_raise() {
    play("lock-refused");
}

#[test]
fn a_class_that_is_not_permitted_says_what_to_raise() {
    play("class-refused");
}

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else { return };
    match role.as_str() {
        "lock" => lock(),
        "prefault" => prefault(),
        "lock-refused" => lock_refused(),
        "class-refused" => class_refused(),
        _ => panic!("no role {role}"),
    }
    println!("played");
}

fn lock() {
    let ring = 64 << 10;
    let config = Config::new()
        .capacity(ring)
        .peer_capacity(ring)
        .lock_memory(true);
    let before = status("VmLck");
    let (mut server, mut client) = match pair("lock", &config, &config) {
        Err(error) if error.kind() == ErrorKind::Resources => {
            println!("{NOT_HERE} {error}");
            return;
        }
        other => other.unwrap(),
    };
    // Two segments of a page and a ring, each mapped by both sides, all in this process.
    let locked = status("VmLck") - before;
    let page = u64::try_from(
        nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .unwrap()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(locked << 10, 4 * (ring as u64 + page));
    client.sender().send(b"as ever").unwrap();
    assert_eq!(server.receiver().recv().unwrap().to_vec(), b"as ever");
    drop((server, client));
    assert_eq!(status("VmLck"), before, "what is unmapped is not locked");
}

/// Of each mapping of a segment in this process, whether it is for reading only, and whether all of its pages are mapped.
fn segments() -> Vec<(bool, bool)> {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = maps.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.contains("/memfd:ringway ") {
            let mut value = |key: &str| -> u64 {
                let value = lines.find_map(|line| line.strip_prefix(key)).unwrap();
                value.trim().trim_end_matches(" kB").parse().unwrap()
            };
            let size = value("Size:");
            found.push((line.contains(" r--s "), value("Rss:") == size));
        }
    }
    found
}

/// Of both segments, that of the peer too, which is only read.
fn prefault() {
    let ring = 256 << 10;
    let plain = Config::new().capacity(ring).peer_capacity(ring);
    let whole = |config: &Config| {
        let _pair = pair("prefault", config, &plain).unwrap();
        segments().into_iter().filter(|(_, whole)| *whole).collect()
    };
    let (nothing, both): (Vec<_>, Vec<_>) = (whole(&plain), whole(&plain.clone().prefault(true)));
    assert_eq!(nothing, []);
    assert!(
        both.contains(&(true, true)) && both.contains(&(false, true)),
        "{both:?}"
    );
}

/// Leaves what root may do.
fn be_nobody() {
    if nix::unistd::geteuid().is_root() {
        nix::unistd::setgid(nix::unistd::Gid::from_raw(65534)).unwrap();
        nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).unwrap();
    }
}

fn lock_refused() {
    be_nobody();
    setrlimit(Resource::RLIMIT_MEMLOCK, 8192, 8192).unwrap();
    let plain = Config::new();
    let locking = Config::new().lock_memory(true);
    for (name, server, client) in [("server", &locking, &plain), ("client", &plain, &locking)] {
        let error = pair(name, server, client).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Resources, "{name}: {text}");
        for word in ["8192 bytes", "ulimit -l", "CAP_IPC_LOCK"] {
            assert!(text.contains(word), "{name}: {text}");
        }
    }
}

fn class_refused() {
    be_nobody();
    setrlimit(Resource::RLIMIT_RTPRIO, 0, 0).unwrap();
    let error = thread::schedule(Class::Fifo(7)).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Resources);
    assert!(
        text.contains("up to 0") && text.contains("ulimit -r") && text.contains("to 7"),
        "{text}"
    );
    thread::schedule(Class::Batch).unwrap();
    assert_eq!(
        policy(),
        libc::SCHED_BATCH,
        "what takes no right is still done"
    );
}

fn policy() -> i32 {
    // SAFETY: no memory is passed; 0 is the calling thread.
    unsafe { libc::sched_getscheduler(0) }
}

#[test]
fn a_pinned_thread_has_one_processor_and_others_keep_theirs() {
    let all = thread::allowed().unwrap();
    let last = *all.last().unwrap();
    std::thread::spawn(move || {
        thread::pin(last).unwrap();
        assert_eq!(thread::allowed().unwrap(), [last]);
    })
    .join()
    .unwrap();
    assert_eq!(thread::allowed().unwrap(), all);
}

#[test]
fn a_processor_that_is_not_there_is_named() {
    for cpu in [1023, usize::MAX] {
        let error = thread::pin(cpu).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.to_string().contains(&cpu.to_string()), "{error}");
    }
}

#[test]
fn a_thread_is_in_the_class_that_it_was_put_into() {
    std::thread::spawn(|| {
        assert_eq!(policy(), libc::SCHED_OTHER);
        thread::schedule(Class::Batch).unwrap();
        assert_eq!(policy(), libc::SCHED_BATCH);
        thread::schedule(Class::Other).unwrap();
        assert_eq!(policy(), libc::SCHED_OTHER);
        match thread::schedule(Class::Fifo(1)) {
            Ok(()) => assert_eq!(policy(), libc::SCHED_FIFO),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Resources, "{error}"),
        }
        for priority in [0, 100] {
            let error = thread::schedule(Class::Fifo(priority)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        }
    })
    .join()
    .unwrap();
}

#[test]
fn an_idle_thread_is_in_its_class() {
    std::thread::spawn(|| {
        thread::schedule(Class::Idle).unwrap();
        assert_eq!(policy(), libc::SCHED_IDLE);
    })
    .join()
    .unwrap();
}

#[test]
fn a_segment_lies_on_the_node_that_was_asked_for() {
    let config = Config::new().numa_node(0).prefault(true);
    let (mut server, mut client) = match pair("node", &config, &config) {
        Err(error) if error.kind() == ErrorKind::Resources => {
            eprintln!("skipped: {error}");
            return;
        }
        other => other.unwrap(),
    };
    let maps = fs::read_to_string("/proc/self/numa_maps").unwrap();
    let bound = maps
        .lines()
        .filter(|line| line.contains("memfd:ringway\\040") && line.contains("bind:0"));
    assert!(bound.count() >= 2, "{maps}");
    client.sender().send(b"as ever").unwrap();
    assert_eq!(server.receiver().recv().unwrap().to_vec(), b"as ever");
}

#[test]
fn a_node_that_the_host_lacks_is_named_with_those_that_it_has() {
    let plain = Config::new();
    let error = pair("no-node", &plain, &Config::new().numa_node(999)).unwrap_err();
    match error.kind() {
        ErrorKind::InvalidConfig => assert!(error.to_string().contains("999"), "{error}"),
        kind => assert_eq!(kind, ErrorKind::Resources, "{error}"),
    }
}
