//! Either side is killed inside the handshake: at each message, with a scripted peer that stops right there, and at random
//! moments, with the library on both sides. The survivor hears of it in clear words or goes on serving others, and keeps nothing.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Connection, ErrorKind, Listener, RecvError};

use crate::peer::{self, Segment, eventfd};
use crate::process::{Page, Random, alone, die_after, fork};
use crate::{STEP, path, patient, soon};

const LIMIT: Duration = Duration::from_secs(120);

/// Descriptors of this process. Some are closed on another thread, a moment later.
fn settles_at(before: usize) {
    let until = soon();
    while peer::open_descriptors() > before {
        assert!(Instant::now() < until, "descriptors leak");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(peer::open_descriptors(), before);
}

/// Whether a thread closes what was left to it, or will: until it first runs it goes by the name of the one that has started it, which is this one.
fn is_closing() -> bool {
    let name = |task: &Path| std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    let ours = name(Path::new("/proc/thread-self"));
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names: Vec<_> = tasks.map(|task| name(&task.path())).collect();
    names.iter().any(|name| name == "ringway-close\n")
        || names.iter().filter(|name| **name == ours).count() > 1
}

/// Descriptors of this process, when all that were being closed on another thread are closed.
fn settled() -> usize {
    let mut open = peer::open_descriptors();
    loop {
        std::thread::sleep(Duration::from_millis(100));
        // Asked before the count: what a thread that has ended was to close is closed.
        let closing = is_closing();
        let now = peer::open_descriptors();
        if now == open && !closing {
            return open;
        }
        open = now;
    }
}

/// A client of the library, in a process of its own, is served.
fn serves(listener: &mut Listener) {
    let path = listener.path().to_path_buf();
    let mut child = fork(|| {
        let mut connection = patient().connect(path.as_path()).unwrap();
        connection.sender().send(b"good").unwrap();
        // The other side has it before we go.
        assert_eq!(connection.receiver().recv().unwrap().to_vec(), b"bye");
    });
    let mut connection = listener.accept_deadline(soon()).unwrap();
    let frame = connection.receiver().recv_deadline(soon()).unwrap();
    assert_eq!(frame.to_vec(), b"good");
    drop(frame);
    connection.sender().send(b"bye").unwrap();
    assert_eq!(child.reap(), 0);
}

/// How a connection ends whose peer is gone.
fn end(mut connection: Connection) -> RecvError {
    connection
        .receiver()
        .recv_deadline(soon())
        .map(drop)
        .unwrap_err()
}

/// Says where it stands, and waits there to be killed.
fn halt(page: &Page) -> ! {
    page.set(STEP, 1);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// A client that goes so many steps: connected, Hello, Welcome, Attach, Ready. Then it waits to be killed.
fn client_up_to(step: u64, path: &Path, page: &Page) -> ! {
    let line = peer::dial(path).unwrap();
    if step >= 1 {
        peer::send(&line, &peer::hello().0, &[]);
    }
    if step >= 2 {
        assert_eq!(peer::receive(&line).0[8], 2);
    }
    let own = Segment::new(1);
    let bells = [eventfd(), eventfd()];
    if step >= 3 {
        let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
        peer::send(&line, &peer::attach().0, &gifts);
    }
    if step >= 4 {
        assert_eq!(peer::receive(&line).0[8], 4);
    }
    halt(page)
}

#[test]
fn a_client_killed_at_any_message_leaves_the_listener_to_others() {
    let name = "handshake::a_client_killed_at_any_message_leaves_the_listener_to_others";
    alone(name, LIMIT, || {
        let _warm = peer::alone();
        let (page, path) = (Page::new(), path("client-message"));
        let mut listener = patient().bind(path.as_path()).unwrap();
        serves(&mut listener);
        let before = settled();
        // The listener looks at each message as it comes, or at the last one only when its sender is dead.
        for (step, looks) in (0..=4).flat_map(|step| [(step, true), (step, false)]) {
            page.set(STEP, 0);
            let refusals = listener.refusals();
            let mut child = fork(|| client_up_to(step, &path, &page));
            let mut connection = None;
            while page.get(STEP) == 0 || (looks && peer::readable(listener.as_fd(), 20)) {
                // Without an answer the client does not come to its last message.
                let due = looks || step >= 2;
                if due && peer::readable(listener.as_fd(), 1) {
                    connection = connection.or(listener.try_accept().unwrap());
                }
            }
            child.signal(libc::SIGKILL);
            child.reap_killed();
            while peer::readable(listener.as_fd(), 20) {
                connection = connection.or(listener.try_accept().unwrap());
            }
            let case = format!("step {step}, looks: {looks}");
            let refused = listener.refusals() - refusals;
            if let Some(connection) = connection {
                assert!(step >= 3, "{case}");
                assert_eq!(end(connection), RecvError::PeerDied, "{case}");
                assert_eq!(refused, 0, "{case}");
            } else if step == 0 {
                assert_eq!(refused, 0, "who says nothing is no refusal");
            } else {
                assert!(step < 4, "{case}");
                assert_eq!(refused, 1, "{case}");
                let why = listener.last_refusal().unwrap();
                assert_eq!(why.kind(), ErrorKind::PeerGone, "{case}: {why}");
                assert!(why.to_string().contains("went away"), "{case}: {why}");
            }
            settles_at(before);
            serves(&mut listener);
            settles_at(before);
        }
    });
}

/// A server that goes so many steps and ends there: somebody in the queue, accepted, Hello, Welcome, Attach, Ready.
fn server_up_to(step: u64, path: &Path, page: &Page) {
    let listener = peer::listen(path);
    page.set(STEP, 1);
    peer::wait_readable(&listener);
    if step >= 1 {
        let line = peer::accept(&listener);
        if step >= 2 {
            assert_eq!(peer::receive(&line).0[8], 1);
        }
        let own = Segment::new(1);
        let bells = [eventfd(), eventfd()];
        if step >= 3 {
            let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
            peer::send(&line, &peer::welcome().0, &gifts);
        }
        if step >= 4 {
            assert_eq!(peer::receive(&line).0[8], 3);
        }
        if step >= 5 {
            peer::send(&line, &peer::ready().0, &[]);
        }
        // SAFETY: no memory is passed; this process ends here, with its line open.
        unsafe { libc::raise(libc::SIGKILL) };
    }
    // SAFETY: as above.
    unsafe { libc::raise(libc::SIGKILL) };
}

#[test]
fn a_server_killed_at_any_message_is_named_and_its_name_is_free() {
    let name = "handshake::a_server_killed_at_any_message_is_named_and_its_name_is_free";
    alone(name, LIMIT, || {
        let _warm = peer::alone();
        let (page, path) = (Page::new(), path("server-message"));
        let small = patient().capacity(peer::RING).peer_capacity(peer::RING);
        let before = settled();
        for step in 0..=5 {
            page.set(STEP, 0);
            let mut child = fork(|| server_up_to(step, &path, &page));
            page.until(STEP, 1);
            match small.connect(path.as_path()) {
                Ok(connection) => {
                    assert_eq!(step, 5);
                    assert_eq!(end(connection), RecvError::PeerDied);
                }
                Err(error) => {
                    assert!(step < 5, "{error}");
                    assert_eq!(error.kind(), ErrorKind::PeerGone, "step {step}: {error}");
                    let text = error.to_string();
                    assert!(text.contains("the server went away"), "step {step}: {text}");
                }
            }
            child.reap_killed();
            let error = small.connect(path.as_path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            // The next one takes the dead one's place.
            let mut listener = patient().bind(path.as_path()).unwrap();
            serves(&mut listener);
            drop(listener);
            settles_at(before);
        }
    });
}

/// How many kills at random moments.
fn kills() -> u64 {
    let all: u64 = std::env::var("RINGWAY_KILLS").map_or(2_000, |text| text.parse().unwrap());
    (all / 4).max(25)
}

/// A moment within the first handshakes of a process, most of them within the first.
fn moment(random: &mut Random) -> Duration {
    let most = [100_000, 400_000, 2_000_000][random.below(3) as usize];
    Duration::from_nanos(random.below(most))
}

#[test]
fn clients_killed_at_random_moments_leave_the_listener_to_others() {
    let name = "handshake::clients_killed_at_random_moments_leave_the_listener_to_others";
    alone(name, LIMIT, || {
        let _warm = peer::alone();
        let path = path("client-moment");
        let mut listener = patient().bind(path.as_path()).unwrap();
        serves(&mut listener);
        let before = settled();
        let mut random = Random::new(0xc11e);
        let (mut inside, mut died) = (0, 0);
        for round in 0..kills() {
            let delay = moment(&mut random);
            let mut child = fork(|| {
                die_after(delay);
                loop {
                    drop(patient().connect(path.as_path()).unwrap());
                }
            });
            let refusals = listener.refusals();
            loop {
                // Asked before the look: what the dead one left is readable by then.
                let dead = child.has_been_killed();
                if peer::readable(listener.as_fd(), 1) {
                    if let Some(connection) = listener.try_accept().unwrap() {
                        match end(connection) {
                            RecvError::Closed => {}
                            RecvError::PeerDied => died += 1,
                            other => panic!("round {round}: {other:?}"),
                        }
                    }
                } else if dead {
                    break;
                }
            }
            let refused = listener.refusals() - refusals;
            assert!(refused <= 1, "one process, one handshake at a time");
            if refused == 1 {
                let why = listener.last_refusal().unwrap();
                assert_eq!(why.kind(), ErrorKind::PeerGone, "round {round}: {why}");
                inside += 1;
            }
            settles_at(before);
            if round % 10 == 0 {
                serves(&mut listener);
            }
        }
        println!("{inside} inside the handshake, {died} connected");
        assert!(inside + died > 0, "every kill missed");
    });
}

#[test]
fn servers_killed_at_random_moments_are_named() {
    let name = "handshake::servers_killed_at_random_moments_are_named";
    alone(name, LIMIT, || {
        let _warm = peer::alone();
        let path = path("server-moment");
        let before = settled();
        let mut random = Random::new(0x5e1f);
        let (mut inside, mut died) = (0, 0);
        for round in 0..kills() {
            let delay = moment(&mut random) + Duration::from_micros(200);
            let mut child = fork(|| {
                die_after(delay);
                let mut listener = patient().bind(path.as_path()).unwrap();
                loop {
                    drop(listener.accept().unwrap());
                }
            });
            // Asked before the attempt: after the death there is one attempt more.
            let mut dead = false;
            while !dead {
                dead = child.has_been_killed();
                match patient().connect(path.as_path()) {
                    Ok(connection) => match end(connection) {
                        RecvError::Closed => {}
                        RecvError::PeerDied => died += 1,
                        other => panic!("round {round}: {other:?}"),
                    },
                    Err(error) => match error.kind() {
                        ErrorKind::NotFound => {
                            assert!(error.to_string().contains("nobody listens"));
                        }
                        ErrorKind::PeerGone => inside += 1,
                        other => panic!("round {round}: {other:?}: {error}"),
                    },
                }
            }
            settles_at(before);
        }
        // A dead server's socket stands in nobody's way.
        serves(&mut patient().bind(path.as_path()).unwrap());
        println!("{inside} inside the handshake, {died} connected");
        assert!(inside + died > 0, "every kill missed");
    });
}

/// A child that lives on has a copy of all that the parent had open when it forked.
#[test]
fn an_attendant_ends_though_a_child_lives_on() {
    alone(
        "handshake::an_attendant_ends_though_a_child_lives_on",
        Duration::from_secs(20),
        || {
            let listener = patient().bind(path("attended").as_path()).unwrap();
            let attendant = listener.attend().unwrap();
            let mut child = fork(|| std::thread::sleep(Duration::from_secs(60)));
            drop(attendant);
            child.signal(libc::SIGKILL);
            child.reap_killed();
        },
    );
}

/// A client that has said Hello before the listener takes no more is refused in place of a Ready: it would be told of a connection that is none.
#[test]
fn a_handshake_under_way_ends_when_the_listener_takes_no_more() {
    let name = "handshake::a_handshake_under_way_ends_when_the_listener_takes_no_more";
    alone(name, LIMIT, || {
        let path = path("no-more");
        let mut listener = patient().bind(path.as_path()).unwrap();
        let line = peer::dial(&path).unwrap();
        peer::send(&line, &peer::hello().0, &[]);
        assert!(listener.try_accept().unwrap().is_none());
        assert_eq!(peer::receive(&line).0[8], 2);
        drop(listener);
        assert!(peer::receive(&line).0.is_empty(), "closed by the drop");

        let mut listener = patient().bind(path.as_path()).unwrap();
        let line = peer::dial(&path).unwrap();
        peer::send(&line, &peer::hello().0, &[]);
        assert!(listener.try_accept().unwrap().is_none());
        let (welcome, _gifts) = peer::receive(&line);
        assert_eq!(welcome[8], 2);
        let attendant = listener.attend().unwrap();
        let (own, bells) = (Segment::new(1), [eventfd(), eventfd()]);
        let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
        peer::send(&line, &peer::attach().0, &gifts);
        let (answer, _) = peer::receive(&line);
        assert_eq!(answer[8], 5, "a Refuse and no Ready");
        assert_eq!(peer::reason(&answer).0, 13);
        drop(attendant);
    });
}
