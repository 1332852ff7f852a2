//! `ringway echo`: one thread for all its clients.

mod support;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use ringway::{Connection, SendError};
use serde_json::Value;
use support::{Place, Running};

/// Runs a load to its end: its code and what it reported.
fn load(place: &Place, command: &mut Command) -> (Option<i32>, Value) {
    let output = command.stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", place.words("load")));
    (output.status.code(), report)
}

fn threads(service: &Running) -> u32 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("Threads:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// Under the soft limit of descriptors that is usual, which both raise.
#[test]
fn a_thousand_clients_are_answered_by_one_thread() {
    let place = Place::new();
    let usual = "ulimit -Sn 1024; exec \"$@\"";
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Eight descriptors for each; where the hard limit is low there are fewer.
    let clients = (hard.saturating_sub(200) / 9).min(1000).to_string();
    let mut service = place.in_shell("echo", usual, &["echo", "service"]);
    let service = place.listening(&mut service);
    let ask = [
        "load",
        "service",
        "--json",
        "--seconds",
        "1",
        "--rate",
        "2000",
        "--clients",
        &clients,
        "--capacity",
        "4K",
        "--sizes",
        "64",
        "--verify",
        "--drain",
        "60",
    ];
    let (code, report) = load(&place, &mut place.in_shell("load", usual, &ask));
    assert_eq!(code, Some(0), "{report} {}", place.words("load"));
    assert_eq!(report["answered"], report["due"], "{report}");
    assert_eq!(report["due"].as_u64().map(|due| due > 1000), Some(true));
    assert_eq!(threads(&service), 1);
}

fn connect(place: &Place) -> Connection {
    let entries = fs::read_dir(place.file("")).unwrap().flatten();
    let mut sockets = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    let path = sockets.next().unwrap().path();
    let config = support::config().capacity(4096).peer_capacity(4096);
    config.connect(path.as_path()).unwrap()
}

/// Its questions are taken no further than there is room for answers, and nothing is lost.
#[test]
fn who_reads_no_answers_holds_up_nobody() {
    let place = Place::new();
    let _service = place.listening(&mut place.command("echo", &["echo", "service"]));
    let mut deaf = connect(&place);
    let (mut sent, end) = (0u32, Instant::now() + Duration::from_millis(300));
    let (enough, patience) = (
        2 * 4096 / 16 - 100,
        Instant::now() + Duration::from_secs(20),
    );
    // Both rings are full then. On a busy machine the service may come to it late.
    while Instant::now() < end || sent <= enough {
        assert!(Instant::now() < patience, "only {sent} were taken");
        match deaf.sender().try_send_kind(3, &sent.to_ne_bytes()) {
            Ok(()) => sent += 1,
            Err(error) => assert_eq!(error, SendError::Full),
        }
    }
    let ask = [
        "load",
        "service",
        "--json",
        "--seconds",
        "0.5",
        "--rate",
        "500",
        "--clients",
        "4",
        "--drain",
        "20",
    ];
    let (code, report) = load(&place, &mut place.command("load", &ask));
    assert_eq!(code, Some(0), "{report} {}", place.words("load"));
    for number in 0..sent {
        let soon = Instant::now() + Duration::from_secs(20);
        let answer = deaf.receiver().recv_deadline(soon).unwrap();
        assert_eq!(
            (answer.kind(), answer.to_vec()),
            (3, number.to_ne_bytes().to_vec())
        );
    }
}

/// As behind a supervisor that has closed its end of the pipe.
#[test]
fn a_standard_error_that_nobody_reads_ends_no_echo() {
    let place = Place::new();
    let mut command = place.command("echo", &["echo", "service", "--clients", "1"]);
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let mut service = place.listening(command.stderr(OwnedFd::from(theirs)));
    let mut client = connect(&place);
    client.sender().send(b"asked").unwrap();
    assert_eq!(client.receiver().recv().unwrap().to_vec(), b"asked");
    drop(client);
    assert_eq!(service.code(), 0);
}
