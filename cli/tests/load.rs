//! `ringway load` against `ringway echo`: that every request is accounted for. How long one took, no test asks.

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ringway::Config;
use serde_json::Value;
use support::{Place, Running};

/// A service, once it listens.
fn echo(place: &Place, more: &[&str]) -> Running {
    let arguments = [&["echo", "service"], more].concat();
    place.listening(&mut place.command("echo", &arguments))
}

/// Runs a load to its end: its code and what it reported.
fn load(place: &Place, more: &[&str]) -> (i32, Value) {
    let arguments = [&["load", "service", "--json"], more].concat();
    let mut command = place.command("load", &arguments);
    let output = command.stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", place.words("load")));
    (output.status.code().unwrap(), report)
}

fn number(report: &Value, name: &str) -> u64 {
    report[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {report}"))
}

fn errors(report: &Value) -> u64 {
    let errors = report["errors"].as_object().unwrap();
    errors.values().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn every_request_of_many_clients_is_answered() {
    let place = Place::new();
    let _service = echo(&place, &[]);
    let ask = [
        "--seconds",
        "1",
        "--rate",
        "3000",
        "--clients",
        "20",
        "--arrivals",
        "constant",
        "--sizes",
        "uniform:0-2000",
        "--verify",
        "--drain",
        "20",
    ];
    let (code, report) = load(&place, &ask);
    assert_eq!(code, 0, "{}", place.words("load"));
    assert_eq!(number(&report, "due"), 3000, "{report}");
    assert_eq!(number(&report, "answered"), 3000, "{report}");
    assert_eq!(
        (number(&report, "failed"), errors(&report)),
        (0, 0),
        "{report}"
    );
    // From when it was due is never less than from when it was sent.
    let at = |what: &str, name: &str| report[what][name].as_u64().unwrap();
    for name in ["p50", "p99", "max"] {
        assert!(at("latency_ns", name) >= at("service_ns", name), "{report}");
    }
    assert!(at("service_ns", "p50") > 0, "{report}");
}

#[test]
fn whoever_is_killed_or_stopped_loses_what_was_theirs_and_nothing_else() {
    let place = Place::new();
    let _service = echo(&place, &[]);
    // Once in fifty million times there is none of a kind, but for a load that is stalled until its clients are done: then it lasts longer.
    for seconds in ["1.5", "5", "20"] {
        if killed_and_stopped(&place, seconds) {
            return;
        }
    }
    panic!("nobody was killed, or nobody stopped");
}

/// What is so however many are killed and stopped in a load of so many seconds. Returns whether there was one of each.
fn killed_and_stopped(place: &Place, seconds: &str) -> bool {
    let ask = [
        "--seconds",
        seconds,
        "--rate",
        "1000",
        "--clients",
        "3",
        "--faults",
        "kill=12,stop=12",
        "--stop-for",
        "0.05",
        "--verify",
        "--drain",
        "20",
    ];
    let (code, report) = load(place, &ask);
    assert_eq!(code, 0, "{report} {}", place.words("load"));
    let killed = report["errors"]["killed"].as_u64().unwrap();
    assert_eq!(
        number(&report, "due"),
        number(&report, "answered") + killed,
        "{report}"
    );
    assert_eq!(errors(&report), killed, "{report}");
    number(&report, "kills") > 0 && number(&report, "stops") > 0
}

#[test]
fn a_recording_is_replayed_to_its_end() {
    let place = Place::new();
    let _service = echo(&place, &[]);
    let recording = place.file("recording");
    fs::write(
        &recording,
        "# seconds and bytes\n0 100\n0.05 200\n0.1\n\n0.1 400\n",
    )
    .unwrap();
    let ask = [
        "--replay",
        recording.to_str().unwrap(),
        "--clients",
        "3",
        "--drain",
        "20",
    ];
    let (code, report) = load(&place, &ask);
    assert_eq!((code, number(&report, "answered")), (0, 4), "{report}");
    fs::write(&recording, "0.2\n0.1\n").unwrap();
    let mut refused = place.command(
        "refused",
        &["load", "service", "--replay", recording.to_str().unwrap()],
    );
    assert_eq!(Running::start(&mut refused).code(), 1);
    assert!(place.words("refused").contains("line 2: times go back"));
}

/// Asks a service for so many seconds, in the midst of which it is killed: how the load ended and what it reported. Nothing, if the kill came so late that no request may have been left.
fn killed_within(seconds: u8) -> Option<(Option<i32>, Value)> {
    let place = Place::new();
    let mut service = echo(&place, &[]);
    let lasts = seconds.to_string();
    let ask = [
        "load",
        "service",
        "--json",
        "--seconds",
        &lasts,
        "--rate",
        "500",
        "--drain",
        "0.5",
    ];
    // The load's own clock starts later.
    let began = Instant::now();
    let mut load = Running::start(place.command("load", &ask).stdout(Stdio::piped()));
    // While it is being asked, however late the load has started on a busy machine; or behind its end, where nobody had a processor to look before.
    let path = place.file("service");
    support::until("the service has answered", || {
        let connections = Config::new()
            .observe(path.as_path())
            .and_then(|observed| observed.connections());
        connections.is_ok_and(|all| all.iter().any(|one| one.receives.frames > 0))
            || matches!(load.child.try_wait(), Ok(Some(_)))
    });
    service.child.kill().unwrap();
    let in_time =
        began.elapsed() + Duration::from_millis(500) < Duration::from_secs(seconds.into());
    let mut text = String::new();
    let mut output = load.child.stdout.take().unwrap();
    output.read_to_string(&mut text).unwrap();
    let code = load.end().code();
    in_time.then(|| (code, serde_json::from_str(&text).unwrap()))
}

#[test]
fn a_service_that_goes_away_fails_what_it_owed() {
    let (code, report) = [2, 4, 8, 16]
        .into_iter()
        .find_map(killed_within)
        .expect("a kill in the midst of a load");
    assert_eq!(code, Some(11), "{report}");
    assert_eq!(
        number(&report, "due"),
        number(&report, "answered") + errors(&report),
        "nothing is lost: {report}"
    );
    assert!(
        report["errors"]["not_connected"].as_u64().unwrap() > 0,
        "{report}"
    );
}

#[test]
fn longer_requests_than_the_ring_takes_fail_alone() {
    let place = Place::new();
    let _service = echo(&place, &[]);
    let sizes = place.file("sizes");
    fs::write(&sizes, "10\n100000\n").unwrap();
    let from = format!("file:{}", sizes.display());
    let ask = [
        "--seconds",
        "0.5",
        "--rate",
        "400",
        "--capacity",
        "64K",
        "--sizes",
        &from,
        "--drain",
        "20",
    ];
    let (code, report) = load(&place, &ask);
    let long = report["errors"]["too_large"].as_u64().unwrap();
    assert_eq!(code, 11, "{report}");
    assert!(long > 0 && number(&report, "answered") > 0, "{report}");
    assert_eq!(
        number(&report, "due"),
        number(&report, "answered") + long,
        "{report}"
    );
}

#[test]
fn nobody_there_is_told_and_an_echo_ends_with_its_clients() {
    let place = Place::new();
    let mut nobody = place.command("nobody", &["load", "service", "--wait", "0"]);
    assert_eq!(Running::start(&mut nobody).code(), 5);
    // The load itself looks once before its clients come.
    let mut service = echo(&place, &["--clients", "3"]);
    let (code, _) = load(
        &place,
        &["--seconds", "0.1", "--clients", "2", "--drain", "20"],
    );
    assert_eq!((code, service.code(), place.sockets()), (0, 0, 0));
}

/// It says so at once, and asks nothing: not when an hour of a load that is no load of so many is over.
#[test]
fn who_cannot_start_all_clients_starts_none() {
    let place = Place::new();
    let _service = echo(&place, &[]);
    let words = [
        "load",
        "service",
        "--clients",
        "4000",
        "--seconds",
        "3600",
        "--wait",
        "20",
    ];
    // Each has a stack of its own.
    let few = "ulimit -v 500000; exec \"$@\"";
    let mut load = Running::start(&mut place.in_shell("load", few, &words));
    assert_eq!(load.code(), 1);
    let words = place.words("load");
    assert!(words.contains("no thread for a client"), "{words}");
}

#[test]
fn an_interrupted_echo_gives_its_name_back() {
    let place = Place::new();
    let mut service = echo(&place, &[]);
    let pid = i32::try_from(service.child.id()).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(service.end().signal(), Some(15));
    assert_eq!(place.sockets(), 0);
}
