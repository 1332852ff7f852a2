//! The library's own labelled steps: a service is killed at each of them, and so is a client, and what was committed is received in any case.
//!
//! Only in a build with the feature `chaos`: without it there are no such steps.

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringway::{Connection, ErrorKind, RecvError, SendError};
use serde_json::Value;
use support::{Place, Running};

/// A small ring, so that releases are soon due.
const RING: usize = 4096;

/// Starts `ringway chaos`, with a fixed seed, on a command of `ringway`.
fn chaos(place: &Place, label: &str, ask: &[&str], words: &[&str]) -> Command {
    let report = place.file(&format!("{label}.json"));
    let fixed = [
        "chaos",
        "--json",
        "--seed",
        "1",
        "--output",
        report.to_str().unwrap(),
    ];
    let command = ["--", env!("CARGO_BIN_EXE_ringway")];
    place.command(label, &[&fixed, ask, &command, words].concat())
}

/// The last line of its report.
fn sum(place: &Place, label: &str) -> Value {
    let text = fs::read_to_string(place.file(&format!("{label}.json"))).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// What became of a label.
fn step<'a>(sum: &'a Value, label: &str) -> &'a Value {
    let labels = sum["labels"].as_array().unwrap();
    let step = labels.iter().find(|step| step["label"] == label);
    step.unwrap_or(&Value::Null)
}

fn hits(sum: &Value, label: &str) -> u64 {
    step(sum, label)["hit"].as_u64().unwrap_or(0)
}

/// `--at ringway.LABEL=kill` for each.
fn at(labels: &[&str]) -> Vec<String> {
    let named = labels.iter().map(|label| format!("ringway.{label}=kill"));
    named.flat_map(|label| ["--at".to_owned(), label]).collect()
}

/// A client of a service that is killed again and again.
struct Client<'a> {
    place: &'a Place,
    /// While it runs, there is a service, or will be.
    service: &'a mut Running,
}

impl Client<'_> {
    fn is_over(&mut self) -> bool {
        !matches!(self.service.child.try_wait(), Ok(None))
    }

    /// `None`: the torment is over.
    fn connect(&mut self) -> Option<Connection> {
        let until = Instant::now() + Duration::from_secs(30);
        let config = support::config().capacity(RING).peer_capacity(RING);
        while !self.is_over() {
            match config.connect(self.place.file("service")) {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    let gone = [ErrorKind::NotFound, ErrorKind::PeerGone].contains(&error.kind());
                    assert!(gone, "{error}");
                }
            }
            assert!(Instant::now() < until, "the watchdog: nobody listens");
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }
}

/// The service ended without an answer.
#[derive(Debug)]
struct Died;

/// One request, and its answer.
fn ask(connection: &mut Connection, number: u64) -> Result<(), Died> {
    let mut payload = [0; 200];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    let until = Instant::now() + Duration::from_secs(30);
    match connection.sender().send_deadline(&payload, until) {
        Ok(()) => {}
        Err(SendError::PeerDied | SendError::Closed) => return Err(Died),
        Err(error) => panic!("{error}"),
    }
    match connection.receiver().recv_deadline(until) {
        Ok(frame) => {
            assert!(frame.to_vec() == payload, "another frame than was sent");
            Ok(())
        }
        // It closes where it was told to end, or is killed between its goodbye and its end.
        Err(RecvError::PeerDied | RecvError::Closed) => Err(Died),
        Err(error) => panic!("{error}"),
    }
}

/// A service is killed right before it commits an answer, or right behind that. How often it came to that point is counted; each answer that it committed is received, and none
/// that it did not.
#[test]
fn what_was_committed_before_a_kill_is_received_and_nothing_else() {
    const KILLS: u64 = 5;
    for (label, lost) in [("commit-before", KILLS), ("commit-after", 0)] {
        let place = Place::new();
        let path = place.file("service");
        let words = ["echo", path.to_str().unwrap()];
        let (at, each) = (at(&[label]), KILLS.to_string());
        let mut more: Vec<&str> = at.iter().map(String::as_str).collect();
        more.extend([
            "--each",
            &each,
            "--within",
            "20",
            "--restart",
            "--rest",
            "0.2",
        ]);
        let mut service = Running::start(&mut chaos(&place, "service", &more, &words));
        let mut client = Client {
            place: &place,
            service: &mut service,
        };
        let mut answered = 0;
        for number in 0..KILLS {
            let mut connection = client.connect().expect("one more death is to come");
            while ask(&mut connection, number << 32 | answered).is_ok() {
                answered += 1;
            }
        }
        assert_eq!(service.code(), 0, "{}", place.words("service"));
        let sum = sum(&place, "service");
        let label = format!("ringway.{label}");
        assert_eq!((hits(&sum, &label), &sum["kills"]), (KILLS, &KILLS.into()));
        let passed = step(&sum, &label)["passed"].as_u64().unwrap();
        assert_eq!(passed - lost, answered, "{sum}");
    }
}

/// Whatever a service is doing when it is killed, its clients hear of it, and the next one serves them.
#[test]
fn a_service_is_killed_at_every_step_and_the_next_one_serves() {
    let place = Place::new();
    let path = place.file("service");
    let labels = [
        "hello-received",
        "welcome-sent",
        "attach-received",
        "ready-sent",
        "arm",
        "commit-before",
        "commit-after",
        "release-before",
        "release-after",
        "close-before",
        "close-after",
        "bind-before",
        "listen",
        "poller-sleep",
        "poller-leave",
    ];
    let at = at(&labels);
    let mut more: Vec<&str> = at.iter().map(String::as_str).collect();
    more.extend(["--each", "2", "--restart", "--rest", "0.2", "--for", "60"]);
    let words = ["echo", path.to_str().unwrap()];
    let mut service = Running::start(&mut chaos(&place, "service", &more, &words));
    let mut client = Client {
        place: &place,
        service: &mut service,
    };
    let mut number = 0;
    while let Some(mut connection) = client.connect() {
        for _ in 0..20 {
            number += 1;
            if ask(&mut connection, number).is_err() {
                break;
            }
        }
    }
    assert_eq!(service.code(), 0, "{}", place.words("service"));
    let sum = sum(&place, "service");
    for label in labels {
        assert_eq!(hits(&sum, &format!("ringway.{label}")), 2, "{label}: {sum}");
    }
    assert_eq!(sum["kills"], 2 * labels.len());
}

/// The same for a client: the service goes on serving others.
#[test]
fn a_client_is_killed_at_every_step_and_the_service_goes_on() {
    let place = Place::new();
    let mut listening = place.command("echo", &["echo", "service"]);
    let mut service = place.listening(&mut listening);
    let labels = [
        "hello-before",
        "hello-sent",
        "welcome-received",
        "attach-sent",
        "ready-received",
        "commit-before",
        "commit-after",
        "arm",
        "park",
        "wake-before",
        "wake-after",
        "release-before",
        "release-after",
        "close-before",
        "close-after",
    ];
    let at = at(&labels);
    let mut more: Vec<&str> = at.iter().map(String::as_str).collect();
    more.extend(["--restart", "--for", "60"]);
    // With long pauses, or a busy machine is late with all of them and never sleeps in between.
    let load = [
        "load",
        "service",
        "--seconds",
        "1",
        "--rate",
        "60",
        "--capacity",
        "4K",
        "--wait-mode",
        "park",
        "--arrivals",
        "constant",
        "--sizes",
        "200",
        "--drain",
        "20",
    ];
    let mut tormented = chaos(&place, "client", &more, &load);
    assert_eq!(
        Running::start(&mut tormented).code(),
        0,
        "{}",
        place.words("client")
    );
    let sum = sum(&place, "client");
    for label in labels {
        assert_eq!(hits(&sum, &format!("ringway.{label}")), 1, "{label}: {sum}");
    }
    assert_eq!(sum["runs"], labels.len() + 1);
    let mut check = place.command(
        "check",
        &[
            "load",
            "service",
            "--seconds",
            "0.1",
            "--verify",
            "--drain",
            "20",
        ],
    );
    assert_eq!(
        Running::start(check.stdout(Stdio::null())).code(),
        0,
        "{}",
        place.words("check")
    );
    assert!(matches!(service.child.try_wait(), Ok(None)));
}
