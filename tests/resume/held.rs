//! What is held and copied out is handed out all the same: if its server ends, the next one is told that it is in doubt.

use ringway::Redelivery::InDoubt;
use ringway::{RecvError, typed};

use super::client::soon;
use super::orderly::{config, end, pair, path, rest, resume, send};
use super::server::Request;

#[test]
fn held_frames_that_were_copied_out_are_in_doubt() {
    let config = config();
    let (mut listener, mut server, mut client) = pair(&config, &config);
    server.receiver().hold(true);
    send(client.sender(), 0..3);
    // As long as the frame, which has a path of its own.
    let mut byte = [0];
    for number in 0..2 {
        assert_eq!(server.receiver().recv_into(&mut byte), Ok(1));
        assert_eq!(byte, [number]);
    }
    assert_eq!(server.receiver().try_recv_into(&mut byte), Ok(1));
    drop(server);
    assert_eq!(end(&mut client), RecvError::Closed);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (0, 3));
    let said: Vec<_> = rest(&mut server).iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(said, [(0, InDoubt), (1, InDoubt), (2, InDoubt)]);
}

/// It is none of those that are held: as ever, its handler has it until it comes back for the next one.
#[test]
fn what_was_copied_out_before_others_are_held_is_finished_with_when_they_are_asked_for() {
    for (lanes, asks) in [(1, false), (1, true), (2, false), (2, true)] {
        let config = config().lanes(lanes);
        let (mut listener, mut server, mut client) = pair(&config, &config);
        send(client.sender(), 0..3);
        let mut byte = [0];
        assert_eq!(server.receiver().recv_into(&mut byte), Ok(1));
        server.receiver().hold(true);
        if asks {
            assert_eq!(server.receiver().recv().unwrap().to_vec(), [1]);
        }
        drop(server);
        assert_eq!(end(&mut client), RecvError::Closed);
        let (mut server, resumed) = resume(&mut listener, &config, client);
        let first = u8::from(asks);
        assert_eq!(resumed.in_doubt(), 1, "{lanes} lanes");
        assert_eq!(resumed.unseen(), u64::from(2 - first), "{lanes} lanes");
        assert_eq!(rest(&mut server)[0].0, first);
    }
}

#[test]
fn held_messages_are_in_doubt_and_say_so_each() {
    let config = config();
    let mut listener = typed::Listener::<Request, Request>::bind_with(&config, path()).unwrap();
    let at = listener.path().to_path_buf();
    let connecting = std::thread::spawn({
        let config = config.clone();
        move || typed::connect_with::<Request, Request>(&config, at).unwrap()
    });
    let mut server = listener.accept_deadline(soon()).unwrap();
    let mut client = connecting.join().unwrap();
    server.receiver().untyped().hold(true);
    for number in 0..3 {
        client.sender().send(&Request { number, rest: 1 }).unwrap();
    }
    for number in 0..3 {
        assert_eq!(server.receiver().recv().unwrap().number, number);
    }
    drop(server);
    assert!(client.receiver().recv().unwrap_err().is_closed());
    let at = listener.path().to_path_buf();
    let resuming =
        std::thread::spawn(move || typed::Connection::resume(&config, at, client, soon()).unwrap());
    let mut server = listener.accept_deadline(soon()).unwrap();
    let resumed = resuming.join().unwrap();
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (0, 3));
    server.receiver().untyped().hold(true);
    for number in 0..3 {
        assert_eq!(server.receiver().recv().unwrap().number, number);
        assert_eq!(server.receiver().last_redelivery(), InDoubt);
    }
}
