//! Nothing is left behind, however it ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Place, Running, until};
use crate::{STEP, TIMES, chaos, command, lives, of, report, sum};

/// Starts what leaves traces: a child in the group, one that has left it, and its own number.
const FAMILY: &str = "sleep 60 & echo $! > $PLACE/child; setsid sleep 60 & echo $! > $PLACE/stranger; echo $$ > $PLACE/self; ";

const TRACES: [&str; 3] = ["child", "stranger", "self"];

/// The numbers of those that have started, as far as they are told.
fn traces(place: &Place) -> Vec<String> {
    let told = TRACES.map(|name| fs::read_to_string(place.file(name)).unwrap_or_default());
    told.into_iter().filter(|pid| pid.ends_with('\n')).collect()
}

fn family(place: &Place) -> Vec<String> {
    until("all have started", || traces(place).len() == TRACES.len());
    traces(place)
}

#[test]
fn nothing_is_left_behind_by_one_that_is_interrupted() {
    // While it is stopped, and while it stands at a step.
    let at_step = format!("{FAMILY}{STEP} while :; do step here; done");
    let stopped: &[&str] = &["--mean", "0.01", "--faults", "stop", "--stop-for", "1000"];
    let asked: &[&str] = &["--at", "here=stop", "--within", "30", "--stop-for", "1000"];
    let plain = format!("{FAMILY} while :; do sleep 0.01; done");
    let cases = [
        (Signal::SIGTERM, stopped, &plain),
        (Signal::SIGINT, asked, &at_step),
    ];
    for (signal, ask, script) in cases {
        let place = Place::new();
        let mut running = Running::start(&mut command(&place, ask, script));
        until("it is stopped", || !of(&report(&place), "fault").is_empty());
        // A stop may have come before it had started them all.
        let pids: Vec<String> = if signal == Signal::SIGINT {
            family(&place)
        } else {
            vec![of(&report(&place), "run")[0]["pid"].to_string()]
        };
        assert!(pids.iter().all(|pid| lives(pid)), "{pids:?}");
        kill(
            Pid::from_raw(running.child.id().try_into().unwrap()),
            signal,
        )
        .unwrap();
        assert_eq!(running.end().signal(), Some(signal as i32));
        assert!(!pids.iter().any(|pid| lives(pid)), "{signal}: {pids:?}");
        let sum = sum(&report(&place));
        assert_eq!(
            (&sum["verdict"], &sum["stops"]),
            (&"interrupted".into(), &1.into())
        );
    }
}

/// A shell may have started something before it became `ringway chaos`, which has it as a child then.
#[test]
fn what_was_there_before_is_left_alone() {
    let place = Place::new();
    let arguments = ["chaos", "--mean", "1000", "--", "true"];
    let script = r#"sleep 1000 & echo $! > "$PLACE/before"; exec "$@""#;
    let mut command = place.in_shell("shell", script, &arguments);
    command.env("PLACE", place.file("."));
    assert_eq!(Running::start(&mut command).code(), 0);
    let before = fs::read_to_string(place.file("before")).unwrap();
    assert!(lives(&before));
    let pid = Pid::from_raw(before.trim().parse().unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
}

/// Whoever loses its parent becomes our child, and whoever started it may wait for its number to be gone.
#[test]
fn an_orphan_that_has_ended_is_gone() {
    let orphan = "$(sleep 0.01 > /dev/null & echo $!)";
    let script = format!("orphan={orphan}; while kill -0 $orphan; do sleep 0.01; done");
    let (code, report) = chaos(&Place::new(), &["--mean", "1000"], &script);
    assert_eq!((code, &sum(&report)["verdict"]), (0, &"ended".into()));
}

/// As of `sudo`: what is not done is not reported, and nobody waits for it.
#[test]
fn a_command_that_may_not_be_signalled_is_told_and_left() {
    let place = Place::new();
    let ask = "chaos --json --mean 0.01 --faults stop --stop-for 0 --output";
    let report_to = place.file("report");
    let mut arguments: Vec<_> = ask.split(' ').collect();
    arguments.extend([report_to.to_str().unwrap(), "--"]);
    let stranger = "setpriv --reuid 65534 --clear-groups";
    arguments.extend(stranger.split(' ').chain(["sleep", "60"]));
    let weak = "setpriv --bounding-set -kill";
    let script = format!(r#"{weak} {stranger} true || exit 77; exec {weak} "$@""#);
    let code = Running::start(&mut place.in_shell("chaos", &script, &arguments)).code();
    if code == 77 {
        return eprintln!("skipped: it takes root, and setpriv");
    }
    let pid = of(&report(&place), "run")[0]["pid"].as_i64().unwrap();
    let left = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
    let words = fs::read_to_string(place.file("chaos.txt")).unwrap();
    assert!(words.contains("cannot be signalled"), "{words}");
    assert_eq!((code, left), (1, Ok(())));
}

#[test]
fn nothing_is_left_behind_when_the_time_is_up_or_the_report_cannot_be_written() {
    let place = Place::new();
    let script = format!("{FAMILY} while :; do sleep 0.01; done");
    let has_started = TIMES.iter().any(|time| {
        let mut command = command(&place, &["--mean", "1000", "--for", time], &script);
        assert_eq!(Running::start(&mut command).code(), 0);
        let pids = traces(&place);
        assert!(!pids.iter().any(|pid| lives(pid)), "{pids:?}");
        pids.len() == TRACES.len()
    });
    assert!(has_started, "the time was up before all had started");
    // Nobody reads what it says, since all of them have started.
    let place = Place::new();
    let arguments = [
        "chaos", "--mean", "0.2", "--faults", "slow", "--", "bash", "-c", &script,
    ];
    let mut command = place.command("unread", &arguments);
    command.env("PLACE", place.file(".")).stderr(Stdio::piped());
    let mut running = Running::start(&mut command);
    let pids = family(&place);
    assert!(pids.iter().all(|pid| lives(pid)), "{pids:?}");
    drop(running.child.stderr.take());
    assert_eq!(running.code(), 141);
    assert!(!pids.iter().any(|pid| lives(pid)), "{pids:?}");
}

/// A command that is told to end, says so, and does not.
const DEAF: &str = "trap 'echo >> $PLACE/told' TERM; step ready; echo > $PLACE/ready; while :; do sleep 0.01; done";

#[test]
fn whoever_interrupts_while_it_ends_does_not_wait_for_it() {
    let told_first: &[&str] = &["--mean", "1000"];
    let by_itself: &[&str] = &["--at", "ready=slow", "--slow-for", "0", "--rest", "0"];
    for (ask, before) in [(told_first, true), (by_itself, false)] {
        let place = Place::new();
        let ask = [ask, &["--grace", "100000"]].concat();
        let script = format!("{STEP}{DEAF}");
        let mut running = Running::start(&mut command(&place, &ask, &script));
        let us = Pid::from_raw(running.child.id().try_into().unwrap());
        if before {
            until("it has begun", || place.file("ready").exists());
            kill(us, Signal::SIGINT).unwrap();
        }
        until("it is told to end", || place.file("told").exists());
        kill(us, Signal::SIGTERM).unwrap();
        let first = if before {
            Signal::SIGINT
        } else {
            Signal::SIGTERM
        };
        assert_eq!(running.end().signal(), Some(first as i32));
        let report = report(&place);
        assert_eq!(sum(&report)["verdict"], "interrupted");
        assert!(!lives(&of(&report, "run")[0]["pid"].to_string()));
    }
}
