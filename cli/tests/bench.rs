//! How `ringway bench` ends: what a script can tell from its exit code and its lines. What it measures is not looked at: a test
//! that depends on the time fails on a busy machine.

mod support;

use std::io::Read;
use std::process::Stdio;

use support::{Place, Running};

/// What it ends with, and its rows.
fn bench(place: &Place, arguments: &[&str], path: Option<&str>) -> (i32, Vec<serde_json::Value>) {
    let all = [&["bench", "--quick", "--json"], arguments].concat();
    let mut command = place.command("bench", &all);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut bench = Running::start(command.stdout(Stdio::piped()));
    let mut text = String::new();
    let mut output = bench.child.stdout.take().unwrap();
    output.read_to_string(&mut text).unwrap();
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (bench.code(), rows)
}

fn note(row: &serde_json::Value) -> &str {
    row["note"].as_str().unwrap_or_default()
}

#[test]
fn a_row_in_all_its_rounds_passes_the_check() {
    let place = Place::new();
    let (code, rows) = bench(&place, &["--check", "--rounds=1", "connect"], None);
    let [row] = &rows[..] else {
        panic!("one row was asked for: {rows:?}")
    };
    // On a slow machine the row misses its target, with a single processor it cannot be measured, and the code has to say that.
    let expected = match row["met"].as_bool() {
        Some(true) if row["rounds"] == 1 => 0,
        Some(false) => 7,
        _ => 8,
    };
    assert_eq!(code, expected, "{row}");
}

#[test]
fn a_row_that_is_not_there_is_told_beside_one_that_is() {
    let place = Place::new();
    let (code, rows) = bench(&place, &["pipe:64", "nonsense"], None);
    assert_eq!((code, rows.len()), (2, 0));
    assert!(place.words("bench").contains("no such row: \"nonsense\""));
}

#[test]
fn too_few_rounds_fail_the_check_and_nothing_else() {
    let place = Place::new();
    for (check, expected) in [(&["--check"][..], 8), (&[], 0)] {
        let arguments = [check, &["--rounds=60000", "pipe:64"]].concat();
        let (code, rows) = bench(&place, &arguments, None);
        assert_eq!(code, expected, "{rows:?}");
        assert!(rows[0]["rounds"].as_u64().unwrap() < 60_000);
        assert_ne!(note(&rows[0]), "", "the row says why");
    }
    // Without --check it says nothing, but what build it is.
    let said = place.words("bench");
    let says_more = said.lines().any(|line| !line.contains("debug build"));
    assert!(!says_more, "{said}");
    assert_eq!(said.contains("--release"), cfg!(debug_assertions), "{said}");
}

#[test]
fn instructions_are_counted_or_it_is_said_why_not() {
    let place = Place::new();
    let (code, rows) = bench(&place, &["instructions"], None);
    assert_eq!(code, 0, "{rows:?}");
    if note(&rows[0]).contains("valgrind is not installed") {
        return eprintln!("skipped: no valgrind is installed, which counts");
    }
    assert_eq!(rows[0]["unit"], "instructions");
    // A build without optimisation takes many more than the target; no machine gets by with fewer than one per word.
    for counted in ["value", "limit"] {
        let count = rows[0][counted].as_f64();
        assert!(count.is_some_and(|count| count > 8.0), "{}", rows[0]);
    }
}

#[test]
fn without_valgrind_the_row_is_missing_and_the_check_fails() {
    let place = Place::new();
    let nothing = place.file("nothing");
    let nothing = nothing.to_str().unwrap();
    let (code, rows) = bench(&place, &["instructions"], Some(nothing));
    assert_eq!(code, 0);
    assert_eq!(note(&rows[0]), "not measured: valgrind is not installed");
    assert!(rows[0]["value"].is_null() && rows[0]["met"].is_null());
    let (code, _) = bench(&place, &["--check", "instructions"], Some(nothing));
    assert_eq!(code, 8, "unmeasured is not missed");
    let words = place.words("bench");
    assert!(words.contains("0 targets missed, 1 row with"), "{words}");
}

/// What a command prints that is no JSON.
fn text(place: &Place, arguments: &[&str], path: &str) -> String {
    let mut command = place.command("text", arguments);
    let mut running = Running::start(command.env("PATH", path).stdout(Stdio::piped()));
    let mut text = String::new();
    let mut output = running.child.stdout.take().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(running.code(), 0, "{text}");
    text
}

#[test]
fn a_row_without_a_value_is_unmeasured_in_the_table() {
    let place = Place::new();
    let table = text(&place, &["bench", "--quick", "instructions"], "/nothing");
    let row = table.lines().find(|line| line.starts_with("instructions"));
    let row = row.unwrap_or_else(|| panic!("no row in {table}"));
    assert!(
        row.contains("unmeasured") && !table.contains("MISS"),
        "{table}"
    );
}

#[test]
fn the_list_says_what_each_row_measures() {
    let place = Place::new();
    let list = text(&place, &["bench", "--list"], "");
    assert!(list.lines().count() > 20, "{list}");
    for line in list.lines() {
        let (name, about) = line.split_once(' ').expect("a name and what it measures");
        let alone = [
            "codecs",
            "sweep",
            "jitter",
            "death",
            "next-client",
            "grpc",
            "bridge",
        ];
        let named = name.contains(':') || alone.contains(&name);
        assert!(named && about.trim().len() > 20, "{line}");
    }
}

#[test]
fn a_row_that_there_is_not_is_bad_usage() {
    let place = Place::new();
    assert_eq!(bench(&place, &["--check", "round-trop"], None).0, 2);
    assert!(place.words("bench").contains("--list"));
}

#[test]
fn a_reader_that_goes_away_is_no_news() {
    let place = Place::new();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    drop(reader);
    let mut command = place.command("list", &["bench", "--list"]);
    let mut list = Running::start(command.stdout(writer));
    assert_eq!(list.code(), 141);
    assert_eq!(place.words("list"), "");
}

#[test]
fn codecs_are_compared_by_themselves() {
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["bench"].iter().chain(arguments).copied().collect();
        let mut command = place.command("codecs", &arguments);
        command.stdout(Stdio::piped()).output().unwrap()
    };
    let output = run(&["codecs", "--quick", "--rounds", "1", "--json"]);
    assert!(output.status.success(), "{}", place.words("codecs"));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 8, "four formats, two messages");
    for line in &lines {
        assert!(line["size"].as_u64().unwrap() > 0, "{line}");
        // What is not encoded may cost no more than an empty frame, or less than the noise of a busy machine: nothing, and nothing is compared with it then.
        let in_place = line["name"] == "zero-copy";
        for figure in ["encode", "decode"] {
            let nanos = line[figure].as_f64().unwrap();
            assert!(nanos > 0.0 || in_place && nanos == 0.0, "{figure}: {line}");
        }
        let ratio = line["ratio"].as_f64();
        assert!(ratio.is_none_or(|ratio| ratio > 0.0), "{line}");
    }
    assert_eq!(lines[0]["name"], "zero-copy");
    assert_eq!(lines[0]["size"], 64);
    assert_eq!(run(&["codecs", "--check"]).status.code(), Some(2));
    assert_eq!(run(&["codecs", "pipe"]).status.code(), Some(2));
}

#[test]
fn calls_of_grpc_are_compared_by_each_figure() {
    let place = Place::new();
    let (code, lines) = bench(&place, &["grpc", "--rounds", "1"], None);
    assert_eq!(code, 0, "{}", place.words("bench"));
    assert_eq!(lines.len(), 4, "two sizes, one call and 64 at a time");
    for line in &lines {
        for side in ["ring", "unix"] {
            let figure = |name: &str| line[side][name].as_f64().unwrap();
            assert!(figure("p99_us") >= figure("p50_us"), "{line}");
            assert!(figure("calls_per_second") > 0.0, "{line}");
            assert!(figure("cpu_us_per_call") > 0.0, "{line}");
        }
        assert_eq!(line["times_as_good"].as_array().unwrap().len(), 4);
    }
    assert_eq!(bench(&place, &["grpc", "--ways"], None).0, 2);
}

#[test]
fn a_bridge_is_compared_with_what_it_stands_in_for() {
    let place = Place::new();
    let (code, lines) = bench(&place, &["bridge", "--rounds", "1"], None);
    assert_eq!(code, 0, "{}", place.words("bench"));
    assert_eq!(lines.len(), 6, "two kinds of work, three ways");
    for line in &lines {
        let figure = |name: &str| line[name].as_f64().unwrap();
        for name in ["us", "cpu_us", "cpu_percent", "times", "times_cpu"] {
            assert!(figure(name) > 0.0, "{name}: {line}");
        }
        if line["work"] == "round-trip" {
            assert!(figure("p99_us") >= figure("p50_us"), "{line}");
        } else {
            assert!(figure("megabytes_per_second") > 0.0, "{line}");
        }
    }
    assert_eq!(lines[0]["times"], 1.0);
    assert_eq!(bench(&place, &["bridge", "--check"], None).0, 2);
}

#[test]
fn the_sweep_has_a_point_for_each_way_of_moving_a_size() {
    let place = Place::new();
    let drawing = place.file("sweep.svg");
    let arguments = [
        "sweep:1",
        "sweep:65536",
        "--rounds",
        "1",
        "--svg",
        drawing.to_str().unwrap(),
    ];
    let (code, points) = bench(&place, &arguments, None);
    assert_eq!(code, 0, "{}", place.words("bench"));
    // Single and streamed, busy and parked, two sizes.
    assert_eq!(points.len(), 8, "{points:?}");
    for point in &points {
        assert!(point["ringway_ns"].as_f64().unwrap() > 0.0, "{point}");
        assert!(point["socket_ns"].as_f64().unwrap() > 0.0, "{point}");
    }
    let drawn = std::fs::read_to_string(drawing).unwrap();
    assert_eq!(
        drawn.matches("<path").count(),
        8,
        "four lines in each chart"
    );
    for wrong in [
        &["sweep:3"][..],
        &["sweep", "jitter"],
        &["park", "--svg", "x"],
    ] {
        assert_eq!(bench(&place, wrong, None).0, 2, "{wrong:?}");
    }
}

#[test]
fn jitter_is_told_for_each_option_and_prefaulting_saves_faults() {
    let place = Place::new();
    let drawing = place.file("jitter.svg");
    let arguments = [
        "jitter",
        "--rounds",
        "1",
        "--svg",
        drawing.to_str().unwrap(),
    ];
    let (code, variants) = bench(&place, &arguments, None);
    assert_eq!(code, 0, "{}", place.words("bench"));
    let named = |name: &str| {
        let found = variants.iter().find(|variant| variant["options"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {variants:?}"))
    };
    for name in ["none", "pin", "prefault", "lock", "numa", "fifo", "all"] {
        let variant = named(name);
        // What is not permitted here says so.
        let measured = variant["round_trip_ns"]["count"].as_u64().unwrap() > 0;
        assert_ne!(measured, variant["note"].is_string(), "{variant}");
    }
    let faults = |name: &str| named(name)["minor_faults"].as_i64().unwrap();
    assert!(faults("none") > faults("prefault"), "{variants:?}");
    let drawn = std::fs::read_to_string(drawing).unwrap();
    assert_eq!(drawn.matches("<path").count(), 14);
}

#[test]
fn deaths_are_timed_in_each_way_to_wait_beside_a_socket() {
    let place = Place::new();
    for (name, ways) in [("death", 7), ("next-client", 2)] {
        let (code, lines) = bench(&place, &[name, "--rounds", "3"], None);
        assert_eq!(code, 0, "{}", place.words("bench"));
        assert_eq!(lines.len(), ways, "{lines:?}");
        for line in &lines {
            assert_eq!((&line["name"], &line["kills"]), (&name.into(), &3.into()));
            for side in ["ringway", "by_hand"] {
                let at = |figure: &str| {
                    let found = line[side][figure].as_f64();
                    found.unwrap_or_else(|| panic!("no {figure} of {side}: {line}"))
                };
                assert!(at("p50_us") > 0.0, "{line}");
                assert!(at("p50_us") <= at("p99_us") && at("p99_us") <= at("max_us"));
                assert!(at("cpu_percent") >= 0.0, "{line}");
            }
            // Whether it is met depends on who else runs here.
            let p99 = line["ringway"]["p99_us"].as_f64().unwrap();
            let met = line["target_p99_us"].as_f64().map(|most| p99 <= most);
            assert_eq!(line["met"].as_bool(), met, "{line}");
            let by_aio = line["way"] == "recv, peer rang AIO";
            assert_eq!(met.is_none(), by_aio, "only that is not promised: {line}");
        }
    }
    for wrong in [
        &["death", "--ways"][..],
        &["death", "next-client"],
        &["next-client", "--svg", "x"],
    ] {
        assert_eq!(bench(&place, wrong, None).0, 2, "{wrong:?}");
    }
}
