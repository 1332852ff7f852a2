//! Reading along: true frames only, with what was lost counted, of connections that know nothing of it; and only where it is allowed.

mod record;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Direction, ErrorKind, Listener, Lost, Tap};

use record::quote;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-tap-{name}-{}", std::process::id()))
}

/// A handshake with a thread that may be stalled for seconds is waited for.
fn patient(config: &Config) -> Config {
    config.clone().handshake_timeout(Duration::from_secs(20))
}

fn listener(config: &Config, name: &str) -> Listener {
    patient(config)
        .allow_tap(true)
        .bind(path(name).as_path())
        .unwrap()
}

/// Both ends of a new connection.
fn pair(listener: &mut Listener, client: &Config) -> (Connection, Connection) {
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let client = scope.spawn(|| patient(client).connect(path).unwrap());
        let server = listener
            .accept_deadline(Instant::now() + Duration::from_secs(30))
            .unwrap();
        (server, client.join().unwrap())
    })
}

/// Does `ask` while the listener answers.
fn attended<T: Send>(listener: &mut Listener, ask: impl FnOnce(&Path) -> T + Send) -> T {
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let asking = scope.spawn(move || ask(&path));
        while !asking.is_finished() {
            assert!(listener.try_accept().unwrap().is_none());
            thread::sleep(Duration::from_millis(1));
        }
        asking.join().unwrap()
    })
}

fn tapped(listener: &mut Listener) -> Tap {
    attended(listener, |path| patient(&Config::new()).tap(path).unwrap())
}

/// Everything that is there, of all lanes.
fn all(tap: &mut Tap) -> Vec<(u64, Direction, u16, Vec<u8>)> {
    let mut seen = Vec::new();
    for lane in tap.lanes().iter_mut() {
        let mut payload = Vec::new();
        while let Some(frame) = lane.try_recv(&mut payload).unwrap() {
            seen.push((
                lane.connection(),
                lane.direction(),
                frame.kind,
                payload.clone(),
            ));
        }
    }
    seen
}

/// A frame that expires is shown with its moment, and without the bytes that tell it, also to a tap that comes to it by a pad or in a group.
#[test]
fn frames_that_expire_are_seen_as_they_were_sent() {
    let config = Config::new().alignment(64);
    let mut listener = listener(&config, "expires");
    let (mut server, mut client) = pair(&mut listener, &config);
    server.receiver().drop_expired(true).unwrap();
    let mut tap = tapped(&mut listener);
    all(&mut tap);
    // Whoever sends what has expired is told so: this is to be later than the last of them, where this thread is stalled between them too.
    let expires = Instant::now() + Duration::from_secs(4);
    let sender = client.sender();
    sender.send_kind_expiring(3, b"quote", expires).unwrap();
    sender.send(b"plain").unwrap();
    sender.reserve_aligned(64, 64).unwrap().commit();
    let mut group = sender.group();
    group.send_expiring(b"", expires).unwrap();
    group.send_kind_expiring(4, &[7; 3000], expires).unwrap();
    group.publish();
    let over = expires + Duration::from_millis(10);
    thread::sleep(over.saturating_duration_since(Instant::now()));
    let mut seen = Vec::new();
    let mut payload = Vec::new();
    let lane = &mut tap.lanes()[0];
    while let Some(frame) = lane.try_recv(&mut payload).unwrap() {
        seen.push((frame.kind, payload.clone(), frame.expires, frame.position));
    }
    let (some, aligned) = (Some(expires), seen[2].1.clone());
    assert_eq!(aligned.len(), 64);
    let expected = [
        (3, b"quote".to_vec(), some),
        (0, b"plain".to_vec(), None),
        (0, aligned, None),
        (0, Vec::new(), some),
        (4, vec![7; 3000], some),
    ];
    let first = seen[0].3;
    let seen: Vec<_> = seen
        .into_iter()
        .map(|(kind, bytes, at, _)| (kind, bytes, at))
        .collect();
    assert_eq!(seen, expected);
    // The receiver, which came later, sees what is not stale, at the same places.
    let frame = server.receiver().recv().unwrap();
    assert_eq!(
        (frame.to_vec(), frame.position()),
        (b"plain".to_vec(), first + 24)
    );
    drop(frame);
    assert_eq!(server.receiver().recv().unwrap().len(), 64);
    assert!(server.receiver().try_recv().is_err());
    assert_eq!(server.receiver().expired(), 3);
}

#[test]
fn both_directions_of_every_connection_are_seen_with_their_schemas() {
    let (sends, expects) = (quote(&[("price", 8)]), quote(&[("size", 8)]));
    let config = Config::new().sends(sends.clone()).expects(expects.clone());
    let mut listener = listener(&config, "both");
    // One that says more of its frames than the listener knows, one that says the same.
    let more = quote(&[("size", 8), ("flags", 4)]);
    let (mut server, mut client) = pair(&mut listener, &Config::new().sends(more.clone()));
    let (_one, _other) = pair(&mut listener, &Config::new().sends(expects.clone()));
    server.sender().send(b"before").unwrap();
    let mut tap = tapped(&mut listener);
    assert_eq!(tap.lanes().len(), 4);
    assert_eq!(all(&mut tap), [], "what was sent before is history");
    let first = tap.lanes()[0].connection();
    let schemas: Vec<_> = tap
        .lanes()
        .iter()
        .map(|lane| lane.schema().cloned())
        .collect();
    assert_eq!(
        schemas,
        [Some(more), Some(sends.clone()), Some(expects), Some(sends)]
    );
    assert_eq!(
        tap.lanes()[0].peer().pid,
        i32::try_from(std::process::id()).ok()
    );
    for (kind, payload) in [(0, &b"one"[..]), (7, b""), (9, &[5; 3000])] {
        client.sender().send_kind(kind, payload).unwrap();
        server.sender().send_kind(kind + 1, payload).unwrap();
    }
    let seen = all(&mut tap);
    let from_client = |kind, bytes: &[u8]| (first, Direction::FromClient, kind, bytes.to_vec());
    let to_client = |kind, bytes: &[u8]| (first, Direction::ToClient, kind, bytes.to_vec());
    let expected = [
        from_client(0, b"one"),
        from_client(7, b""),
        from_client(9, &[5; 3000]),
        to_client(1, b"one"),
        to_client(8, b""),
        to_client(10, &[5; 3000]),
    ];
    assert_eq!(seen, expected);
    // Neither side lost a frame by it.
    assert_eq!(client.receiver().recv().unwrap().to_vec(), b"before");
    for expected in [&b"one"[..], b"", &[5; 3000]] {
        assert_eq!(client.receiver().recv().unwrap().to_vec(), expected);
        assert_eq!(server.receiver().recv().unwrap().to_vec(), expected);
    }
    // A later connection is found, one that the caller has removed is not found again.
    tap.lanes().retain(|lane| lane.connection() == first);
    let (_server, mut late) = pair(&mut listener, &Config::new().sends(quote(&[("size", 8)])));
    attended(&mut listener, |_| tap.refresh().map(|()| tap))
        .map(|mut tap| {
            assert_eq!(tap.lanes().len(), 4);
            assert_eq!(all(&mut tap), []);
            late.sender().send(b"late").unwrap();
            client.sender().send(b"last").unwrap();
            drop((client, server));
            let payloads: Vec<_> = all(&mut tap).into_iter().map(|frame| frame.3).collect();
            assert_eq!(payloads, [b"last", b"late"]);
            let over: Vec<_> = tap.lanes().iter().map(ringway::TapLane::is_over).collect();
            assert_eq!(over, [true, true, false, false]);
            assert!(
                tap.lanes()
                    .iter()
                    .all(|lane| lane.lost() == Lost::default())
            );
        })
        .unwrap();
}

/// More connections than are shown in one answer.
#[test]
fn many_connections_are_shown_in_several_answers() {
    let mut listener = listener(&Config::new(), "many");
    let small = Config::new().capacity(4096).peer_capacity(4096);
    let pairs: Vec<_> = (0..40).map(|_| pair(&mut listener, &small)).collect();
    let mut tap = tapped(&mut listener);
    assert_eq!(tap.lanes().len(), 80);
    drop(pairs);
    assert_eq!(all(&mut tap), []);
    assert!(tap.lanes().iter().all(ringway::TapLane::is_over));
    assert_eq!(
        tapped(&mut listener).lanes().len(),
        0,
        "nobody is there any more"
    );
}

#[test]
fn who_may_not_read_along_is_told_why() {
    let patient = patient(&Config::new());
    let mut listener = patient.bind(path("forbidden").as_path()).unwrap();
    let error = attended(&mut listener, |path| patient.tap(path).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Feature);
    assert!(error.to_string().contains("Config::allow_tap"), "{error}");
    let error = Config::new().tap(path("nobody")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn an_attendant_answers_observers_and_refuses_clients_until_it_is_dropped() {
    let mut listener = listener(&Config::new(), "attended");
    let (server, mut client) = pair(&mut listener, &Config::new());
    let attendant = listener.attend().unwrap();
    let there = attendant.path().to_path_buf();
    let patient = patient(&Config::new());
    let mut tap = patient.tap(there.as_path()).unwrap();
    assert_eq!(all(&mut tap), []);
    let error = patient.connect(there.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    client.sender().send(b"x").unwrap();
    assert_eq!(all(&mut tap).len(), 1);
    tap.refresh().unwrap();
    assert_eq!(tap.lanes().len(), 2);
    drop(attendant);
    assert!(!there.exists());
    assert_eq!(tap.refresh().unwrap_err().kind(), ErrorKind::NotFound);
    drop(server);
    assert_eq!(all(&mut tap), []);
    assert!(tap.lanes().iter().all(ringway::TapLane::is_over));
}

/// A stream at full rate through a small ring: what is seen is whole and in order, and the rest is counted.
#[test]
fn under_load_only_true_frames_are_shown() {
    const FRAMES: u64 = 300_000;
    let mut listener = listener(&Config::new(), "load");
    let small = Config::new().capacity(16_384);
    let (mut server, mut client) = pair(&mut listener, &small);
    let mut tap = tapped(&mut listener);
    let lane = &mut tap.lanes()[0];
    let mut payload = Vec::new();
    assert_eq!(lane.try_recv(&mut payload).unwrap(), None);
    let finished = AtomicBool::new(false);
    let (seen, lost) = thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = Vec::new();
            for number in 0..FRAMES {
                bytes.clear();
                // Lengths that differ, each byte of the number.
                bytes.resize(8 + (number % 97) as usize * 8, 0);
                for word in bytes.chunks_exact_mut(8) {
                    word.copy_from_slice(&number.to_le_bytes());
                }
                client.sender().send(&bytes).unwrap();
            }
            // The last look of the tap finds its place by this.
            let _ = client.sender().arm(8);
            finished.store(true, Ordering::Release);
        });
        scope.spawn(|| (0..FRAMES).for_each(|_| drop(server.receiver().recv().unwrap())));
        let (mut seen, mut last) = (0, None);
        loop {
            let done = finished.load(Ordering::Acquire);
            match lane.try_recv(&mut payload).unwrap() {
                Some(_) => {
                    let number = u64::from_le_bytes(payload[..8].try_into().unwrap());
                    assert_eq!(payload.len() as u64, 8 + number % 97 * 8);
                    let words = payload.chunks_exact(8);
                    assert!(
                        words.into_iter().all(|word| word == number.to_le_bytes()),
                        "torn"
                    );
                    assert!(last.is_none_or(|last| last < number), "out of order");
                    last = Some(number);
                    seen += 1;
                    assert_eq!(seen + lane.lost().frames, number + 1, "not counted");
                }
                None if done => return (seen, lane.lost()),
                None => {}
            }
        }
    });
    assert_eq!(seen + lost.frames, FRAMES);
    assert!(seen > 0);
}

/// In a child of a fork, which has none of the mappings.
#[test]
fn a_child_of_a_fork_is_told() {
    let mut listener = listener(&Config::new(), "fork");
    let (_server, _client) = pair(&mut listener, &Config::new());
    let mut tap = tapped(&mut listener);
    let mut payload = Vec::with_capacity(64);
    let lane = &mut tap.lanes()[0];
    // SAFETY: the child makes one call that allocates an error's text, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let told = lane.try_recv(&mut payload);
        let forked = told.is_err_and(|error| error.kind() == ErrorKind::Forked);
        // SAFETY: `_exit` ends the process and runs nothing.
        unsafe { libc::_exit(i32::from(!forked)) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
}

/// None of them keeps another waiting, however much it has.
#[test]
fn the_frames_of_several_lanes_are_seen_by_turns() {
    let config = Config::new().lanes(3);
    let mut listener = listener(&config, "turns");
    let (mut server, _client) = pair(&mut listener, &config);
    let mut tap = tapped(&mut listener);
    all(&mut tap);
    for lane in 0..3 {
        for _ in 0..4 {
            server.sender().at(lane).unwrap().send(b"some").unwrap();
        }
    }
    let is_ours = |lane: &&mut ringway::TapLane| lane.direction() == Direction::ToClient;
    let lane = tap.lanes().iter_mut().find(is_ours).unwrap();
    let (mut seen, mut payload) = (Vec::new(), Vec::new());
    while let Some(frame) = lane.try_recv(&mut payload).unwrap() {
        seen.push(frame.priority);
    }
    let turn = [seen[0], (seen[0] + 1) % 3, (seen[0] + 2) % 3];
    assert_eq!(seen, turn.repeat(4));
}

#[test]
fn the_number_of_the_format_is_told() {
    let config = Config::new().codec(1000);
    let mut listener = listener(&config, "codec");
    let _both = pair(&mut listener, &config);
    let mut tap = tapped(&mut listener);
    assert_eq!(tap.observed().codec(), 1000);
    assert_eq!(tap.lanes().len(), 2);
    assert!(tap.lanes().iter().all(|lane| lane.codec() == 1000));
}
