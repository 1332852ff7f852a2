//! A bridge without descriptors: who is carried goes on, who comes waits, and nothing ends or spins.

use std::fs;
use std::io::{Read, Write};
use std::mem;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use ringway::stream::ByteListener;
use ringway::{Config, ErrorKind};

use crate::support::{Place, Running, until};
use crate::{PATIENCE, byte_stream, client, ring_service, socket_of, to_tcp};

/// More than a bridge takes that looks ten times a second, and far less than one that looks all the time.
const LITTLE: Duration = Duration::from_millis(150);
/// So many looks that find the same.
const LOOKS: u32 = 5;
/// For so long, and a little more, a bridge waits for the descriptors of who was let in.
const BORNE: Duration = Duration::from_secs(4);
const WHILE: Duration = Duration::from_millis(1500);

/// Has the process have so many descriptors at most, for good, since it raises its soft limit when it connects: none of those that it has is closed.
fn limit(bridge: &Running, most: u64) {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    let pid = libc::pid_t::try_from(bridge.child.id()).unwrap();
    // SAFETY: `limit` is valid for reads, and nothing is written.
    let set = unsafe {
        libc::prlimit(
            pid,
            libc::RLIMIT_NOFILE,
            &raw const limit,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// The lowest limit that leaves so many descriptors: the numbers that are taken may have gaps, behind those of all clients but the last if these were [`one_by_one`].
fn leave(bridge: &Running, left: usize) {
    let taken = settled(bridge);
    let mut free = (0..=4096).filter(|number| !taken.contains(number));
    limit(bridge, free.nth(left).unwrap());
}

/// Four clients. What each one's coming needed is closed before the next one comes, which gets those numbers: or a gap could be left in front of
/// all that they have, and nothing that they leave behind would be below a limit there.
fn one_by_one<C>(bridge: &Running, connect: impl Fn() -> C) -> Vec<C>
where
    C: Read + Write,
{
    let come = (0..4).map(|_| {
        let mut client = connect();
        asks(&mut client);
        settled(bridge);
        client
    });
    come.collect()
}

/// The numbers of its descriptors, when they stay what they are: what a handshake needed is closed a moment behind it.
fn settled(bridge: &Running) -> Vec<u64> {
    let (mut known, mut alike) = (taken(bridge), 0);
    until("its descriptors stay what they are", || {
        thread::sleep(Duration::from_millis(100));
        let before = mem::replace(&mut known, taken(bridge));
        alike = if known == before { alike + 1 } else { 0 };
        alike == LOOKS
    });
    known
}

fn taken(bridge: &Running) -> Vec<u64> {
    let taken = fs::read_dir(format!("/proc/{}/fd", bridge.child.id())).unwrap();
    let taken = taken.flatten().map(|entry| {
        let name = entry.file_name();
        name.to_str().unwrap().parse::<u64>().unwrap()
    });
    let mut taken: Vec<_> = taken.collect();
    taken.sort_unstable();
    taken
}

/// Processor time that it has used.
fn used(bridge: &Running) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", bridge.child.id())).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    // In hundredths of a second on every Linux.
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// One that spins uses a processor each time; one that a host took away may count as used.
fn assert_rests(bridge: &Running) {
    let used: Vec<_> = (0..5)
        .map(|_| {
            let before = used(bridge);
            thread::sleep(WHILE);
            used(bridge).saturating_sub(before)
        })
        .take_while(|used| *used >= LITTLE)
        .collect();
    assert!(used.len() < 5, "{used:?} of {WHILE:?}");
}

fn asks(stream: &mut (impl Read + Write)) {
    stream.write_all(b"question").unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"question");
}

/// The answer to what was asked before has come, or `words` say why not.
fn assert_answered(stream: &mut impl Read, words: impl Fn() -> String) {
    let mut answer = [0; 8];
    let come = stream.read_exact(&mut answer);
    assert!(come.is_ok(), "{come:?}: {}", words());
    assert_eq!(&answer, b"question");
}

fn echo(mut stream: impl Read + Write) {
    let mut question = [0; 8];
    while stream.read_exact(&mut question).is_ok() && stream.write_all(&question).is_ok() {}
}

fn serve_ring(mut listener: ByteListener) {
    thread::spawn(move || {
        while let Ok(stream) = listener.accept() {
            thread::spawn(move || echo(stream));
        }
    });
}

fn serve_tcp() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || echo(stream.unwrap()));
        }
    });
    address
}

#[test]
fn tcp_clients_wait_for_descriptors() {
    let place = Place::new();
    let (listener, mut bridge, entrance) = ring_service(&place, "service");
    serve_ring(listener);
    let mut old = one_by_one(&bridge, || client(entrance));
    leave(&bridge, 0);
    let mut new = client(entrance);
    new.write_all(b"question").unwrap();
    until("it says what it lacks", || {
        place.words("to-service").contains("cannot accept a client")
    });
    assert_rests(&bridge);
    old.iter_mut().for_each(asks);
    assert!(bridge.child.try_wait().unwrap().is_none(), "it goes on");
    // Those of who goes are enough for who comes.
    drop(old);
    assert_answered(&mut new, || place.words("to-service"));
    drop(new);
    asks(&mut client(entrance));
    let said = place.words("to-service");
    assert_eq!(said.matches("cannot accept").count(), 1, "{said}");
}

/// The first descriptor that is free lets a client in, and its other side takes more: it is not reset, since they become free soon.
#[test]
fn who_is_let_in_waits_for_more_descriptors() {
    // On a machine that stands still for long the bridge's patience may be over before we have let the others go.
    let in_time = (0..5).any(|_| is_let_in_with_one_descriptor());
    assert!(in_time, "the machine never kept up");
}

/// `false`: it took longer than the bridge waits, and so says nothing.
fn is_let_in_with_one_descriptor() -> bool {
    let place = Place::new();
    let (listener, bridge, entrance) = ring_service(&place, "service");
    serve_ring(listener);
    let old = one_by_one(&bridge, || client(entrance));
    leave(&bridge, 1);
    let began = Instant::now();
    let mut new = client(entrance);
    new.write_all(b"question").unwrap();
    until("it is let in, and nobody else could be", || {
        place.words("to-service").contains("cannot accept a client")
    });
    assert_rests(&bridge);
    drop(old);
    let mut answer = [0; 8];
    let come = new.read_exact(&mut answer);
    if come.is_err() && began.elapsed() > BORNE {
        return false;
    }
    let words = place.words("to-service");
    assert!(come.is_ok(), "{come:?}: {words}");
    assert_eq!(&answer, b"question");
    true
}

#[test]
fn clients_of_ringway_wait_for_descriptors() {
    let place = Place::new();
    let mut bridge = to_tcp(&place, "service", serve_tcp());
    let socket = socket_of(&place);
    let config = Config::new().byte_stream().handshake_timeout(PATIENCE);
    let connect = move || {
        let mut connected = None;
        until("the bridge takes a client of Ringway", || {
            match config.connect(socket.as_path()) {
                Ok(connection) => connected = Some(byte_stream(connection)),
                // Descriptors become free one by one: with the first ones it is heard, and told that they are not enough yet. Or the bridge had no turn for as long as it gives a client.
                Err(error) => assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::Resources | ErrorKind::TimedOut | ErrorKind::PeerGone
                    ),
                    "{error}"
                ),
            }
            connected.is_some()
        });
        connected.unwrap()
    };
    let mut old = one_by_one(&bridge, &connect);
    leave(&bridge, 0);
    let coming = {
        let connect = connect.clone();
        thread::spawn(move || asks(&mut connect()))
    };
    until("it says what it lacks", || {
        place.words("service").contains("cannot accept a client")
    });
    assert_rests(&bridge);
    old.iter_mut().for_each(asks);
    assert!(bridge.child.try_wait().unwrap().is_none(), "it goes on");
    assert!(!coming.is_finished());
    drop(old);
    coming.join().unwrap();
    asks(&mut connect());
}
