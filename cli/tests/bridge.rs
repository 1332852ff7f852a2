//! `ringway bridge`: TCP programs that know nothing of Ringway, joined by it.

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt;
use std::thread;
use std::time::Duration;

use ringway::Config;
use ringway::stream::ByteStream;
use support::{Place, Running, until};

/// A bridge from TCP to the name, and where it listens.
fn from_tcp(place: &Place, name: &str) -> (Running, SocketAddr) {
    let label = format!("to-{name}");
    let bridge =
        Running::start(&mut place.command(&label, &["bridge", "tcp", "127.0.0.1:0", name]));
    let said = place.file(&format!("{label}.txt"));
    let mut address = None;
    until("the bridge says where it listens", || {
        let text = fs::read_to_string(&said).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.split_once("listening as "));
        address = line.and_then(|(_, address)| address.parse().ok());
        address.is_some()
    });
    (bridge, address.unwrap())
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
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    client
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
    let end = client.read(&mut answer).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{end}");
}

/// The same from the other side: a TCP service that breaks off.
#[test]
fn a_service_that_resets_is_no_end_of_the_stream() {
    let address = service(|mut client| {
        client.write_all(b"half of an ans").unwrap();
        // What is unread at the close makes it a reset.
        thread::sleep(Duration::from_millis(50));
    });
    let place = Place::new();
    let _there = to_tcp(&place, "tunnel", address);
    let config = Config::new().byte_stream();
    let path = fs::read_dir(place.file(""))
        .unwrap()
        .flatten()
        .find(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .expect("the bridge's socket")
        .path();
    let mut stream = ByteStream::over(config.connect(path.as_path()).unwrap()).unwrap();
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
        let end = client(entrance).read(&mut [0; 8]).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset, "{end}");
    }
    assert!(
        place.words("to-nobody").contains("nobody"),
        "{}",
        place.words("to-nobody")
    );
}
