//! What is held and copied out is handed out all the same: if its server ends, the next one is told that it is in doubt.

use std::time::{Duration, Instant};

use ringway::Redelivery::InDoubt;
use ringway::{Arm, Connection, Event, Poller, RecvError, SendError, Turn, Wait, typed};

use super::client::soon;
use super::orderly::{config, end, pair, path, rest, resume, send};
use super::server::Request;
use super::stale;

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
        let position = server.receiver().last_position();
        assert_eq!(position, server.receiver().untyped().last_position());
        assert!(position.is_some());
    }
}

/// Has a poller that has nothing to tell look until there is all the room that there ever is.
fn until_room(poller: &mut Poller, client: &mut Connection, priority: usize) {
    let largest = vec![0; client.sender().max_payload()];
    let end = soon();
    loop {
        let look = Instant::now() + Duration::from_millis(5);
        assert!(poller.event_deadline(look).unwrap().is_none());
        let mut sender = client.sender().at(priority).unwrap();
        match sender.try_send(&largest) {
            Err(SendError::Full) => assert!(Instant::now() < end, "the room is never told"),
            sent => return sent.unwrap(),
        }
    }
}

/// Whoever waits for that room would wait for ever: nothing else comes.
#[test]
fn room_that_a_poller_drops_when_it_falls_asleep_is_told_though_frames_are_held() {
    let config = config().wait(Wait::Park).drop_expired(true);
    let (_listener, mut server, mut client) = pair(&config, &config);
    server.receiver().hold(true);
    // A look drops one of them, where frames are held: the second is dropped by the look behind which it sleeps.
    stale::sent(2, |expires| {
        client.sender().send_expiring(&[0; 1600], expires)
    });
    let mut poller: Poller = Poller::new().unwrap();
    poller.add(server).unwrap();
    until_room(&mut poller, &mut client, 0);
}

/// The same of what a batch has dropped in another lane.
#[test]
fn room_that_a_batch_drops_of_another_lane_is_told_though_frames_are_held() {
    let config = config().lanes(2).wait(Wait::Park).drop_expired(true);
    let (_listener, mut server, mut client) = pair(&config, &config);
    server.receiver().hold(true);
    let mut poller: Poller = Poller::new().unwrap();
    poller.add(server).unwrap();
    client.sender().send(b"held").unwrap();
    let mut low = client.sender().at(1).unwrap();
    stale::sent(1, |expires| low.send_expiring(&[0; 1600], expires));
    drop(low);
    let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
        panic!("no event");
    };
    let mut frames = turn.receiver().recv_batch(10).unwrap();
    assert_eq!(frames.next_frame().unwrap().to_vec(), b"held");
    assert!(frames.next_frame().is_none());
    drop(frames);
    drop(turn);
    until_room(&mut poller, &mut client, 1);
}

fn until_it_sleeps(poller: &mut Poller) {
    let end = soon();
    while poller.arm().unwrap() != Arm::Armed {
        assert!(Instant::now() < end, "it does not sleep");
    }
}

/// A frame as long as there may be, which a server has copied out in the turn that is given, and the frame.
fn copied_out<'a>(
    poller: &'a mut Poller,
    client: &mut Connection,
) -> (Turn<'a, Connection>, Vec<u8>) {
    let mut largest = vec![0; client.sender().max_payload()];
    client.sender().send(&largest).unwrap();
    let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
        panic!("no event");
    };
    let received = turn.receiver().try_recv_into(&mut largest);
    assert_eq!(received, Ok(largest.len()));
    (turn, largest)
}

/// A poller that is armed behind a turn has come back as one that looks for the next event.
#[test]
fn what_was_copied_out_in_a_turn_is_finished_with_when_the_poller_is_armed() {
    for lanes in [1, 2] {
        let config = config().lanes(lanes);
        let (_listener, server, mut client) = pair(&config, &config);
        let mut poller: Poller = Poller::new().unwrap();
        poller.add(server).unwrap();
        let (turn, largest) = copied_out(&mut poller, &mut client);
        drop(turn);
        until_it_sleeps(&mut poller);
        assert_eq!(client.sender().try_send(&largest), Ok(()), "{lanes} lanes");
    }
}

/// One that waits for room has not: what there is no room for may be the answer.
#[test]
fn what_was_copied_out_is_in_hand_while_the_poller_waits_for_room_to_answer_it() {
    let config = config();
    let (_listener, server, mut client) = pair(&config, &config);
    let mut poller: Poller = Poller::new().unwrap();
    poller.add(server).unwrap();
    let (mut turn, largest) = copied_out(&mut poller, &mut client);
    while turn.sender().try_send(&[0; 500]).is_ok() {}
    turn.until_room(500);
    drop(turn);
    until_it_sleeps(&mut poller);
    assert_eq!(client.sender().try_send(&largest), Err(SendError::Full));
    while client.receiver().try_recv().is_ok() {}
    let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
        panic!("no event");
    };
    turn.sender().try_send(b"the answer").unwrap();
    drop(turn);
    until_it_sleeps(&mut poller);
    assert_eq!(client.sender().try_send(&largest), Ok(()));
}
