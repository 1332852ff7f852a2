//! `ringway bridge`: TCP programs that know nothing of Ringway, joined by it.

mod ends;
mod lack;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ringway::Connection;
use ringway::stream::{ByteListener, ByteStream};
use support::{Place, Running, config, until};

/// How long a read or a write of a test may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bridge from TCP to the name, and where it listens.
fn from_tcp(place: &Place, name: &str) -> (Running, SocketAddr) {
    let label = label(name);
    let arguments = ["bridge", "tcp", "127.0.0.1:0", name];
    let bridge = Running::start(&mut place.command(&label, &arguments));
    (bridge, listening_at(place, &label))
}

/// Under which a bridge from TCP says something.
fn label(name: &str) -> String {
    let last = name.rsplit('/').next();
    format!("to-{}", last.unwrap_or(name))
}

/// Where it says that it listens.
fn listening_at(place: &Place, label: &str) -> SocketAddr {
    let mut address = None;
    until("the bridge says where it listens", || {
        let text = place.words(label);
        let line = text
            .lines()
            .find_map(|line| line.split_once("listening as "));
        address = line.and_then(|(_, address)| address.parse().ok());
        address.is_some()
    });
    address.unwrap()
}

/// A service of Ringway behind a bridge from TCP: its listener, the bridge, and where that listens.
fn ring_service(place: &Place, name: &str) -> (ByteListener, Running, SocketAddr) {
    let path = place.file(name);
    let listener = ByteListener::bind(path.as_path()).unwrap();
    let (bridge, entrance) = from_tcp(place, path.to_str().unwrap());
    (listener, bridge, entrance)
}

/// A client that comes through the bridge, and its service's end.
fn joined(listener: &mut ByteListener, entrance: SocketAddr) -> (TcpStream, ByteStream) {
    let client = client(entrance);
    let deadline = Instant::now() + PATIENCE;
    let stream = listener.accept_deadline(deadline).unwrap();
    (client, patient(stream))
}

/// A stream over a connection of ours to a bridge.
fn byte_stream(connection: Connection) -> ByteStream {
    patient(ByteStream::over(connection).unwrap())
}

/// One that fails when nothing comes or goes for long.
fn patient(mut stream: ByteStream) -> ByteStream {
    stream.set_read_timeout(Some(PATIENCE));
    stream.set_write_timeout(Some(PATIENCE));
    stream
}

/// The path of the bridge's own socket.
fn socket_of(place: &Place) -> PathBuf {
    let entries = fs::read_dir(place.file("")).unwrap().flatten();
    let mut sockets = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    sockets.next().expect("the bridge's socket").path()
}

/// A bridge from the name to TCP.
fn to_tcp(place: &Place, name: &str, address: SocketAddr) -> Running {
    let to = address.to_string();
    place.listening(&mut place.command(name, &["bridge", "ring", name, &to]))
}

/// A TCP service: each client of it is served by `serve`, one after the other.
fn service(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            serve(client.unwrap());
        }
    });
    address
}

fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// What a read answers that is to find no more than the end. By `EINTR` one can be ended without a signal: when the kernel clears away the `io_uring` of a
/// connection that has gone, it interrupts whoever has rung by it.
fn end_of(socket: &mut TcpStream) -> std::io::Error {
    loop {
        let end = socket.read(&mut [0; 8]).unwrap_err();
        if end.kind() != ErrorKind::Interrupted {
            return end;
        }
    }
}

/// Through a ring between two bridges, each way and at once; each direction ends by itself.
#[test]
fn two_tcp_programs_meet_through_a_ring() {
    let address = service(|mut client| {
        // All of it before the answer, which only the end of the question can start.
        let mut question = Vec::new();
        client.read_to_end(&mut question).unwrap();
        question.reverse();
        client.write_all(&question).unwrap();
    });
    let place = Place::new();
    let _there = to_tcp(&place, "tunnel", address);
    let (_here, entrance) = from_tcp(&place, "tunnel");
    let clients: Vec<_> = (0..4_u8)
        .map(|seed| {
            thread::spawn(move || {
                let mut client = client(entrance);
                let question: Vec<u8> = (0..500_000_u32)
                    .map(|place| (place ^ place >> 9) as u8 ^ seed)
                    .collect();
                client.write_all(&question).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).unwrap();
                answer.reverse();
                assert!(answer == question);
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

/// A part of an answer is never taken for all of it.
#[test]
fn who_is_killed_behind_a_bridge_is_no_end_of_the_stream() {
    let address = service(|mut client| {
        client.write_all(b"half of an ans").unwrap();
        // Until the client has gone.
        let _ = client.read(&mut [0; 8]);
    });
    let place = Place::new();
    let mut there = to_tcp(&place, "tunnel", address);
    let (_here, entrance) = from_tcp(&place, "tunnel");
    let mut client = client(entrance);
    let mut answer = [0; 14];
    client.read_exact(&mut answer).unwrap();
    there.child.kill().unwrap();
    let end = end_of(&mut client);
    assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{end}");
}

/// The same from the other side: a TCP service that breaks off.
#[test]
fn a_service_that_resets_is_no_end_of_the_stream() {
    let address = service(|mut client| {
        client.write_all(b"half of an ans").unwrap();
        // What is unread at the close makes it a reset: some of the question is there, and stays so.
        let _ = client.peek(&mut [0]);
    });
    let place = Place::new();
    let _there = to_tcp(&place, "tunnel", address);
    let config = config().byte_stream();
    let mut stream = byte_stream(config.connect(socket_of(&place)).unwrap());
    stream.write_all(&[7; 1000]).unwrap();
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer).unwrap_err();
    assert_eq!(answer, b"half of an ans");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{end}");
}

/// Nobody behind it: the client is told at once, and the bridge serves the next one.
#[test]
fn a_service_that_is_not_there_is_a_reset() {
    let place = Place::new();
    let (_here, entrance) = from_tcp(&place, "nobody");
    for _ in 0..2 {
        let end = end_of(&mut client(entrance));
        assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{end}");
    }
    // It says so behind the reset.
    until("it says who is not there", || {
        place.words("to-nobody").contains("nobody")
    });
}
