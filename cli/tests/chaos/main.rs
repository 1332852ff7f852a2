//! `ringway chaos`: what it reports is what happened.
//!
//! No test asks how long anything took: the machine may be busy.

mod ends;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::process::{Command, Stdio};

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

/// Each of them is hit, however long the one before it was the only one; and what the command comes to as it ends is not asked for.
#[test]
fn a_pattern_means_all_labels_that_come() {
    let place = Place::new();
    let steps = "step orders.a; step orders.a; sleep 0.3; step orders.b; step other";
    let script =
        format!("trap 'step orders.end; exit' TERM; {STEP}{steps}; while :; do sleep 0.01; done");
    let ask = [
        "--at",
        "orders.*=stop",
        "--stop-for",
        "0",
        "--rest",
        "2",
        "--grace",
        "60",
    ];
    let (code, report) = chaos(&place, &ask, &script);
    let found = sum(&report);
    assert_eq!(code, 0, "{found}");
    let labels = found["labels"].as_array().unwrap();
    let hits = labels
        .iter()
        .map(|one| (one["label"].as_str().unwrap(), one["hit"].as_u64().unwrap()));
    let hits: Vec<_> = hits.collect();
    let expected = [
        ("orders.a", 1),
        ("orders.b", 1),
        ("orders.end", 0),
        ("other", 0),
    ];
    assert_eq!(hits, expected);
    assert_eq!(found["unmet"], Value::Array(Vec::new()));
}

/// Who ignores the ends of children hands that on: the kernel would tell of none, and give their numbers away.
#[test]
fn an_end_is_seen_where_whoever_started_it_ignores_ends() {
    let place = Place::new();
    let report = place.file("report");
    let words = [
        "chaos",
        "--json",
        "--output",
        report.to_str().unwrap(),
        "--mean",
        "1000",
        "--",
        "sh",
        "-c",
        "exit 3",
    ];
    let ignores = "trap '' CHLD; exec \"$@\"";
    let mut command = place.in_shell("chaos", ignores, &words);
    let code = Running::start(&mut command).code();
    let found = self::report(&place);
    assert_eq!(sum(&found)["verdict"], "failed", "{}", place.words("chaos"));
    assert_eq!(of(&found, "end")[0]["code"], 3);
    assert_ne!(code, 0);
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
