//! A listener in somebody else's loop: its descriptor tells of every step of a handshake, and of none that is not there.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use ringway::hostile::join_tangled;
use ringway::{Config, Connection, ErrorKind, Event, Listener, Poller, RecvError};

use crate::peer::{self, Segment, Watchdog, attach, eventfd, hello, readable};

/// So long a descriptor that ought to be silent is watched, in milliseconds.
const SILENCE: i32 = 20;

/// What a program does whose loop waits for readable descriptors: nothing until this one is, then one call.
fn turn(listener: &mut Listener) -> Option<Connection> {
    assert!(readable(listener.as_fd(), 10_000), "nothing was told");
    listener.try_accept().unwrap()
}

/// Turns until a client is in.
fn turn_until_in(listener: &mut Listener) -> Connection {
    loop {
        if let Some(connection) = turn(listener) {
            return connection;
        }
    }
}

fn is_silent(listener: &Listener) {
    assert!(!readable(listener.as_fd(), SILENCE), "told of nothing");
}

#[test]
fn each_message_is_told_once_and_only_then() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("each message");
    let before = peer::open_descriptors();
    let mut listener = Config::new()
        .handshake_timeout(Duration::from_secs(30))
        .bind(peer::path("each"))
        .unwrap();
    is_silent(&listener);
    let line = peer::dial(listener.path()).unwrap();
    assert!(turn(&mut listener).is_none(), "no Hello yet");
    is_silent(&listener);
    peer::send(&line, &hello().0, &[]);
    assert!(turn(&mut listener).is_none(), "no Attach yet");
    is_silent(&listener);
    let (answer, offered) = peer::receive(&line);
    assert_eq!(answer[8], 2);
    let own = Segment::new(1);
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    peer::send(&line, &attach().0, &gifts);
    let mut connection = turn(&mut listener).expect("the Attach completes it");
    assert_eq!(peer::receive(&line).0[8], 4);
    // The line is the connection's now: what comes on it is nothing to the listener.
    peer::send(&line, &[1], &[]);
    is_silent(&listener);
    drop(line);
    is_silent(&listener);
    assert_eq!(
        connection.receiver().recv_deadline(peer::soon()).map(drop),
        Err(RecvError::PeerClosed)
    );
    assert_eq!(listener.refusals(), 0);
    drop((listener, connection, offered, own, bells));
    peer::no_leak(before);
}

/// Of a poller that a loop watches already no bell can be watched that has no way left: its client is passed over, and the listener does not stand still for it.
#[test]
fn a_tangled_bell_stalls_no_listener_of_a_poller_in_a_loop() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("tangled");
    let mut poller = Poller::new().unwrap();
    let outer = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let readable = EpollEvent::new(EpollFlags::EPOLLIN, 0);
    outer.add(&poller, readable).unwrap();
    let path = peer::path("tangled");
    let listener = peer::patient().bind(path.as_path()).unwrap();
    let door = poller.listen(listener, |connection| connection).unwrap();
    let clients = thread::spawn(move || {
        let tangled = join_tangled(&path);
        let honest = peer::patient().connect(path.as_path()).unwrap();
        (tangled, honest)
    });
    let connected = match poller.event_deadline(peer::soon()).unwrap() {
        Some(Event::Connected(turn)) => turn.token(),
        other => panic!("{other:?}"),
    };
    assert_eq!((poller.len(), poller.tokens().next()), (1, Some(connected)));
    assert_eq!(poller.listener(door).unwrap().refusals(), 1);
    drop(clients.join().unwrap());
}

#[test]
fn a_client_that_stalls_holds_nobody_up_and_its_end_is_told() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let _alone = peer::alone();
    let _dog = Watchdog::new("stalls");
    let before = peer::open_descriptors();
    let mut listener = Config::new()
        .handshake_timeout(PATIENCE)
        .bind(peer::path("stalls"))
        .unwrap();
    let path = listener.path().to_path_buf();
    // One stops in the middle, one before its first word.
    let began = Instant::now();
    let middle = peer::dial(&path).unwrap();
    peer::send(&middle, &hello().0, &[]);
    while !readable(middle.as_fd(), 0) {
        assert!(turn(&mut listener).is_none());
    }
    let (answer, offered) = peer::receive(&middle);
    assert_eq!(answer[8], 2);
    let mute = peer::dial(&path).unwrap();
    assert!(turn(&mut listener).is_none());
    // A third one gets in between.
    let attempts = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut attempts = 0;
            let client = peer::let_in(&path, || attempts += 1);
            (client, attempts)
        });
        let mut server = turn_until_in(&mut listener);
        let (mut client, attempts) = client.join().unwrap();
        client.sender().send(b"between").unwrap();
        let frame = server.receiver().recv_deadline(peer::soon()).unwrap();
        assert_eq!(frame.to_vec(), b"between");
        attempts
    });
    // Nobody speaks any more: the moment itself is told, and not before it has come. The third one may have been too late as well, but for the last time that it tried.
    while listener.refusals() < 2 + attempts - 1 {
        assert!(turn(&mut listener).is_none());
        assert!(listener.refusals() == 0 || began.elapsed() >= PATIENCE);
    }
    assert_eq!(listener.last_refusal().unwrap().kind(), ErrorKind::TimedOut);
    is_silent(&listener);
    for line in [&middle, &mute] {
        let (reason, told) = peer::reason(&peer::receive(line).0);
        assert_eq!(reason, 11, "{told}");
        assert!(
            peer::receive(line).0.is_empty(),
            "the line was to be closed"
        );
    }
    drop((listener, offered, middle, mute));
    peer::no_leak(before);
}

#[test]
fn a_client_that_leaves_in_the_middle_is_told() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("leaves");
    let mut listener = peer::patient().bind(peer::path("leaves")).unwrap();
    let before = peer::open_descriptors();
    for speaks in [false, true] {
        let line = peer::dial(listener.path()).unwrap();
        assert!(turn(&mut listener).is_none());
        if speaks {
            peer::send(&line, &hello().0, &[]);
            assert!(turn(&mut listener).is_none());
        }
        is_silent(&listener);
        drop(line);
        assert!(turn(&mut listener).is_none());
        assert_eq!(listener.refusals(), u64::from(speaks));
        is_silent(&listener);
        peer::no_leak(before);
    }
    assert_eq!(listener.last_refusal().unwrap().kind(), ErrorKind::PeerGone);
}

#[test]
fn a_full_house_is_silent_until_somebody_leaves() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("full house");
    let mut listener = Config::new()
        .handshake_timeout(Duration::from_secs(30))
        .bind(peer::path("full"))
        .unwrap();
    let before = peer::open_descriptors();
    // More than the listener takes at once, of whom none says a word.
    let mut mutes: Vec<OwnedFd> = (0..100)
        .map(|_| peer::dial(listener.path()).unwrap())
        .collect();
    assert!(turn(&mut listener).is_none());
    is_silent(&listener);
    for _ in 0..3 {
        // The earliest is among those that were taken in.
        drop(mutes.remove(0));
        assert!(turn(&mut listener).is_none());
        if readable(listener.as_fd(), 0) {
            // There is room for one more.
            assert!(turn(&mut listener).is_none());
        }
        is_silent(&listener);
    }
    mutes.clear();
    while readable(listener.as_fd(), SILENCE) {
        assert!(listener.try_accept().unwrap().is_none());
    }
    peer::no_leak(before);
}

/// Watches a listener for edges.
fn watch(listener: &Listener) -> OwnedFd {
    // SAFETY: no memory is passed.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(epoll >= 0);
    // SAFETY: the kernel has just returned it, and nothing else owns it.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    let mut event = libc::epoll_event {
        events: u32::from_ne_bytes((libc::EPOLLIN | libc::EPOLLET).to_ne_bytes()),
        u64: 0,
    };
    let (by, watched) = (epoll.as_raw_fd(), listener.as_fd().as_raw_fd());
    // SAFETY: `event` is valid for reads.
    let added = unsafe { libc::epoll_ctl(by, libc::EPOLL_CTL_ADD, watched, &raw mut event) };
    assert_eq!(added, 0);
    epoll
}

/// Waits for an edge, as an event loop that is told of each change once.
fn edge(epoll: &OwnedFd) -> bool {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: `event` is valid for writes of one entry.
    let count = unsafe { libc::epoll_wait(epoll.as_raw_fd(), &raw mut event, 1, 10_000) };
    assert!(count >= 0, "{}", std::io::Error::last_os_error());
    count == 1
}

#[test]
fn edges_suffice_to_empty_a_full_house() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("edges");
    let mut listener = Config::new()
        .handshake_timeout(Duration::from_millis(100))
        .bind(peer::path("edges"))
        .unwrap();
    let before = peer::open_descriptors();
    let epoll = watch(&listener);
    // More than the listener takes at once, who say nothing, and behind them one who speaks.
    let path = listener.path().to_path_buf();
    let mutes: Vec<OwnedFd> = (0..150).map(|_| peer::dial(&path).unwrap()).collect();
    thread::scope(|scope| {
        let client = scope.spawn(|| peer::let_in(&path, || ()));
        let mut server = None;
        while server.is_none() {
            assert!(edge(&epoll), "the edges stopped coming");
            while let Some(connection) = listener.try_accept().unwrap() {
                server = Some(connection);
            }
        }
        drop((server, client.join().unwrap()));
    });
    while listener.refusals() < 150 {
        assert!(edge(&epoll), "the edges stopped coming");
        assert!(listener.try_accept().unwrap().is_none());
    }
    drop((mutes, epoll));
    peer::no_leak(before);
}

#[test]
fn an_edge_is_not_lost_when_the_last_place_is_taken_and_freed_at_once() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("last place");
    let mut listener = Config::new()
        .handshake_timeout(Duration::from_secs(30))
        .bind(peer::path("last-place"))
        .unwrap();
    let epoll = watch(&listener);
    // One place is left of 64. In one call it is taken, and another one becomes free, while somebody waits: nothing new happens
    // after that, so what is there must be told again.
    let mut mutes: Vec<OwnedFd> = (0..63)
        .map(|_| peer::dial(listener.path()).unwrap())
        .collect();
    assert!(edge(&epoll));
    assert!(listener.try_accept().unwrap().is_none());
    drop(mutes.pop());
    mutes.push(peer::dial(listener.path()).unwrap());
    let line = peer::dial(listener.path()).unwrap();
    peer::send(&line, &hello().0, &[]);
    while !readable(line.as_fd(), 0) {
        assert!(edge(&epoll), "the edges stopped coming");
        assert!(listener.try_accept().unwrap().is_none());
    }
    assert_eq!(peer::receive(&line).0[8], 2);
}
