//! `ringway list`, `ringway inspect` and `ringway ping`, of a listener in this process.

mod support;

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::schema::{Field, Record, Schema, Shared, Type};
use ringway::{Config, Connection, Counters};
use serde_json::{Value, json};
use support::{Place, Running, config, until};

fn text(text: &str) -> Shared<str> {
    text.to_owned().into()
}

fn quotes() -> Schema {
    let field = |name: &str, ty: Type, offset: u32| Field {
        name: text(name),
        doc: text(""),
        ty,
        offset,
        size: 8,
        align: 8,
        since: 1,
        deprecated: text(""),
        default: Vec::new().into(),
    };
    let record = Record {
        kind: 0,
        name: text("Quote"),
        doc: text(""),
        size: 16,
        align: 8,
        fields: vec![
            Field {
                deprecated: text("use the place,\nnot the id"),
                ..field("id", Type::Unsigned(8), 0)
            },
            field("price", Type::Float(8), 8),
        ]
        .into(),
        tail: None,
    };
    Schema {
        records: vec![record].into(),
    }
}

/// How long whoever listens may take to answer: it may have no processor for longer than is usually waited.
const PATIENT: &str = "--wait=20";

/// What `run` finds while a listener called `name` has one client that has sent three quotes.
fn while_somebody_listens(place: &Place, name: &str, run: impl FnOnce()) {
    let server = config().expects(quotes());
    let path = place.file(name);
    let mut listener = server.bind(path.as_path()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connections: Vec<Connection> = Vec::new();
            while !over.load(Ordering::Relaxed) {
                connections.extend(listener.try_accept().unwrap());
                for connection in &mut connections {
                    while connection.receiver().try_recv().is_ok() {}
                    // What it has read is told where it goes to rest.
                    let _ = connection.receiver().arm();
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut client = config().sends(quotes()).connect(path.as_path()).unwrap();
        for _ in 0..3 {
            client.sender().send(&[0; 16]).unwrap();
        }
        for _ in 0..1234 {
            let late = client.sender().send_expiring(&[0; 16], Instant::now());
            late.expect_err("it has expired");
        }
        // What it has sent is told where it goes to rest.
        client.sender().arm(16).unwrap();
        // Until the listener has read them and told so, which takes it a while where others have the processors.
        let name = std::fs::canonicalize(&path).unwrap();
        support::until("the quotes are told to be received", || {
            let told = Counters::own().and_then(|own| own.connections()).unwrap();
            told.iter()
                .any(|one| one.name == name.to_str().unwrap() && one.receives.frames == 3)
        });
        // Ends the listener's thread even if `run` panics.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

fn printed(place: &Place, arguments: &[&str]) -> (i32, String) {
    let mut command = place.command("list", arguments);
    let output = command.stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn who_listens_is_listed_with_messages_and_frames() {
    let place = Place::new();
    // Somebody was killed.
    drop(std::os::unix::net::UnixListener::bind(place.file("gone")).unwrap());
    while_somebody_listens(&place, "feed", || {
        let listed = |wait| {
            let (code, text) = printed(&place, &["list", "--wait", wait]);
            assert_eq!(code, 0, "{}", place.words("list"));
            text
        };
        let text = listed("20");
        let line = text.lines().find(|line| line.starts_with("feed")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let process = std::process::id().to_string();
        // Both ends of the connection live in this process.
        assert_eq!(
            words,
            ["feed", &process, "2", "1", "3", "3", "Quote", "/", "bytes"]
        );
        // Somebody does not answer, for whom it is not to wait as long as for the other.
        let _silent = Config::new().bind(place.file("silent")).unwrap();
        let text = listed("0.5");
        let silent = text
            .lines()
            .find(|line| line.starts_with("silent"))
            .unwrap();
        assert!(silent.contains("in time"), "{silent}");
    });
}

#[test]
fn one_listener_is_shown_with_fields_and_counters() {
    let place = Place::new();
    while_somebody_listens(&place, "quotes", || {
        let (code, text) = printed(&place, &["inspect", "quotes", PATIENT]);
        assert_eq!(code, 0, "{}", place.words("list"));
        assert!(
            text.starts_with("codec 0, as messages lie in memory\n"),
            "{text}"
        );
        assert!(
            text.contains("receives Quote") && text.contains("    8  price: f64"),
            "{text}"
        );
        assert!(text.contains("2 connections"), "{text}");
        let marked = "deprecated: use the place, not the id";
        let row = text.lines().find(|line| line.contains("id: u64"));
        assert!(row.is_some_and(|row| row.ends_with(marked)), "{text}");
        assert_eq!(
            place.words("list").trim_end(),
            "ringway inspect: field `id` of `Quote` is deprecated: use the place, not the id"
        );
        let row = text
            .lines()
            .find(|line| line.contains("receives ") && line.contains(" 72 "));
        assert!(
            row.is_some_and(|row| row.contains(" 3 ")),
            "three frames of 24 bytes: {text}"
        );
        let head = text.lines().find(|line| line.contains("high water"));
        let at = head.and_then(|head| head.find("expired")).unwrap();
        let row = text.lines().find(|line| line.contains("1234"));
        let column = row.unwrap().get(at - 1..at + 7).unwrap();
        assert_eq!(column.trim(), "1234", "{text}");
    });
    let (code, _) = printed(&place, &["inspect", "quotes"]);
    assert_eq!(code, 5);
    assert!(place.words("list").contains("nobody listens"));
}

/// The number of lanes, and what each of them carries.
#[test]
fn lanes_are_shown_by_their_priorities() {
    let place = Place::new();
    let config = config().lanes(2);
    let path = place.file("lanes");
    let mut listener = config.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let soon = Instant::now() + Duration::from_secs(20);
        let mut server = listener.accept_deadline(soon).unwrap();
        let mut client = client.join().unwrap();
        client.sender().send(&[0; 16]).unwrap();
        for _ in 0..3 {
            let mut at = client.sender().at(1).unwrap();
            at.send(&[0; 16]).unwrap();
        }
        while server.receiver().try_recv().is_ok() {}
        // Both tell what they have counted where they go to rest.
        client.sender().arm(16).unwrap();
        server.receiver().arm().unwrap();
        let _attendant = listener.attend().unwrap();
        let (code, text) = printed(&place, &["list", "--wait", "20"]);
        assert_eq!(code, 0, "{}", place.words("list"));
        let line = text
            .lines()
            .find(|line| line.starts_with("lanes "))
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().skip(2).take(4).collect();
        assert_eq!(words, ["2", "2", "4", "4"], "{text}");
        let (code, text) = printed(&place, &["inspect", "lanes", PATIENT]);
        assert_eq!(code, 0, "{}", place.words("list"));
        let mut found = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["priority", number, frames, bytes] = words[..] {
                found.push((number, frames, bytes));
            }
        }
        // Both ends live in this process: each half of each end has two lines.
        let count = |line| found.iter().filter(|found| **found == line).count();
        assert_eq!(found.len(), 8, "{text}");
        assert_eq!(count(("0", "1", "24")), 2, "{text}");
        assert_eq!(count(("1", "3", "72")), 2, "{text}");
    });
}

/// Each has a client, and all live in this process.
#[test]
fn listeners_whose_names_end_alike_are_told_apart() {
    let place = Place::new();
    for directory in ["x", "y"] {
        std::fs::create_dir(place.file(directory)).unwrap();
    }
    std::os::unix::fs::symlink(place.file("x"), place.file("link")).unwrap();
    let inspect = |path: &str| {
        let path = place.file(path);
        let (code, text) = printed(&place, &["inspect", path.to_str().unwrap(), PATIENT]);
        assert_eq!(code, 0, "{}", place.words("list"));
        let line = text.lines().find(|line| line.ends_with(" connections"));
        line.unwrap_or_default().to_owned()
    };
    while_somebody_listens(&place, "x/a", || {
        while_somebody_listens(&place, "y/a", || {
            while_somebody_listens(&place, "a", || {
                for path in ["x/a", "y/a", "link/a", "a", "x/../y/a"] {
                    assert_eq!(inspect(path), "2 connections", "{path}");
                }
                let (_, text) = printed(&place, &["list", "--wait", "20"]);
                let line = text.lines().find(|line| line.starts_with("a ")).unwrap();
                assert_eq!(line.split_whitespace().nth(2), Some("2"), "{line}");
            });
        });
    });
}

#[test]
fn the_codec_is_named() {
    let place = Place::new();
    for (number, name) in [
        (1, "codec 1, postcard"),
        (1 << 31, "codec 2147483648, which is not known here"),
    ] {
        let mut listener = config().codec(number).bind(place.file("coded")).unwrap();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert!(listener.try_accept().unwrap().is_none());
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let (code, text) = printed(&place, &["inspect", "coded", PATIENT]);
            over.store(true, Ordering::Relaxed);
            assert_eq!((code, text.lines().next()), (0, Some(name)), "{text}");
        });
    }
}

#[test]
fn where_nobody_ever_listened_the_list_is_empty() {
    let place = Place::new();
    let (code, text) = printed(&place, &["list"]);
    assert_eq!((code, text.lines().count()), (0, 1), "{text}");
}

#[test]
fn scripts_read_the_same_as_objects() {
    let place = Place::new();
    while_somebody_listens(&place, "scripted", || {
        let objects = |arguments: &[&str]| -> Vec<Value> {
            let (code, text) = printed(&place, arguments);
            assert_eq!(code, 0, "{}", place.words("list"));
            let lines = text.lines().map(serde_json::from_str);
            lines.collect::<Result<_, _>>().unwrap()
        };
        let named = |objects: &[Value], name: &str| {
            let mut found = objects.iter().filter(|object| object["name"] == name);
            found.next().cloned().unwrap()
        };
        let process = std::process::id();
        let expected = json!({
            "name": "scripted", "process": process, "peers": 2, "lanes_least": 1, "lanes_most": 1,
            "frames_in": 3, "frames_out": 3, "messages": {"receives": ["Quote"], "sends": null},
        });
        let listed = objects(&["list", PATIENT, "--json"]);
        assert_eq!(named(&listed, "scripted"), expected);
        // For whom it is not to wait as long as for the other.
        let _silent = Config::new().bind(place.file("silent")).unwrap();
        let silent = named(&objects(&["list", "--wait=0.1", "--json"]), "silent");
        assert!(silent["error"].as_str().unwrap().contains("in time"));

        let [shown] = &objects(&["inspect", "scripted", PATIENT, "--json"])[..] else {
            panic!("one look");
        };
        assert_eq!(
            (&shown["process"], &shown["uncounted"]),
            (&json!(process), &json!(0))
        );
        assert_eq!(
            (&shown["codec"], &shown["messages"]["receives"]),
            (&json!(0), &json!(["Quote"]))
        );
        // Both ends of the connection live in this process.
        let all = shown["connections"].as_array().unwrap();
        let sum = |half: &str, what: &str| -> u64 {
            all.iter()
                .map(|one| one[half][what].as_u64().unwrap())
                .sum()
        };
        assert_eq!((all.len(), sum("receives", "frames")), (2, 3));
        assert_eq!((sum("sends", "frames"), sum("sends", "expired")), (3, 1234));
        assert_eq!(all[0]["sends"]["priorities"].as_array().unwrap().len(), 1);
        assert_eq!(all[0]["peer_pid"], process);
    });
}

#[test]
fn who_accepts_answers_a_ping() {
    let place = Place::new();
    while_somebody_listens(&place, "answers", || {
        let ask = ["ping", "answers", "--count=3", "--interval=0.01", PATIENT];
        let (code, text) = printed(&place, &ask);
        assert_eq!(code, 0, "{}", place.words("list"));
        assert!(text.contains("3 of 3 answered"), "{text}");
    });
    let silent = Config::new().bind(place.file("silent")).unwrap();
    for name in ["answers", "silent"] {
        let ask = ["ping", name, "--count", "1", "--wait", "0.1"];
        assert_eq!(printed(&place, &ask).0, 5, "{name}");
    }
    drop(silent);
    assert_eq!(printed(&place, &["ping", "no/../"]).0, 1);
}

/// A listener in a process of its own: what is shown of it while it is stopped, and when it was killed.
#[test]
fn who_was_stopped_or_killed_is_shown_as_such() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    let place = Place::new();
    let mut listener = place.receiver("feed", Stdio::null());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(listener.child.id()).unwrap());
    let line = |wait| {
        let (code, text) = printed(&place, &["list", "--wait", wait]);
        assert_eq!(code, 0, "{}", place.words("list"));
        let line = text.lines().find(|line| line.starts_with("feed "));
        line.map(str::to_owned)
    };
    let nobody_answers = || {
        for ask in [
            &["inspect", "feed", "--wait", "0.2"][..],
            &["ping", "feed", "--count", "1", "--wait", "0.2"],
        ] {
            assert_eq!(printed(&place, ask).0, 5, "{ask:?}");
        }
    };
    let shown = line("20").unwrap();
    let process = pid.to_string();
    assert_eq!(shown.split_whitespace().nth(1), Some(&*process), "{shown}");
    let output = place.file("watched");
    let watch = ["inspect", "feed", "--watch", "0.02", "--wait", "20"];
    let mut watcher = Running::start(
        place
            .command("watch", &watch)
            .stdout(std::fs::File::create(&output).unwrap()),
    );
    let times = || {
        let text = std::fs::read_to_string(&output).unwrap();
        text.matches("0 connections").count()
    };
    until("the counters are watched", || times() > 1);

    kill(pid, Signal::SIGSTOP).unwrap();
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    let shown = line("0.3").unwrap();
    assert_eq!(shown.split_whitespace().nth(1), Some("?"), "{shown}");
    assert!(shown.contains("in time"), "{shown}");
    nobody_answers();
    let before = times();
    until("its counters can still be read", || times() > before);

    listener.child.kill().unwrap();
    // Also while nobody has waited for it, and its number is still there.
    assert_eq!(watcher.code(), 0);
    listener.child.wait().unwrap();
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.ends_with("the process has ended\n"), "{text}");
    assert_eq!(line("0.3"), None, "its socket is no listener");
    nobody_answers();
    assert!(place.words("list").contains("no answer"));
}
