//! Options that `ringway send` and `ringway recv` pass on: other users, and huge pages. Each either works or says what is missing.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use support::{Place, Running, feed, noise, until, wait_for_bytes};

/// The uid of the stranger: nobody's.
const NOBODY: u32 = 65_534;
const NOBODY_TEXT: &str = "65534";

/// Why another uid cannot be tried here, if it cannot.
fn no_stranger() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("another uid needs root".to_owned());
    }
    let tried = stranger(Command::new(env!("CARGO_BIN_EXE_ringway")).arg("--version"))
        .stdout(Stdio::null())
        .status();
    match tried {
        Ok(status) if status.success() => None,
        other => Some(format!("uid {NOBODY} cannot run the binary: {other:?}")),
    }
}

fn stranger(command: &mut Command) -> &mut Command {
    command.uid(NOBODY).gid(NOBODY)
}

#[test]
fn another_user_meets_us_when_both_sides_allow_it() {
    if let Some(why) = no_stranger() {
        eprintln!("skipped: {why}");
        return;
    }
    let bytes = noise(300_000, 4);
    // What the receiver and the stranger allow; what the stranger says, and what the receiver says of it.
    let cases: [(&[&str], &[&str], &str, &str); 4] = [
        (&[], &["--allow-uid", "0"], "must allow our uid", ""),
        (
            &["--allow-uid", "1"],
            &["--allow-uid", "0"],
            "uid 65534 may not connect here",
            "uid 65534 may not connect here",
        ),
        (
            &["--allow-uid", NOBODY_TEXT],
            &[],
            "runs as uid 0, which is not allowed here",
            "the client refused: the server runs as uid 0",
        ),
        (
            &["--allow-uid", "1", "--allow-uid", NOBODY_TEXT],
            &["--allow-uid", "0"],
            "",
            "",
        ),
    ];
    for (ours, theirs, said, heard) in cases {
        let place = Place::new();
        // The stranger must reach the socket.
        fs::set_permissions(place.file("."), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(place.file("in"), &bytes).unwrap();
        let meet = place.file("meet");
        let meet = meet.to_str().unwrap();
        let arguments = [&["recv", meet], ours].concat();
        let out = File::create(place.file("out")).unwrap();
        let mut receiver = place.listening(place.command("recv", &arguments).stdout(out));
        let arguments = [&["send", meet], theirs].concat();
        let mut sender = Running::start(
            stranger(&mut place.command("send", &arguments))
                .stdin(File::open(place.file("in")).unwrap()),
        );
        let admitted = said.is_empty();
        let code = sender.code();
        let words = place.words("send");
        assert_eq!(code, i32::from(!admitted), "{words}");
        assert!(words.contains(said), "{words:?} does not say {said:?}");
        until(&format!("the receiver says {heard:?}"), || {
            place.words("recv").contains(heard)
        });
        if !admitted {
            // A stranger that was sent away leaves the receiver to others.
            assert_eq!(fs::read(place.file("out")).unwrap(), b"");
            let mut friend = place.sender(meet, File::open(place.file("in")).unwrap().into());
            assert_eq!(friend.code(), 0, "{}", place.words("send"));
        }
        assert_eq!(receiver.code(), 0, "{}", place.words("recv"));
        assert!(fs::read(place.file("out")).unwrap() == bytes, "{ours:?}");
    }
}

/// Huge pages of 2 MiB that nobody uses.
fn free_huge_pages() -> usize {
    fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Whether a process has a mapping of a ring in pages of 2 MiB.
fn maps_huge_pages(running: &Running) -> bool {
    let smaps = fs::read_to_string(format!("/proc/{}/smaps", running.child.id())).unwrap();
    let mut ring = false;
    smaps.lines().any(|line| {
        if line.contains("memfd:") {
            ring = true;
        } else if line.starts_with("VmFlags") {
            ring = false;
        }
        ring && line.starts_with("KernelPageSize:") && line.contains("2048 kB")
    })
}

#[test]
fn huge_pages_carry_the_stream_or_are_missed_by_name() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
    let small = ["send", "copy", "--huge-pages", "--capacity", "1M"];
    assert_eq!(
        Running::start(&mut place.command("small", &small)).code(),
        1
    );
    assert!(
        place.words("small").contains("at least 2 MiB"),
        "{}",
        place.words("small")
    );
    let mut command = place.command("send", &["send", "copy", "--huge-pages"]);
    let mut sender = Running::start(command.stdin(Stdio::piped()));
    // One page before the ring, and the ring of 2 MiB.
    if free_huge_pages() < 2 {
        assert_eq!(sender.code(), 1);
        let words = place.words("send");
        assert!(words.contains("vm.nr_hugepages"), "{words}");
        until("the receiver says why the sender left", || {
            place.words("recv").contains("vm.nr_hugepages")
        });
        eprintln!("skipped: a copy through huge pages: none are free (sysctl vm.nr_hugepages=8)");
        return;
    }
    let bytes = noise(5_000_000, 5);
    feed(&mut sender, &bytes);
    wait_for_bytes(&place.file("out"), bytes.len() as u64);
    assert!(maps_huge_pages(&sender), "the sender's ring");
    assert!(maps_huge_pages(&receiver), "the same, in the receiver");
    drop(sender.child.stdin.take());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert!(fs::read(place.file("out")).unwrap() == bytes, "the copy");
}

#[test]
fn a_ring_that_was_cut_is_said_and_the_stream_goes_on() {
    let place = Place::new();
    let bytes = noise(300_000, 6);
    let meet = place.file("meet");
    let small = 64 << 10;
    let config = support::config()
        .capacity(small)
        .peer_capacity(small)
        .max_capacity(small);
    let mut listener = config.bind(meet.as_path()).unwrap();
    let arguments = ["send", meet.to_str().unwrap(), "--capacity", "1M"];
    let mut sender = Running::start(place.command("send", &arguments).stdin(Stdio::piped()));
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut connection = listener.accept_deadline(soon).unwrap();
    let reader = std::thread::spawn(move || {
        let mut copy = Vec::new();
        loop {
            let frame = connection.receiver().recv_deadline(soon).unwrap();
            let (kind, payload) = (frame.kind(), frame.to_vec());
            drop(frame);
            if kind == 1 {
                let mut answer = connection.sender().reserve(8).unwrap();
                answer.copy_from_slice(&payload);
                answer.kind(1).commit();
                return copy;
            }
            copy.extend(payload);
        }
    });
    feed(&mut sender, &bytes);
    drop(sender.child.stdin.take());
    assert!(reader.join().unwrap() == bytes, "the copy");
    assert_eq!(sender.code(), 0);
    let words = place.words("send");
    assert!(
        words.contains("65536 bytes instead of 1048576"),
        "{words:?}"
    );
}

#[test]
fn the_size_of_the_ring_is_asked_of_the_sender() {
    let place = Place::new();
    let mut command = place.command("recv", &["recv", "copy", "--capacity", "1M"]);
    assert_eq!(Running::start(&mut command).code(), 2);
    let words = place.words("recv");
    assert!(
        words.contains("`ringway send NAME --capacity BYTES`"),
        "{words}"
    );
    assert!(
        !words.contains("--wait"),
        "no advice that misleads: {words}"
    );
}

#[test]
fn a_user_by_name_is_told_how_to_find_the_number() {
    let place = Place::new();
    let mut command = place.command("recv", &["recv", "copy", "--allow-uid", "bob"]);
    assert_eq!(Running::start(&mut command).code(), 2);
    let words = place.words("recv");
    assert!(
        words.contains("numeric uid") && words.contains("`id -u bob`"),
        "{words}"
    );
}

/// 2^64 nanoseconds are 18,446,744,073.7 seconds: what is longer is told, and not taken for something shorter.
#[test]
fn no_option_takes_more_seconds_than_there_are_to_count() {
    let wrong: [&[&str]; 8] = [
        &["load", "service", "--seconds", "18446744074"],
        &["load", "service", "--drain", "1e30"],
        &["load", "service", "--stop-for", "1000000001"],
        &["chaos", "--for", "18446744074", "--", "true"],
        &["chaos", "--rest", "1e11", "--", "true"],
        &["ping", "service", "--interval", "1e20"],
        &["inspect", "service", "--watch", "1e20"],
        &["recv", "service", "--wait", "inf"],
    ];
    for arguments in wrong {
        let place = Place::new();
        let mut command = place.command("said", arguments);
        let status = command.stdout(Stdio::null()).status().unwrap();
        let words = place.words("said");
        assert_eq!(status.code(), Some(2), "{arguments:?}: {words}");
        assert!(words.contains("at most 1000000000 seconds"), "{words}");
    }
}
