//! The progress bar: what appears on a terminal, and that nothing appears anywhere else.

mod support;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use nix::pty::{Winsize, openpty};
use support::{Place, Running, feed, noise, wait_for_bytes};

/// So many bytes are 9.54 MiB.
const BYTES: usize = 10_000_003;
const SHOWN: &str = "9.54 MiB";

/// A terminal, and what a process has written to it by the time that all its processes have ended.
fn terminal() -> (OwnedFd, JoinHandle<String>) {
    let size = Winsize {
        ws_row: 24,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pair = openpty(&size, None).unwrap();
    let mut screen = File::from(pair.master);
    let reader = thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        // A terminal that nobody has open any more answers with an error, not with an end.
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    });
    (pair.slave, reader)
}

/// Starts a command with its messages on a terminal of its own.
fn on_terminal(mut command: Command) -> (Running, JoinHandle<String>) {
    let (messages, shown) = terminal();
    // What is on no terminal, or on a dumb one, has no bar; the test's own is not asked.
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    (Running::start(command.stderr(messages)), shown)
}

/// A copy with both commands' messages on a terminal; what each of them showed.
fn shown(options: &[&str], piped: bool) -> (String, String) {
    let place = Place::new();
    let bytes = noise(BYTES, 6);
    fs::write(place.file("in"), &bytes).unwrap();
    let mut command = place.command("recv", &[&["recv", "copy"], options].concat());
    command.stdout(File::create(place.file("out")).unwrap());
    let (mut receiver, received) = on_terminal(command);
    let mut command = place.command("send", &[&["send", "copy"], options].concat());
    if piped {
        command.stdin(Stdio::piped());
    } else {
        command.stdin(File::open(place.file("in")).unwrap());
    }
    let (mut sender, sent) = on_terminal(command);
    if piped {
        feed(&mut sender, &bytes);
        drop(sender.child.stdin.take());
    }
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert!(fs::read(place.file("out")).unwrap() == bytes, "the copy");
    (sent.join().unwrap(), received.join().unwrap())
}

#[test]
fn a_file_shows_how_much_of_it_went_and_a_stream_how_much() {
    let whole = format!("{SHOWN} of {SHOWN}");
    let (sent, received) = shown(&[], false);
    assert!(sent.contains(&whole), "{sent:?}");
    assert!(sent.contains("/s") && sent.contains("left"), "{sent:?}");
    assert!(sent.ends_with('\n'), "the shell goes on at {sent:?}");
    for piped in [received, shown(&[], true).0] {
        assert!(piped.contains(SHOWN) && piped.contains("/s"), "{piped:?}");
        // How much there is to come is not known.
        assert!(
            !piped.contains(" of ") && !piped.contains("left"),
            "{piped:?}"
        );
    }
}

#[test]
fn quiet_leaves_it_out() {
    assert_eq!(shown(&["--quiet"], false), (String::new(), String::new()));
    assert_eq!(shown(&["-q"], true), (String::new(), String::new()));
}

#[test]
fn without_a_terminal_there_is_none() {
    let place = Place::new();
    fs::write(place.file("in"), noise(BYTES, 7)).unwrap();
    let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
    let mut sender = place.sender("copy", File::open(place.file("in")).unwrap().into());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(place.words("send") + &place.words("recv"), "");
}

#[test]
fn no_bar_is_drawn_across_output_that_a_terminal_shows() {
    let place = Place::new();
    let (output, written) = terminal();
    let mut command = place.command("recv", &["recv", "copy"]);
    command.stdout(output);
    let (mut receiver, messages) = on_terminal(command);
    let mut sender = place.sender("copy", Stdio::piped());
    feed(&mut sender, b"words for a person\n");
    drop(sender.child.stdin.take());
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(written.join().unwrap(), "words for a person\r\n");
    assert_eq!(messages.join().unwrap(), "");
}

#[test]
fn a_message_after_the_bar_stands_on_a_line_of_its_own() {
    let place = Place::new();
    let mut receiver = place.receiver("copy", File::create(place.file("out")).unwrap().into());
    let mut command = place.command("send", &["send", "copy"]);
    command.stdin(Stdio::piped());
    let (mut sender, shown) = on_terminal(command);
    feed(&mut sender, &noise(BYTES, 8));
    wait_for_bytes(&place.file("out"), BYTES as u64);
    receiver.child.kill().unwrap();
    receiver.end();
    assert_eq!(sender.code(), 3);
    let shown = shown.join().unwrap();
    assert!(shown.contains(SHOWN), "{shown:?}");
    assert!(
        shown.contains("\nringway send: the receiver died"),
        "{shown:?}"
    );
}
