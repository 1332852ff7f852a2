//! `ringway chaos`: what it reports is what happened, and nothing is left behind, however it ends.
//!
//! No test asks how long anything took: the machine may be busy.

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Place, Running, until};

/// A torment: `more` options, and a script for `bash`.
fn command(place: &Place, more: &[&str], script: &str) -> Command {
    let report = place.file("report");
    let fixed = ["chaos", "--json", "--output", report.to_str().unwrap()];
    let last = ["--", "bash", "-c", script];
    let arguments = [&fixed[..], more, &last].concat();
    let mut command = place.command("chaos", &arguments);
    command.env("PLACE", place.file("."));
    command
}

/// Runs it to its end: its code, and what it reported.
fn chaos(place: &Place, more: &[&str], script: &str) -> (i32, Vec<Value>) {
    let code = Running::start(&mut command(place, more, script)).code();
    (code, report(place))
}

fn report(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.file("report")).unwrap_or_default();
    let lines = text.lines();
    // The last one may be half written.
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn of(report: &[Value], event: &str) -> Vec<Value> {
    let events = report.iter().filter(|line| line["event"] == event);
    events.cloned().collect()
}

fn sum(report: &[Value]) -> Value {
    of(report, "report").pop().expect("a sum at the end")
}

/// Whether a process is there that is no zombie.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// What the scripts use: a step by hand, in the two lines that the documentation has.
const STEP: &str = r#"step() { printf %s "$1" >&"${RINGWAY_CHAOS%%:*}"; read -r -N 1 -u "${RINGWAY_CHAOS%%:*}"; }; "#;

#[test]
fn the_report_tells_what_happened_to_a_command_that_ends_well() {
    let place = Place::new();
    let script = "until [ -e $PLACE/end ]; do sleep 0.01; done";
    let ask = [
        "--mean",
        "0.02",
        "--stop-for",
        "0.01",
        "--faults",
        "stop",
        "--count",
        "3",
    ];
    let mut running = Running::start(&mut command(&place, &ask, script));
    until("three faults", || of(&report(&place), "fault").len() == 3);
    fs::write(place.file("end"), "").unwrap();
    assert_eq!(running.code(), 0, "{}", place.words("chaos"));
    let report = report(&place);
    let order: Vec<_> = report
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        ["start", "run", "fault", "fault", "fault", "end", "report"]
    );
    let end = &of(&report, "end")[0];
    assert_eq!((&end["code"], &end["by_us"]), (&0.into(), &false.into()));
    let sum = sum(&report);
    assert_eq!(sum["verdict"], "ended");
    assert_eq!(
        (&sum["stops"], &sum["kills"], &sum["runs"]),
        (&3.into(), &0.into(), &1.into())
    );
}

#[test]
fn the_same_seed_draws_the_same_faults() {
    let faults = |seed: &str| -> Vec<Value> {
        let place = Place::new();
        let ask = [
            "--seed",
            seed,
            "--mean",
            "0.02",
            "--stop-for",
            "0.01-0.02",
            "--slow-for",
            "0.01-0.03",
            "--count",
            "12",
            "--restart",
            "--rest",
            "0",
            "--grace",
            "5",
        ];
        let (code, report) = chaos(&place, &ask, "exec sleep 60");
        assert_eq!(code, 0, "{}", place.words("chaos"));
        assert_eq!(report[0]["seed"].to_string(), seed);
        let sum = sum(&report);
        let kills = of(&report, "fault")
            .iter()
            .filter(|fault| fault["fault"] == "kill")
            .count();
        assert_eq!(sum["kills"], kills);
        assert_eq!(
            sum["runs"],
            kills + 1,
            "each kill starts it again: {report:?}"
        );
        let kept = ["fault", "planned_seconds", "lasts_seconds"];
        let faults = of(&report, "fault").into_iter();
        faults
            .map(|fault| kept.map(|key| fault[key].clone()).into())
            .collect()
    };
    let first = faults("3");
    assert_eq!(first.len(), 12);
    assert_eq!(first, faults("3"));
    assert_ne!(first, faults("4"));
}

/// For how many seconds a command runs that has something to do first: longer where it had no processor for that.
const TIMES: [&str; 3] = ["2", "8", "30"];

#[test]
fn who_ends_the_command_decides_the_code() {
    let place = Place::new();
    let peaceful = ["--mean", "1000"];
    let told = |more: &[&str], script| {
        let (code, report) = chaos(&place, &[&peaceful, more].concat(), script);
        (code, sum(&report)["verdict"].as_str().unwrap().to_owned())
    };
    assert_eq!(told(&[], "exit 3"), (12, "failed".into()));
    assert_eq!(
        told(&["--restart"], "kill -9 $$"),
        (12, "failed".into()),
        "not our kill"
    );
    assert_eq!(told(&[], "exit 0"), (0, "ended".into()));
    // Told to end, it may do what it has to, once it has come to say so: the time runs from the beginning of all.
    let script = "trap 'echo > $PLACE/ended; exit 9' TERM; while :; do sleep 0.01; done";
    let has_ended = TIMES.iter().any(|time| {
        let ended = told(&["--for", time, "--grace", "20"], script);
        assert_eq!(ended, (0, "over".into()));
        place.file("ended").exists()
    });
    assert!(has_ended);
    let deaf = "trap '' TERM; while :; do sleep 0.01; done";
    assert_eq!(
        told(&["--for", "0.1", "--grace", "0.1"], deaf),
        (0, "over".into())
    );
    let (code, report) = chaos(&place, &["--mean", "0.01", "--faults", "kill"], "sleep 60");
    assert_eq!((code, &sum(&report)["verdict"]), (0, &"killed".into()));
}

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
    // Nobody reads what it says.
    let arguments = [
        "chaos",
        "--mean",
        "0.05",
        "--restart",
        "--",
        "bash",
        "-c",
        &script,
    ];
    let mut command = place.command("unread", &arguments);
    command.env("PLACE", place.file(".")).stderr(Stdio::piped());
    let mut running = Running::start(&mut command);
    drop(running.child.stderr.take());
    assert_eq!(running.code(), 141);
    let pids = traces(&place);
    assert!(!pids.iter().any(|pid| lives(pid)), "{pids:?}");
}

#[test]
fn each_label_is_hit_so_often_and_the_report_counts_them() {
    let place = Place::new();
    let script = format!("{STEP} while :; do step one; step two; step other; done");
    let ask = [
        "--at",
        "one=kill",
        "--at",
        "t*=stop",
        "--each",
        "3",
        "--within",
        "4",
        "--stop-for",
        "0.01",
        "--restart",
        "--rest",
        "0.05",
    ];
    let (code, report) = chaos(&place, &ask, &script);
    assert_eq!(code, 0, "{}", place.words("chaos"));
    let hits = |label: &str, fault: &str| {
        let faults = of(&report, "fault");
        let hits = faults
            .iter()
            .filter(|line| line["label"] == label && line["fault"] == fault);
        hits.count()
    };
    assert_eq!((hits("one", "kill"), hits("two", "stop")), (3, 3));
    assert_eq!(of(&report, "fault").len(), 6);
    let sum = sum(&report);
    assert_eq!(
        (&sum["kills"], &sum["runs"], &sum["stops"]),
        (&3.into(), &4.into(), &3.into())
    );
    let labels = sum["labels"].as_array().unwrap();
    let counts: Vec<_> = labels
        .iter()
        .map(|step| {
            (
                step["label"].as_str().unwrap(),
                step["hit"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [("one", 3), ("other", 0), ("two", 3)]);
    assert!(
        labels.iter().all(|step| step["passed"].as_u64() > Some(2)),
        "{labels:?}"
    );
    // Every label that is seen, and one that never is.
    let once = format!("{STEP} step one; step two");
    let stop = ["--faults", "stop", "--stop-for", "0.01"];
    let (code, report) = chaos(&place, &[&stop[..], &["--each", "1"]].concat(), &once);
    assert_eq!((code, of(&report, "fault").len()), (0, 2), "{report:?}");
    let (code, report) = chaos(&place, &[&stop[..], &["--at", "three"]].concat(), &once);
    assert_eq!(
        (code, &report.last().unwrap()["unmet"][0]),
        (13, &"three".into())
    );
    assert!(
        place
            .words("chaos")
            .contains("not hit as often as asked: three")
    );
}

#[test]
fn faults_at_random_times_wait_for_the_label_that_they_begin_at() {
    let place = Place::new();
    // Long enough for hundreds of them before the label, if they began with the command.
    let script = format!("{STEP} sleep 0.5; step ready; echo > $PLACE/came; exec sleep 60");
    let ask = ["--faults", "kill", "--mean", "0.001", "--from", "ready"];
    let (code, report) = chaos(&place, &ask, &script);
    assert_eq!(code, 0, "{}", place.words("chaos"));
    assert_eq!(sum(&report)["labels"][0]["passed"], 1, "{report:?}");
    let fault = &of(&report, "fault")[0];
    let times = ["planned_seconds", "seconds"].map(|time| fault[time].as_f64().unwrap());
    assert!(times.iter().all(|time| *time >= 0.5), "{fault}");
    // A command that never comes to it was not tormented, which is told.
    let (code, report) = chaos(&place, &ask, "true");
    let sum = sum(&report);
    assert_eq!((code, &sum["unmet"][0]), (13, &"ready".into()));
    assert!(place.words("chaos").contains("as asked: ready"));
}

#[test]
fn python_and_c_may_name_steps_by_hand() {
    let place = Place::new();
    let python = "import os\nfd = int(os.environ['RINGWAY_CHAOS'].split(':')[0])\nos.write(fd, b'here'); os.read(fd, 1)\n";
    let found = Command::new("python3")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no python3");
        return;
    }
    let script = format!("exec python3 -c \"{python}\"");
    let (code, report) = chaos(&place, &["--at", "here=kill", "--restart"], &script);
    assert_eq!(code, 0, "{}", place.words("chaos"));
    assert_eq!(
        (&sum(&report)["runs"], &sum(&report)["kills"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let place = Place::new();
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 2, "COMMAND"),
        (
            &["--faults", "maim", "--", "true"],
            2,
            "possible values: kill, stop, slow",
        ),
        (&["--mean", "0", "--", "true"], 2, "seconds, from 0.001 on"),
        (
            &["--stop-for", "2-1", "--", "true"],
            2,
            "the smaller number comes first",
        ),
        (
            &["--at", "a=maim", "--", "true"],
            2,
            "LABEL=kill, LABEL=stop or LABEL=slow",
        ),
        (&["--slow-share", "1", "--", "true"], 2, "from 0.01 to 0.99"),
        (&["--count", "0", "--", "true"], 2, "--count"),
        (
            &["--from", "a", "--at", "b", "--", "true"],
            2,
            "give --mean too",
        ),
        (
            &["--", "no/such/program"],
            1,
            "no/such/program cannot be started",
        ),
        (
            &["--output", "/no/such/file", "--", "true"],
            1,
            "/no/such/file",
        ),
    ];
    for (arguments, code, words) in cases {
        let arguments = [&["chaos"], *arguments].concat();
        let mut command = place.command("refused", &arguments);
        assert_eq!(Running::start(&mut command).code(), *code, "{arguments:?}");
        let said = place.words("refused");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// What a receiver wrote is what was committed to it, whatever is done to it or to the sender in between: whole where both live on, and a beginning where the sender is killed.
#[test]
fn a_tormented_copy_loses_nothing_that_was_committed() {
    let place = Place::new();
    let bytes = support::noise(3_000_000, 9);
    fs::write(place.file("in"), &bytes).unwrap();
    let ringway = env!("CARGO_BIN_EXE_ringway");
    let slow =
        "--faults stop,slow --mean 0.03 --stop-for 0.02-0.05 --slow-for 0.05 --count 6 --seed 5";
    let script = format!(
        "cd $PLACE; {ringway} chaos {slow} -o receiver -- {ringway} recv copy > out & \
         {ringway} chaos {slow} -o sender -- {ringway} send copy --capacity 4K < in && wait $!"
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("PLACE", place.file("."));
    command.env("RINGWAY_DIR", place.file("."));
    assert_eq!(Running::start(&mut command).code(), 0);
    assert!(fs::read(place.file("out")).unwrap() == bytes, "the copy");
    // Killed when the receiver has something of it: what that has is a beginning, and it says so.
    let step = STEP;
    let script = format!(
        "cd $PLACE; : > out; {ringway} recv copy > out & \
         {ringway} chaos --at here=kill -o sender -- bash -c '{step} (cat in; sleep 60) | {ringway} send copy & \
         until [ -s out ]; do sleep 0.01; done; step here; sleep 60' ; wait $!"
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("PLACE", place.file("."));
    command
        .env("RINGWAY_DIR", place.file("."))
        .stderr(Stdio::null());
    assert_eq!(Running::start(&mut command).code(), 3, "the peer died");
    let out = fs::read(place.file("out")).unwrap();
    assert!(!out.is_empty() && bytes.starts_with(&out), "a beginning");
}
