//! `ringway tap`, of listeners in this process, and of `ringway recv --allow-tap`.

mod support;

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringway::Attendant;
use ringway::typed::{self, Message, Messages, Nothing, Text};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
use support::{Place, Running, config};

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Quote {
    id: u64,
    price: f64,
    symbol: Text<8>,
}

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Note {
    about: u64,
}

#[derive(Debug, Message)]
#[allow(dead_code, reason = "what is received is not looked at")]
enum News {
    #[message(kind = 3)]
    Quote(Quote),
    #[message(kind = 4)]
    Note(Note),
}

fn quote(id: u64) -> Quote {
    Quote {
        id,
        price: price(id),
        symbol: Text::literal("EURUSD"),
    }
}

/// A number as a price, exactly.
fn price(id: u64) -> f64 {
    f64::from(u32::try_from(id).unwrap()) / 2.0
}

/// A client's connection, on which it sends the messages of `M`.
fn connected<M: Messages + ?Sized>(path: PathBuf) -> typed::Connection<M, Nothing> {
    typed::connect_with(&config(), path).unwrap()
}

/// A connection on which the client sends the messages of `M`, and a listener that goes on answering.
struct Service<M: Messages + ?Sized> {
    path: PathBuf,
    sender: typed::Sender<M>,
    receiver: typed::Receiver<M>,
    _attendant: Attendant,
}

impl<M: Messages + ?Sized> Service<M> {
    fn new(place: &Place, allows: bool) -> Self {
        let path = place.file("news");
        let config = config().allow_tap(allows);
        let mut listener =
            typed::Listener::<Nothing, M>::bind_with(&config, path.as_path()).unwrap();
        let there = path.clone();
        let client = thread::spawn(move || connected::<M>(there).split().0);
        let until = Instant::now() + Duration::from_secs(20);
        let receiver = listener.accept_deadline(until).unwrap().split().1;
        Self {
            path,
            sender: client.join().unwrap(),
            receiver,
            _attendant: listener.attend().unwrap(),
        }
    }
}

/// What a tap printed.
struct Told {
    code: i32,
    lines: Vec<String>,
    words: String,
}

fn start(place: &Place, path: &Path, options: &[&str]) -> Running {
    let out = File::create(place.file("out")).unwrap();
    let common = ["tap", path.to_str().unwrap(), "--priority", "normal"];
    // Whoever listens may have no processor for longer than is usually waited for its answer.
    let says_how_long = options.contains(&"--wait");
    let patient: &[&str] = if says_how_long {
        &[]
    } else {
        &["--wait", "20"]
    };
    let arguments = [&common, patient, options].concat();
    Running::start(place.command("tap", &arguments).stdout(out))
}

fn end(place: &Place, tap: &mut Running) -> Told {
    let code = tap.code();
    let out = fs::read_to_string(place.file("out")).unwrap();
    Told {
        code,
        lines: out.lines().map(str::to_owned).collect(),
        words: place.words("tap"),
    }
}

/// What a tap with these options prints while `feed` is called with 0, 1, 2, ..., until it ends.
fn read_along(place: &Place, path: &Path, options: &[&str], mut feed: impl FnMut(u64)) -> Told {
    let mut tap = start(place, path, options);
    let until = Instant::now() + support::WATCHDOG;
    let mut number = 0;
    while tap.child.try_wait().unwrap().is_none() {
        assert!(
            Instant::now() < until,
            "it does not end: {}",
            place.words("tap")
        );
        feed(number);
        number += 1;
        thread::sleep(Duration::from_millis(1));
    }
    end(place, &mut tap)
}

fn of_quotes(options: &[&str]) -> Told {
    let place = Place::new();
    let mut service = Service::<Quote>::new(&place, true);
    let path = service.path.clone();
    read_along(&place, &path, options, |id| {
        service.sender.send(&quote(id)).unwrap();
        service.receiver.recv().unwrap();
    })
}

fn of_news(options: &[&str]) -> Told {
    let place = Place::new();
    let mut service = Service::<News>::new(&place, true);
    let path = service.path.clone();
    read_along(&place, &path, options, |id| {
        service.sender.send(&quote(id)).unwrap();
        service.sender.send(&Note { about: id }).unwrap();
        service.receiver.recv().unwrap();
        service.receiver.recv().unwrap();
    })
}

/// The ids of the lines, which follow one another.
fn ids(lines: &[String], id: impl Fn(&str) -> u64) -> Vec<u64> {
    let ids: Vec<u64> = lines.iter().map(|line| id(line)).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    ids
}

#[test]
fn text_names_the_fields_of_as_many_messages_as_were_asked_for() {
    let told = of_quotes(&["--count", "5"]);
    assert_eq!((told.code, told.lines.len()), (0, 5), "{}", told.words);
    let found = ids(&told.lines, |line| {
        let (_, rest) = line.split_once(" id=").unwrap();
        rest.split_once(' ').unwrap().0.parse().unwrap()
    });
    for (line, id) in told.lines.iter().zip(found) {
        let price = price(id);
        let words = line.split_once(" from-client @").unwrap().1;
        let fields = format!(" Quote id={id} price={price} symbol=\"EURUSD\"");
        assert!(words.ends_with(&fields), "{line} has no {fields}");
    }
    assert!(
        told.words
            .ends_with("5 messages in 5 frames shown; 0 frames (0 bytes) lost\n"),
        "{}",
        told.words
    );
}

#[test]
fn json_has_a_line_for_each_message() {
    let told = of_news(&["--format", "json", "--count", "6"]);
    assert_eq!((told.code, told.lines.len()), (0, 6), "{}", told.words);
    let lines: Vec<serde_json::Value> = told
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut kinds = [0, 0];
    for line in &lines {
        assert_eq!(line["direction"], "from-client");
        let fields = &line["fields"];
        if line["message"] == "Quote" {
            kinds[0] += 1;
            let id = fields["id"].as_u64().unwrap();
            assert_eq!(line["kind"], 3);
            assert_eq!(fields["price"].as_f64(), Some(price(id)));
            assert_eq!(fields["symbol"], "EURUSD");
        } else {
            kinds[1] += 1;
            assert_eq!(
                (&line["message"], &line["kind"]),
                (&"Note".into(), &4.into())
            );
            assert!(fields["about"].is_u64());
        }
    }
    assert_eq!(kinds, [3, 3]);
    let positions: Vec<_> = lines.iter().map(|line| line["position"].as_u64()).collect();
    assert!(positions.is_sorted() && positions[0].is_some());
}

#[test]
fn a_table_has_a_column_for_each_field_of_one_message() {
    let told = of_news(&["--format", "csv", "--kind", "Quote", "--count", "4"]);
    assert_eq!((told.code, told.lines.len()), (0, 5), "{}", told.words);
    assert_eq!(
        told.lines[0],
        "connection,direction,position,priority,index,message,id,price,symbol"
    );
    let cell = |line: &str, column: usize| line.split(',').nth(column).unwrap().to_owned();
    let found = ids(&told.lines[1..], |line| cell(line, 6).parse().unwrap());
    for (line, id) in told.lines[1..].iter().zip(found) {
        assert_eq!(cell(line, 7).parse(), Ok(price(id)));
        assert_eq!(cell(line, 3), "", "there is only one priority");
        assert_eq!(
            (cell(line, 5), cell(line, 8)),
            ("Quote".into(), "EURUSD".into())
        );
    }
    // Of two there is none.
    let told = of_news(&["--format", "csv"]);
    assert_eq!((told.code, told.lines.len()), (2, 0), "{}", told.words);
    assert!(
        told.words.contains("Quote (3)") && told.words.contains("--kind"),
        "{}",
        told.words
    );
}

#[test]
fn bytes_are_shown_as_hex_and_a_direction_can_be_chosen() {
    let place = Place::new();
    let path = place.file("bytes");
    let mut listener = config().allow_tap(true).bind(path.as_path()).unwrap();
    let there = path.clone();
    let client = thread::spawn(move || config().connect(there).unwrap());
    let mut server = listener.accept().unwrap();
    let mut client = client.join().unwrap();
    let _attendant = listener.attend().unwrap();
    let mut told = |direction: &str| {
        let options = ["--direction", direction, "--count", "3"];
        read_along(&place, &path, &options, |_| {
            client.sender().send_kind(7, &[0xab, 0, 1]).unwrap();
            server.sender().send_kind(8, b"z").unwrap();
            drop(client.receiver().recv().unwrap());
            drop(server.receiver().recv().unwrap());
        })
    };
    for (direction, end) in [
        ("from-client", " kind 7, 3 bytes: ab0001"),
        ("to-client", " kind 8, 1 bytes: 7a"),
    ] {
        let told = told(direction);
        assert_eq!((told.code, told.lines.len()), (0, 3), "{}", told.words);
        for line in &told.lines {
            assert!(
                line.contains(&format!(" {direction} @")) && line.ends_with(end),
                "{line}"
            );
        }
    }
}

#[test]
fn who_does_not_allow_it_is_not_read_and_who_is_not_there_is_told_apart() {
    let place = Place::new();
    let service = Service::<Quote>::new(&place, false);
    let told = read_along(&place, &service.path, &[], |_| ());
    assert_eq!((told.code, told.lines.len()), (1, 0), "{}", told.words);
    assert!(
        told.words.starts_with("ringway tap: ") && told.words.contains("Config::allow_tap"),
        "{}",
        told.words
    );
    let told = read_along(&place, &place.file("nobody"), &[], |_| ());
    assert_eq!((told.code, told.lines.len()), (5, 0), "{}", told.words);
}

#[test]
fn a_time_ends_it_where_nothing_comes() {
    let place = Place::new();
    let service = Service::<Quote>::new(&place, true);
    let told = read_along(&place, &service.path, &["--seconds", "0.3"], |_| ());
    assert_eq!((told.code, told.lines.len()), (0, 0), "{}", told.words);
}

#[test]
fn what_comes_is_shown_while_the_listener_is_silent_and_after_it_has_gone() {
    // An answer that does not come within the test, and none.
    for (goes, wait) in [(false, "60"), (true, "60")] {
        let told = shown_while_silent(goes, wait);
        assert_eq!((told.code, told.lines.len()), (0, 1500), "{}", told.words);
    }
    // One that is given up before its end. Who was stalled for so long had no answer to the first question: then the time is longer.
    let mut waits = ["0.5", "2", "8"].into_iter();
    let told = loop {
        let told = shown_while_silent(false, waits.next().expect("an answer in time"));
        if told.code != 5 || !told.lines.is_empty() {
            break told;
        }
    };
    assert_eq!((told.code, told.lines.len()), (0, 1500), "{}", told.words);
}

/// What the tap shows of a connection whose listener is silent from the first frame on, or `goes` away.
fn shown_while_silent(goes: bool, wait: &str) -> Told {
    let place = Place::new();
    let path = place.file("news");
    let config = config().allow_tap(true);
    let bound = typed::Listener::<Nothing, Quote>::bind_with(&config, path.as_path());
    let mut listener = Some(bound.unwrap());
    let there = path.clone();
    let client = thread::spawn(move || connected::<Quote>(there));
    let server = listener.as_mut().unwrap().accept().unwrap();
    let (mut sender, mut receiver) = (client.join().unwrap().split().0, server.split().1);
    // More than is shown before the listener is asked again.
    let options = ["--wait", wait, "--count", "1500"];
    read_along(&place, &path, &options, |id| {
        if fs::metadata(place.file("out")).unwrap().len() == 0 {
            assert!(listener.as_mut().unwrap().try_accept().unwrap().is_none());
        } else if goes {
            listener = None;
        }
        sender.send(&quote(id)).unwrap();
        receiver.recv().unwrap();
    })
}

/// A receiver that may be read along, with its sender, whose input is open.
fn copy(place: &Place) -> (Running, Running) {
    let out = File::create(place.file("copied")).unwrap();
    let mut command = place.command("recv", &["recv", "copy", "--allow-tap"]);
    let receiver = place.listening(command.stdout(out));
    let sender = place.sender("copy", Stdio::piped());
    (receiver, sender)
}

/// Feeds the sender until the tap has printed something.
fn feed_until_seen(place: &Place, sender: &mut Running) -> u32 {
    let mut lines = 0;
    support::until("the tap shows something", || {
        support::feed(sender, format!("line {lines}\n").as_bytes());
        lines += 1;
        fs::metadata(place.file("out")).unwrap().len() > 0
    });
    lines
}

#[test]
fn a_copy_is_read_along_from_the_first_look_to_its_end() {
    let place = Place::new();
    let (mut receiver, mut sender) = copy(&place);
    // Not before the sender is there: who looks first has no connection to read, and finds it at the next look.
    let mut tap = start(&place, &place.file("copy"), &["--format", "json"]);
    let lines = feed_until_seen(&place, &mut sender);
    drop(sender.child.stdin.take());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    let told = end(&place, &mut tap);
    assert_eq!(told.code, 0, "{}", told.words);
    let copied = fs::read_to_string(place.file("copied")).unwrap();
    assert_eq!(copied.lines().count(), lines as usize);
    // What was seen is the end of what was sent, without a gap; then comes the mark of the end, and the answer.
    let mut seen = String::new();
    let mut marks = Vec::new();
    for line in &told.lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let hex = line["bytes"].as_str().unwrap();
        if line["kind"] == 0 {
            seen.push_str(&decoded(hex));
        } else {
            marks.push((
                line["direction"].as_str().unwrap().to_owned(),
                hex.to_owned(),
            ));
        }
    }
    assert!(!seen.is_empty() && copied.ends_with(&seen), "{seen}");
    let mark = format!("{:016x}", (copied.len() as u64).swap_bytes());
    marks.sort();
    let expected =
        ["from-client", "to-client"].map(|direction| (direction.to_owned(), mark.clone()));
    assert_eq!(marks, expected);
    assert_eq!(place.sockets(), 0);
}

fn decoded(hex: &str) -> String {
    let byte = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    let bytes = (0..hex.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_listener_that_is_killed_ends_it_well() {
    let place = Place::new();
    let (mut receiver, mut sender) = copy(&place);
    let mut tap = start(&place, &place.file("copy"), &[]);
    feed_until_seen(&place, &mut sender);
    receiver.child.kill().unwrap();
    receiver.end();
    let told = end(&place, &mut tap);
    assert_eq!(told.code, 0, "{}", told.words);
    assert!(!told.lines.is_empty());
}

#[test]
fn a_receiver_that_is_interrupted_while_it_answers_frees_its_name() {
    let place = Place::new();
    let (mut receiver, mut sender) = copy(&place);
    let mut tap = start(&place, &place.file("copy"), &[]);
    feed_until_seen(&place, &mut sender);
    assert_eq!(place.sockets(), 1, "it answers");
    let pid = Pid::from_raw(i32::try_from(receiver.child.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(receiver.end().signal(), Some(Signal::SIGTERM as i32));
    assert_eq!(place.sockets(), 0);
    assert_eq!(end(&place, &mut tap).code, 0);
}

#[test]
fn a_sender_waits_while_a_receiver_has_another_one() {
    let place = Place::new();
    let (mut receiver, mut first) = copy(&place);
    support::feed(&mut first, b"first");
    support::wait_for_bytes(&place.file("copied"), 5);
    let mut second = Running::start(
        place
            .command("second", &["send", "copy", "--wait", "20"])
            .stdin(Stdio::piped()),
    );
    thread::sleep(Duration::from_millis(100));
    assert!(
        second.child.try_wait().unwrap().is_none(),
        "{}",
        place.words("second")
    );
    drop(first.child.stdin.take());
    assert_eq!((first.code(), receiver.code()), (0, 0));
    let out = File::create(place.file("next")).unwrap();
    // The sender that waits connects at once, and the name is free again: nobody need ever see it taken.
    let mut next = Running::start(place.command("recv", &["recv", "copy"]).stdout(out));
    support::feed(&mut second, b"second");
    drop(second.child.stdin.take());
    assert_eq!((second.code(), next.code()), (0, 0));
    assert_eq!(fs::read(place.file("next")).unwrap(), b"second");
}
