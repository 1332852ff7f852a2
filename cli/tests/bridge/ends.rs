//! Each end is passed on as what it is: one in order as that, and whatever else ends a connection as a reset.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use ringway::stream::ByteListener;

use crate::support::{Place, Running, config, noise, until};
use crate::{
    PATIENCE, byte_stream, client, end_of, joined, patient, ring_service, socket_of, to_tcp,
};

/// Closes a socket by a reset.
#[expect(clippy::needless_pass_by_value, reason = "its drop is the reset")]
fn reset(socket: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, sockopt::Linger, &linger).unwrap();
}

/// Waits until a socket was reset, without reading what came before: of one that was closed in order, only one direction would be at its end.
fn until_reset(socket: &TcpStream) {
    until("it is reset", || {
        let mut entry = [PollFd::new(socket.as_fd(), PollFlags::empty())];
        poll(&mut entry, PollTimeout::ZERO).unwrap();
        entry[0]
            .revents()
            .is_some_and(|found| found.contains(PollFlags::POLLHUP))
    });
}

/// A listener, and a client of the bridge to it, which speaks frames if it likes.
fn raw_client(place: &Place) -> (TcpStream, ringway::Sender, ringway::Receiver, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bridge = to_tcp(place, "raw", listener.local_addr().unwrap());
    let config = config().byte_stream();
    let (sender, receiver) = config.connect(socket_of(place)).unwrap().split();
    let (service, _) = listener.accept().unwrap();
    service.set_read_timeout(Some(PATIENCE)).unwrap();
    (service, sender, receiver, bridge)
}

/// Whatever ends a bridge, half of an answer is not taken for all of it, nor half of a question.
#[test]
fn a_bridge_that_is_killed_or_interrupted_is_no_end_of_the_stream() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let (mut listener, bridge, entrance) = ring_service(&place, "service");
        let (mut client, mut service) = joined(&mut listener, entrance);
        service.write_all(b"half of an ans").unwrap();
        let mut answer = [0; 14];
        client.read_exact(&mut answer).unwrap();
        let pid = Pid::from_raw(i32::try_from(bridge.child.id()).unwrap());
        kill(pid, signal).unwrap();
        let end = end_of(&mut client);
        assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{signal}");
        let end = service.read(&mut answer);
        assert_eq!(
            end.unwrap_err().kind(),
            ErrorKind::ConnectionReset,
            "{signal}"
        );

        let place = Place::new();
        let (mut service, mut sender, _receiver, bridge) = raw_client(&place);
        sender.send(b"half of a quest").unwrap();
        let mut question = [0; 15];
        service.read_exact(&mut question).unwrap();
        let pid = Pid::from_raw(i32::try_from(bridge.child.id()).unwrap());
        kill(pid, signal).unwrap();
        let end = end_of(&mut service);
        assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{signal}");
    }
}

/// A client resets while the bridge both reads from it and writes to it: the system tells one of the two, whichever asks first.
#[test]
fn a_reset_is_no_end_of_the_stream_whoever_hears_of_it() {
    let place = Place::new();
    let (mut listener, _bridge, entrance) = ring_service(&place, "service");
    for round in 0..60 {
        let (mut client, service) = joined(&mut listener, entrance);
        let (mut reader, mut writer) = service.split();
        client.write_all(b"half of a quest").unwrap();
        reader.read_exact(&mut [0; 15]).unwrap();
        let answering = thread::spawn(move || {
            let answer = vec![7; 64 << 10];
            while writer.write_all(&answer).is_ok() {}
        });
        // The answer is more than there is room for, most of the time.
        thread::sleep(Duration::from_millis(round % 8));
        reset(client);
        let end = reader.read(&mut [0; 8]);
        let end = end.expect_err("a reset is no end of the stream");
        assert_eq!(end.kind(), ErrorKind::ConnectionReset, "round {round}");
        answering.join().unwrap();
    }
}

/// A client that has ended its question in order and wants no answer has asked all of it.
#[test]
fn a_reset_behind_an_end_does_not_take_the_end_back() {
    let place = Place::new();
    let (mut listener, _bridge, entrance) = ring_service(&place, "service");
    for round in 0..30 {
        let (mut client, service) = joined(&mut listener, entrance);
        let (mut reader, mut writer) = service.split();
        let answering = thread::spawn(move || {
            let answer = vec![7; 64 << 10];
            loop {
                if let Err(error) = writer.write_all(&answer) {
                    break error;
                }
            }
        });
        thread::sleep(Duration::from_millis(round % 4));
        client.write_all(b"all of a question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut question = Vec::new();
        if round % 2 == 0 {
            reader.read_to_end(&mut question).unwrap();
        }
        reset(client);
        reader.read_to_end(&mut question).unwrap();
        assert_eq!(question, b"all of a question");
        assert_eq!(answering.join().unwrap().kind(), ErrorKind::BrokenPipe);
    }
}

/// Writes until nobody takes any more for some time.
fn fill(mut socket: &TcpStream) {
    socket.set_nonblocking(true).unwrap();
    let mut quiet = 0;
    while quiet < 20 {
        match socket.write(&[7; 10_000]) {
            Ok(_) => quiet = 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                quiet += 1;
                thread::sleep(Duration::from_millis(10));
            }
            Err(_) => return,
        }
    }
}

/// A client of Ringway breaks a rule while the bridge waits for it to make room.
#[test]
fn a_broken_rule_ends_a_bridge_that_waits_for_room_in_the_ring() {
    let place = Place::new();
    let (service, mut sender, _receiver, _bridge) = raw_client(&place);
    fill(&service);
    // A stream has no frame without a byte.
    sender.send(b"").unwrap();
    until_reset(&service);
}

/// A client of Ringway is gone while the bridge waits for the TCP service to read.
#[test]
fn a_lost_client_ends_a_bridge_that_waits_for_room_in_a_socket() {
    let place = Place::new();
    let (service, sender, receiver, _bridge) = raw_client(&place);
    let connection = ringway::Connection::reunite(sender, receiver).unwrap();
    let mut stream = byte_stream(connection);
    stream.set_write_timeout(Some(Duration::from_millis(500)));
    let full = stream.write_all(&vec![7; 64 << 20]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::TimedOut);
    stream.abort();
    // The bridge hears of it when it finds no room for what the service sends.
    fill(&service);
    until_reset(&service);
}

/// A service that reads no more, and answers: the client, which goes on sending, has the whole answer.
#[test]
fn an_answer_is_not_lost_with_what_nobody_reads() {
    let place = Place::new();
    let (mut listener, _bridge, entrance) = ring_service(&place, "service");
    let mut counted = 0;
    for round in 0..30 {
        let (client, mut service) = joined(&mut listener, entrance);
        let answer = noise(1 << 20, round);
        let sending = client.try_clone().unwrap();
        let asking = thread::spawn(move || {
            let mut sent = 0_usize;
            while let Ok(some) = (&sending).write(&[7; 10_000]) {
                sent += some;
                if sent > 20 << 20 {
                    break;
                }
            }
            sending.shutdown(Shutdown::Write).map(|()| sent)
        });
        service.read_exact(&mut [0; 1000]).unwrap();
        service.shutdown(Shutdown::Read).unwrap();
        service.write_all(&answer).unwrap();
        let gone = Instant::now();
        drop(service);
        let mut received = Vec::new();
        let read = (&client).read_to_end(&mut received);
        let sent = asking.join().unwrap();
        // Behind five seconds the bridge may reset it: where others have the processors, another round is tried.
        if gone.elapsed() > Duration::from_secs(4) {
            continue;
        }
        read.unwrap();
        assert!(received == answer, "round {round}");
        assert!(sent.unwrap() > 20 << 20);
        counted += 1;
        if counted == 10 {
            return;
        }
    }
    panic!("only {counted} rounds were fast enough");
}

/// Nobody is left at the other end: a client that sends without end is told, behind the time that it has for reading its answer.
#[test]
fn who_sends_for_ever_to_nobody_is_reset() {
    let place = Place::new();
    let (mut listener, _bridge, entrance) = ring_service(&place, "service");
    let (mut client, mut service) = joined(&mut listener, entrance);
    service.write_all(b"answer").unwrap();
    drop(service);
    until("it is told", || client.write(&[7; 1000]).is_err());
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}

/// Nobody is left at the other end, and the client neither says anything nor goes: it has its answer, and the bridge does not keep its place for it.
#[test]
fn who_is_silent_and_has_nobody_left_is_let_go() {
    let place = Place::new();
    let (mut listener, bridge, entrance) = ring_service(&place, "service");
    let tasks = format!("/proc/{}/task", bridge.child.id());
    let threads = || fs::read_dir(&tasks).unwrap().count();
    let alone = threads();
    // One that is still listened to keeps its place, though nobody has anything more for it.
    let (mut asking, mut asked) = joined(&mut listener, entrance);
    asked.shutdown(Shutdown::Write).unwrap();
    assert_eq!(asking.read(&mut [0; 8]).unwrap(), 0);
    until("it is carried", || threads() == alone + 2);
    let (mut client, mut service) = joined(&mut listener, entrance);
    service.write_all(b"answer").unwrap();
    until("both are carried", || threads() == alone + 4);
    drop(service);
    until("it is let go", || threads() == alone + 2);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"answer");
    asking.write_all(b"question").unwrap();
    let mut question = [0; 8];
    asked.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
}

/// A bridge that has not got what a connection takes breaks it off, at whatever point it notices.
#[test]
fn what_cannot_be_carried_for_want_of_memory_is_reset() {
    let place = Place::new();
    let (listener, bridge, _) = ring_service(&place, "service");
    let status = fs::read_to_string(format!("/proc/{}/status", bridge.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let kib = kib.expect("the kernel says how much it has mapped");
    drop((listener, bridge));
    let mut ends = [0; 2];
    for more in (256..8 << 10).step_by(512) {
        let path = place.file(&format!("service-{more}"));
        let mut listener = ByteListener::bind(path.as_path()).unwrap();
        let script = format!("ulimit -v {}; exec \"$@\"", kib + more);
        let arguments = ["bridge", "tcp", "127.0.0.1:0", path.to_str().unwrap()];
        let label = format!("limited-{more}");
        let _bridge = Running::start(&mut place.in_shell(&label, &script, &arguments));
        let entrance = crate::listening_at(&place, &label);
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let serving = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let soon = Instant::now() + Duration::from_millis(50);
                if let Ok(service) = listener.accept_deadline(soon) {
                    let mut service = patient(service);
                    // All of it, or a reset.
                    let mut question = Vec::new();
                    match service.read_to_end(&mut question) {
                        Ok(_) => {
                            assert_eq!(question, b"question");
                            let _ = service.write_all(b"answer");
                        }
                        Err(error) => assert_ne!(error.kind(), ErrorKind::TimedOut, "a hang"),
                    }
                }
            }
        });
        let mut client = client(entrance);
        // A reset is told once, to the first call that it comes before.
        let mut answer = Vec::new();
        let asked = client.write_all(b"question");
        let asked = asked.and_then(|()| client.shutdown(Shutdown::Write));
        match asked.and_then(|()| client.read_to_end(&mut answer)) {
            Ok(_) => {
                assert_eq!(answer, b"answer", "{more} KiB: an end that is none");
                ends[0] += 1;
            }
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "{more} KiB: a hang");
                ends[1] += 1;
            }
        }
        over.store(true, Ordering::Relaxed);
        serving.join().unwrap();
    }
    assert!(ends[1] > 0, "nothing was ever lacking: {ends:?}");
}

/// A host that is gone says nothing: the kernel asks it.
#[test]
fn a_client_that_is_silent_is_asked_whether_it_lives() {
    let place = Place::new();
    let (mut listener, _bridge, entrance) = ring_service(&place, "service");
    let (client, _service) = joined(&mut listener, entrance);
    let port = client.local_addr().unwrap().port();
    until("the bridge's socket has a timer for that", || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let here = format!(":{:04X}", entrance.port());
            let there = format!(":{port:04X}");
            // In the sixth column: what the timer is for, and in how many hundredths of a second.
            fields.len() > 5
                && fields[1].ends_with(&here)
                && fields[2].ends_with(&there)
                && fields[5].starts_with("02:")
                && u64::from_str_radix(&fields[5][3..], 16).is_ok_and(|ticks| ticks <= 6000)
        })
    });
}
