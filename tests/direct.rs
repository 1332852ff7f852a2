//! The shortest way through a half, as a binding takes it: it does what the usual one does, or nothing.

mod pair;

use std::thread;
use std::time::Duration;

use pair::{pair, soon};
use ringway::{Config, RecvError, SendError, Wait};

#[test]
fn what_is_sent_at_once_is_received_at_once() {
    let config = Config::new().wait(Wait::Spin);
    let (mut server, mut client) = pair("at-once", &config, &config);
    let mut buffer = [0; 64];
    assert!(
        !client.receiver().recv_at_once(&mut buffer),
        "there is none"
    );
    for n in 0..20_000u32 {
        let payload = [n as u8; 64];
        // Where a release is due, or there is no room, the usual way goes on.
        match server.sender().send_at_once(&payload) {
            Some(owed) => assert!(owed.is_nothing(), "who spins is not to be woken"),
            None => server.sender().try_send(&payload).unwrap(),
        }
        if !client.receiver().recv_at_once(&mut buffer) {
            assert_eq!(client.receiver().try_recv_into(&mut buffer), Ok(64));
        }
        assert_eq!(buffer, payload);
    }
}

#[test]
fn most_frames_need_no_other_way() {
    let (mut server, mut client) = pair("mostly", &Config::new(), &Config::new());
    let (mut sent, mut received) = (0, 0);
    let mut buffer = [0; 8];
    for n in 0..10_000u64 {
        match server.sender().send_at_once(&n.to_le_bytes()) {
            Some(owed) => {
                server.sender().settle(owed);
                sent += 1;
            }
            None => server.sender().try_send(&n.to_le_bytes()).unwrap(),
        }
        if client.receiver().recv_at_once(&mut buffer) {
            received += 1;
        } else {
            assert_eq!(client.receiver().try_recv_into(&mut buffer), Ok(8));
        }
        assert_eq!(buffer, n.to_le_bytes());
    }
    assert!(sent > 9_900 && received > 9_900, "{sent} and {received}");
}

#[test]
fn what_is_not_for_it_is_left_alone() {
    let (mut server, mut client) = pair("not-at-once", &Config::new(), &Config::new());
    let mut buffer = [0; 64];
    server.sender().send_kind(3, &[1; 64]).unwrap();
    server.sender().send(&[2; 63]).unwrap();
    assert!(
        !client.receiver().recv_at_once(&mut buffer),
        "it has a kind"
    );
    assert_eq!(client.receiver().recv().unwrap().kind(), 3);
    assert!(
        !client.receiver().recv_at_once(&mut buffer),
        "it is shorter"
    );
    assert_eq!(client.receiver().recv_into(&mut buffer), Ok(63));
    let group = server.sender().group();
    group.publish();
    while server.sender().send_at_once(&[3; 1000]).is_some() {}
    assert_eq!(server.sender().try_send(&[3; 1000]), Err(SendError::Full));
    drop(server);
    let mut large = [0; 1000];
    while client.receiver().recv_at_once(&mut large) {}
    while client
        .receiver()
        .recv_into_deadline(&mut large, soon())
        .is_ok()
    {}
    assert_eq!(client.receiver().try_recv().unwrap_err(), RecvError::Closed);
}

#[test]
fn a_sleeper_is_woken_by_what_is_settled() {
    let config = Config::new().wait(Wait::Park);
    let (mut server, mut client) = pair("settled", &config, &config);
    let sleeper = thread::spawn(move || {
        client
            .receiver()
            .recv_deadline(soon())
            .map(|frame| frame.len())
    });
    // Until it sleeps.
    loop {
        thread::sleep(Duration::from_millis(20));
        let Some(owed) = server.sender().send_at_once(&[7; 64]) else {
            panic!("there is room");
        };
        let asleep = !owed.is_nothing();
        server.sender().settle(owed);
        if asleep || sleeper.is_finished() {
            break;
        }
    }
    assert_eq!(sleeper.join().unwrap(), Ok(64));
}

#[test]
fn who_sees_a_closed_receiver_is_refused_from_then_on() {
    let (mut server, client) = pair("closed", &Config::new(), &Config::new());
    drop(client);
    let owed = server.sender().send_at_once(&[1; 64]).unwrap();
    assert!(!owed.is_nothing(), "the goodbye is in the epoch");
    server.sender().settle(owed);
    assert!(server.sender().send_at_once(&[1; 64]).is_none());
    assert_eq!(server.sender().try_send(&[1; 64]), Err(SendError::Closed));
}
