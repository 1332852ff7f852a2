//! `ringway send` and `ringway recv` as two real processes: whole copies, and every way in which one can fail.

mod support;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Place, Running, feed, noise, wait_for_bytes};

fn copies(bytes: &[u8]) {
    let place = Place::new();
    fs::write(place.file("in"), bytes).unwrap();
    let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
    let mut sender = place.sender("copy", File::open(place.file("in")).unwrap().into());
    assert_eq!(sender.code(), 0, "{}", place.words("send"));
    assert_eq!(receiver.code(), 0, "{}", place.words("recv"));
    assert!(
        fs::read(place.file("out")).unwrap() == bytes,
        "the copy differs"
    );
    assert_eq!(
        place.words("send") + &place.words("recv"),
        "",
        "nothing to say"
    );
    assert_eq!(place.sockets(), 0, "the name is free again");
}

#[test]
fn ten_megabytes_arrive_unchanged() {
    copies(&noise(10_000_003, 1));
}

#[test]
fn an_empty_input_is_an_empty_copy() {
    copies(b"");
}

#[test]
fn a_sender_that_starts_first_waits_for_the_name() {
    let place = Place::new();
    fs::write(place.file("in"), b"early").unwrap();
    let mut sender = place.sender("copy", File::open(place.file("in")).unwrap().into());
    thread::sleep(Duration::from_millis(100));
    let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(fs::read(place.file("out")).unwrap(), b"early");
}

/// Whoever listens may have something else to do, or no processor, for longer than a handshake is usually given.
#[test]
fn a_receiver_that_answers_late_is_waited_for() {
    let place = Place::new();
    fs::write(place.file("in"), b"late").unwrap();
    let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
    let pid = Pid::from_raw(receiver.child.id().try_into().unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    // This one gives it a second, and stands before the other at its door.
    let hasty = ["send", "copy", "--wait", "0"];
    let mut hasty = Running::start(&mut place.command("hasty", &hasty));
    assert_eq!(hasty.code(), 5, "{}", place.words("hasty"));
    let patient = ["send", "copy", "--wait", "25"];
    let mut patient = place.command("send", &patient);
    let mut sender = Running::start(patient.stdin(File::open(place.file("in")).unwrap()));
    thread::sleep(Duration::from_millis(1500));
    kill(pid, Signal::SIGCONT).unwrap();
    assert_eq!(sender.code(), 0, "{}", place.words("send"));
    assert_eq!(receiver.code(), 0, "{}", place.words("recv"));
    assert_eq!(fs::read(place.file("out")).unwrap(), b"late");
}

#[test]
fn small_rings_and_every_wait_carry_the_stream_too() {
    let bytes = noise(300_000, 2);
    for wait in ["park", "adaptive", "spin"] {
        let place = Place::new();
        fs::write(place.file("in"), &bytes).unwrap();
        let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
        let arguments = ["send", "copy", "--capacity", "4K", "--wait-mode", wait];
        let mut sender = Running::start(
            place
                .command("send", &arguments)
                .stdin(File::open(place.file("in")).unwrap()),
        );
        assert_eq!(
            (sender.code(), receiver.code()),
            (0, 0),
            "{wait}: {}",
            place.words("send")
        );
        assert!(
            fs::read(place.file("out")).unwrap() == bytes,
            "{wait}: the copy differs"
        );
    }
}

#[test]
fn a_path_serves_as_well_as_a_name() {
    let place = Place::new();
    let path = place.file("meet.sock");
    let mut receiver = place.receiver(path.to_str().unwrap(), Stdio::piped());
    let mut sender = place.sender(path.to_str().unwrap(), Stdio::piped());
    feed(&mut sender, b"by path");
    drop(sender.child.stdin.take());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    let mut copy = String::new();
    receiver
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut copy)
        .unwrap();
    assert_eq!(copy, "by path");
}

#[test]
fn under_head_the_receiver_is_quiet_and_the_sender_is_told() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", Stdio::piped());
    let mut sender = place.sender("copy", File::open("/dev/zero").unwrap().into());
    let mut head = [1; 10];
    let mut output = receiver.child.stdout.take().unwrap();
    output.read_exact(&mut head).unwrap();
    drop(output);
    assert_eq!(head, [0; 10]);
    assert_eq!(receiver.code(), 141);
    assert_eq!(place.words("recv"), "");
    assert_eq!(sender.code(), 4);
    assert!(
        place.words("send").contains("closed before the end"),
        "{}",
        place.words("send")
    );
}

/// Ends a process by the signal.
fn dies(running: &mut Running, signal: Signal) {
    let pid = Pid::from_raw(running.child.id().try_into().unwrap());
    kill(pid, signal).unwrap();
    assert_eq!(running.end().signal(), Some(signal as i32));
}

#[test]
fn a_killed_receiver_ends_a_busy_sender_and_an_idle_one() {
    for busy in [true, false] {
        let place = Place::new();
        let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
        let mut sender = if busy {
            place.sender("copy", File::open("/dev/zero").unwrap().into())
        } else {
            let mut sender = place.sender("copy", Stdio::piped());
            feed(&mut sender, b"one word");
            sender
        };
        wait_for_bytes(&place.file("out"), 8);
        dies(&mut receiver, Signal::SIGKILL);
        assert_eq!(sender.code(), 3, "busy: {busy}: {}", place.words("send"));
        let words = place.words("send");
        assert!(words.contains("died"), "{words}");
    }
}

#[test]
fn a_killed_sender_leaves_what_it_committed_and_a_code() {
    let bytes = noise(100_000, 3);
    // Killed, and interrupted: neither may look like the end of the stream.
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let place = Place::new();
        let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
        let mut sender = place.sender("copy", Stdio::piped());
        feed(&mut sender, &bytes);
        wait_for_bytes(&place.file("out"), bytes.len() as u64);
        dies(&mut sender, signal);
        let (code, words) = (receiver.code(), place.words("recv"));
        assert_eq!(code, 3, "{words}");
        assert!(words.contains("100000 bytes arrived"), "{words}");
        assert!(
            fs::read(place.file("out")).unwrap() == bytes,
            "what was committed is there"
        );
    }
}

#[test]
fn an_interrupted_listener_removes_its_name_and_dies_by_the_signal() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", Stdio::null());
    dies(&mut receiver, Signal::SIGINT);
    assert_eq!(place.sockets(), 0);
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let place = Place::new();
    let script = "trap '' INT TERM HUP && exec \"$@\"";
    let interrupt = |running: &Running| {
        let pid = Pid::from_raw(running.child.id().try_into().unwrap());
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            kill(pid, signal).unwrap();
        }
    };
    let out = fs::File::create(place.file("out")).unwrap();
    let mut command = place.in_shell("recv", script, &["recv", "copy"]);
    let mut receiver = place.listening(command.stdout(out));
    interrupt(&receiver);
    let mut command = place.in_shell("send", script, &["send", "copy"]);
    let mut sender = Running::start(command.stdin(Stdio::piped()));
    feed(&mut sender, b"first");
    wait_for_bytes(&place.file("out"), 5);
    interrupt(&receiver);
    interrupt(&sender);
    feed(&mut sender, b" and last");
    drop(sender.child.stdin.take());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(fs::read(place.file("out")).unwrap(), b"first and last");
}

#[test]
fn a_lack_of_descriptors_is_told_with_its_cure() {
    let place = Place::new();
    // So few that not even the signals can be watched.
    let script = "ulimit -n 4 && exec \"$@\"";
    let mut receiver = Running::start(&mut place.in_shell("recv", script, &["recv", "copy"]));
    assert_eq!(receiver.code(), 1);
    let words = place.words("recv");
    assert!(
        words.starts_with("ringway recv: cannot") && words.contains("ulimit -n"),
        "{words}"
    );
    // Enough to listen, too few for a connection: the sender is not the process without descriptors.
    let script = "ulimit -n 14 && exec \"$@\"";
    let arguments = ["recv", "copy", "--wait", "25"];
    let _receiver = place.listening(&mut place.in_shell("recv", script, &arguments));
    let mut sender = place.sender("copy", Stdio::null());
    assert_eq!(sender.code(), 1);
    let words = place.words("send");
    assert!(
        words.contains("the server refused") && words.contains("no descriptor"),
        "{words}"
    );
    assert!(!words.contains("this process"), "{words}");
}

#[test]
fn a_taken_name_is_refused_and_its_owner_undisturbed() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", Stdio::null());
    let mut second = Running::start(&mut place.command("second", &["recv", "copy"]));
    assert_eq!(second.code(), 1);
    assert!(
        place.words("second").contains("copy"),
        "{}",
        place.words("second")
    );
    let mut sender = place.sender("copy", Stdio::null());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
}

#[test]
fn nobody_there_in_time_has_a_code() {
    let place = Place::new();
    // Unless it is told otherwise it waits for ten seconds; who is stalled takes as long once, and not three times.
    let at_once = || {
        let began = Instant::now();
        let mut sender =
            Running::start(&mut place.command("send", &["send", "copy", "--wait", "0"]));
        assert_eq!(sender.code(), 5);
        began.elapsed() < Duration::from_secs(9)
    };
    assert!((0..3).any(|_| at_once()));
    assert!(
        place.words("send").contains("ringway recv copy"),
        "{}",
        place.words("send")
    );
    let mut receiver =
        Running::start(&mut place.command("recv", &["recv", "copy", "--wait", "0.1"]));
    assert_eq!(receiver.code(), 5);
    assert_eq!(place.sockets(), 0);
}

#[test]
fn a_bad_name_or_option_says_what_is_wrong() {
    let place = Place::new();
    let long = "n".repeat(300);
    for name in ["", "..", long.as_str()] {
        let mut receiver =
            Running::start(&mut place.command("recv", &["recv", name, "--wait", "1"]));
        assert_eq!(receiver.code(), 1, "{name:?}: {}", place.words("recv"));
        assert!(
            place.words("recv").starts_with("ringway recv: "),
            "{}",
            place.words("recv")
        );
    }
    let mut receiver =
        Running::start(&mut place.command("recv", &["send", "copy", "--capacity", "5000"]));
    assert_eq!(receiver.code(), 2);
}

#[test]
fn a_closed_output_is_refused_before_anybody_is_taken() {
    let place = Place::new();
    let arguments = ["recv", "copy", "--wait", "0.2"];
    let closed = "exec \"$@\" >&-";
    let mut receiver = Running::start(&mut place.in_shell("recv", closed, &arguments));
    let code = receiver.code();
    let words = place.words("recv");
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("standard output is closed"), "{words}");
    // `/dev/null` that somebody asked for is an output like any other, and so is one with the input closed.
    for script in ["exec \"$@\" >/dev/null", "exec \"$@\" <&-"] {
        let mut receiver = place.listening(&mut place.in_shell("recv", script, &["recv", "copy"]));
        let mut sender = place.sender("copy", Stdio::null());
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{script}");
    }
}

#[test]
fn a_closed_input_is_refused_and_the_receiver_undisturbed() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", Stdio::null());
    let closed = "exec \"$@\" <&-";
    let mut sender = Running::start(&mut place.in_shell("send", closed, &["send", "copy"]));
    let code = sender.code();
    let words = place.words("send");
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("standard input is closed"), "{words}");
    let mut sender = place.sender("copy", Stdio::null());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
}

#[test]
fn a_killed_listener_leaves_its_socket_until_the_name_is_bound_again() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", Stdio::null());
    receiver.child.kill().unwrap();
    receiver.end();
    assert_eq!(place.sockets(), 1, "nobody could remove it");
    let arguments = ["recv", "copy", "--wait", "0"];
    let mut next = Running::start(&mut place.command("next", &arguments));
    assert_eq!(next.code(), 5, "{}", place.words("next"));
    assert_eq!(place.sockets(), 0, "whoever binds the name next tidies up");
}

/// What lies where the socket `copy` should be is called that, and nobody is told to remove it.
fn is_named_at_once_by_both_sides(place: &Place, what: &str) {
    for side in ["send", "recv"] {
        let mut command = place.command(side, &[side, "copy", "--wait", "60"]);
        let began = Instant::now();
        assert_eq!(Running::start(&mut command).code(), 1);
        assert!(began.elapsed() < Duration::from_secs(25), "it kept trying");
        let words = place.words(side);
        assert!(words.contains(what), "{words}");
        assert!(!words.contains("remove"), "{words}");
    }
}

#[test]
fn a_file_in_the_way_is_named_at_once_by_both_sides() {
    let place = Place::new();
    fs::write(place.file("copy"), "precious").unwrap();
    is_named_at_once_by_both_sides(&place, "is a file, not a socket");
    assert_eq!(fs::read(place.file("copy")).unwrap(), b"precious");
}

#[test]
fn a_socket_of_another_program_is_named_at_once_by_both_sides() {
    let place = Place::new();
    let path = place.file("copy");
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    is_named_at_once_by_both_sides(&place, "another program's");
    assert!(path.exists(), "it is left alone");
}
