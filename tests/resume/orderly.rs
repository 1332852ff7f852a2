//! Both sides in one process: what is said of each frame, where the server closes in order.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringway::batch::{Batcher, Bounds};
use ringway::typed;
use ringway::{
    Config, Connection, Listener, RecvError, Redelivery, Resumed, SendError, Sender, SharedSender,
    Wait,
};

use super::client::soon;
use super::server::Request;

pub(crate) fn path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ringway-orderly-{}-{number}", std::process::id());
    std::env::temp_dir().join(name)
}

pub(crate) fn config() -> Config {
    Config::new()
        .resumable(true)
        .capacity(4096)
        .peer_capacity(4096)
        .handshake_timeout(Duration::from_secs(20))
}

/// A listener, the server's end, and the client's.
pub(crate) fn pair(server: &Config, client: &Config) -> (Listener, Connection, Connection) {
    let mut listener = server.bind(path()).unwrap();
    let (accepted, connected) = meet(&mut listener, |path| client.connect(path).unwrap());
    (listener, accepted, connected)
}

/// The server's end, and what the client makes.
pub(crate) fn meet<T: Send>(
    listener: &mut Listener,
    client: impl FnOnce(PathBuf) -> T + Send,
) -> (Connection, T) {
    let path = listener.path().to_path_buf();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| client(path));
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}

/// The next server's end, and the client's connection that is resumed with it.
pub(crate) fn resume(
    listener: &mut Listener,
    config: &Config,
    lost: Connection,
) -> (Connection, Resumed) {
    meet(listener, |path| config.resume(path, lost, soon()).unwrap())
}

/// Receives until the end, and says how it was.
pub(crate) fn end(connection: &mut Connection) -> RecvError {
    loop {
        if let Err(error) = connection.receiver().recv_deadline(soon()) {
            return error;
        }
    }
}

pub(crate) fn send(sender: &mut Sender, numbers: std::ops::Range<u8>) {
    for number in numbers {
        sender.send(&[number]).unwrap();
    }
}

/// What is there: the first byte of each frame, what is said of it, and its position.
pub(crate) fn rest(server: &mut Connection) -> Vec<(u8, Redelivery, u64)> {
    let mut found = Vec::new();
    while let Ok(frame) = server.receiver().try_recv() {
        found.push((frame.to_vec()[0], frame.redelivery(), frame.position()));
    }
    found
}

fn said(found: &[(u8, Redelivery, u64)]) -> Vec<(u8, Redelivery)> {
    found
        .iter()
        .map(|(number, said, _)| (*number, *said))
        .collect()
}

use Redelivery::{First, InDoubt, Unseen};

#[test]
fn what_was_released_is_not_sent_again_and_the_rest_is_unseen() {
    for wait in [Wait::Adaptive, Wait::Park, Wait::Spin] {
        let config = config().wait(wait);
        let (mut listener, mut server, mut client) = pair(&config, &config);
        send(client.sender(), 0..5);
        let mut positions = Vec::new();
        for _ in 0..3 {
            positions.push(server.receiver().recv().unwrap().position());
        }
        server.sender().send(b"last words").unwrap();
        let before = server.lineage().unwrap();
        assert_eq!(client.lineage(), Some(before));
        assert_eq!(before.generation, 0);
        drop(server);
        assert_eq!(client.receiver().recv().unwrap().to_vec(), b"last words");
        assert_eq!(end(&mut client), RecvError::Closed);

        let (mut server, mut resumed) = resume(&mut listener, &config, client);
        assert_eq!((resumed.unseen(), resumed.in_doubt()), (2, 0));
        let lane = resumed.redelivered[0];
        assert_eq!((lane.from, lane.taken, lane.to), (48, 48, 80));
        let after = server.lineage().unwrap();
        assert_eq!((after.token, after.generation), (before.token, 1));
        assert_eq!(resumed.connection.sender().position(), lane.to);
        send(resumed.connection.sender(), 5..6);
        let found = rest(&mut server);
        assert_eq!(found, [(3, Unseen, 48), (4, Unseen, 64), (5, First, 80)]);
        assert_eq!(positions, [0, 16, 32]);
        // And back, by a lane that begins anew.
        server.sender().send(b"hello again").unwrap();
        let answer = resumed.connection.receiver().recv().unwrap().to_vec();
        assert_eq!(answer, b"hello again");
    }
}

/// It has said where its lanes start, of what it took too, before the client sends: nothing is in doubt that it never saw.
#[test]
fn a_server_that_took_nothing_leaves_everything_unseen() {
    let config = config();
    let (mut listener, mut server, mut client) = pair(&config, &config);
    send(client.sender(), 0..5);
    for _ in 0..3 {
        drop(server.receiver().recv().unwrap());
    }
    drop(server);
    for _ in 0..3 {
        assert_eq!(end(&mut client), RecvError::Closed);
        let (server, resumed) = resume(&mut listener, &config, client);
        assert_eq!((resumed.unseen(), resumed.in_doubt()), (2, 0));
        client = resumed.connection;
        drop(server);
    }
    assert_eq!(end(&mut client), RecvError::Closed);
    let (mut server, _resumed) = resume(&mut listener, &config, client);
    assert_eq!(rest(&mut server), [(3, Unseen, 48), (4, Unseen, 64)]);
}

#[test]
fn what_was_taken_and_not_released_is_in_doubt_and_stays_so() {
    let config = config();
    let (mut listener, mut server, mut client) = pair(&config, &config);
    send(client.sender(), 0..6);
    server.receiver().hold(true);
    for _ in 0..3 {
        drop(server.receiver().recv().unwrap());
    }
    server.receiver().rewind();
    drop(server.receiver().recv().unwrap());
    server.receiver().release();
    drop(server);
    end(&mut client);
    // One is released, two more were taken.
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (3, 2));
    let mut client = resumed.connection;
    send(client.sender(), 6..7);
    // The second server comes as far as the first frame, and is not done with it.
    server.receiver().hold(true);
    let first = server.receiver().recv().unwrap();
    assert_eq!((first.to_vec()[0], first.redelivery()), (1, InDoubt));
    drop(first);
    drop(server);
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    // Frame 2, which the second server did not see, was seen by the first.
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (4, 2));
    let mut client = resumed.connection;
    send(client.sender(), 7..8);
    // The third sees all but the last of those that were sent again.
    server.receiver().hold(true);
    for _ in 0..5 {
        drop(server.receiver().recv().unwrap());
    }
    drop(server);
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (2, 5));
    assert_eq!(server.lineage().unwrap().generation, 3);
    let expected = [
        (1, InDoubt),
        (2, InDoubt),
        (3, InDoubt),
        (4, InDoubt),
        (5, InDoubt),
        (6, Unseen),
        (7, Unseen),
    ];
    assert_eq!(said(&rest(&mut server)), expected);
    drop(resumed);
}

#[test]
fn a_frame_that_was_copied_out_is_finished_with_when_the_next_one_is_asked_for() {
    let config = config();
    let (mut listener, mut server, mut client) = pair(&config, &config);
    assert_eq!(server.receiver().last_position(), None);
    let mut sent = Vec::new();
    for number in 0..4 {
        sent.push(Some(client.sender().position()));
        send(client.sender(), number..number + 1);
    }
    let mut byte = [0];
    for number in 0..2 {
        server.receiver().recv_into(&mut byte).unwrap();
        assert_eq!(byte, [number]);
        assert_eq!(server.receiver().last_position(), sent[usize::from(number)]);
    }
    // Its handler has frame 1 still.
    drop(server);
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (2, 1));
    let mut client = resumed.connection;
    server.receiver().recv_into(&mut byte).unwrap();
    assert_eq!((byte, server.receiver().last_redelivery()), ([1], InDoubt));
    assert_eq!(server.receiver().last_position(), sent[1]);
    server.receiver().recv_into(&mut byte).unwrap();
    assert_eq!((byte, server.receiver().last_redelivery()), ([2], Unseen));
    assert_eq!(server.receiver().last_position(), sent[2]);
    // Coming back in vain counts too, and so does saying so.
    server.receiver().release();
    drop(server);
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 0));
    server.receiver().recv_into(&mut byte).unwrap();
    assert_eq!(
        server.receiver().try_recv_into(&mut byte),
        Err(RecvError::Empty)
    );
    let mut client = resumed.connection;
    drop(server);
    end(&mut client);
    let (server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (0, 0));
    drop((server, resumed));
}

#[test]
fn each_priority_goes_on_from_where_it_was() {
    let config = config().lanes(3);
    let (mut listener, mut server, mut client) = pair(&config, &config);
    for priority in [0, 1, 2] {
        let at = priority as u8 * 50;
        send(&mut client.sender().at(priority).unwrap(), at..at + 5);
    }
    for _ in 0..7 {
        drop(server.receiver().recv().unwrap());
    }
    // Five of the first, two of the second; and one more is with its handler.
    server.receiver().hold(true);
    drop(server.receiver().recv().unwrap());
    drop(server);
    end(&mut client);
    let (mut server, mut resumed) = resume(&mut listener, &config, client);
    let counts: Vec<_> = resumed
        .redelivered
        .iter()
        .map(|lane| (lane.from, lane.unseen, lane.in_doubt))
        .collect();
    assert_eq!(counts, [(80, 0, 0), (32, 2, 1), (0, 5, 0)]);
    send(resumed.connection.sender(), 5..6);
    let found = said(&rest(&mut server));
    assert_eq!(found[..3], [(5, First), (52, InDoubt), (53, Unseen)]);
    assert_eq!(found.len(), 9);
}

#[test]
fn frames_keep_their_kind_their_alignment_and_their_moment() {
    let config = config().alignment(64);
    let (mut listener, mut server, mut client) = pair(&config, &config);
    let expires = Instant::now() + Duration::from_secs(3600);
    let sender = client.sender();
    assert_eq!(sender.position(), 0);
    sender.send_kind(7, b"first").unwrap();
    let mut reservation = sender.reserve_aligned(10, 64).unwrap().kind(8);
    reservation.copy_from_slice(b"0123456789");
    reservation.commit();
    let third = sender.position();
    sender.send_kind_expiring(9, b"third", expires).unwrap();
    // And one that is lost in a guard, which the next call publishes.
    let mut group = sender.group();
    group.send_kind(10, b"fourth").unwrap();
    std::mem::forget(group);
    drop(server.receiver().recv().unwrap());
    drop(server);
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (3, 0));
    let receiver = server.receiver();
    let frame = receiver.recv().unwrap();
    assert_eq!((frame.kind(), frame.redelivery()), (8, Unseen));
    assert_eq!(frame.to_vec(), b"0123456789");
    // SAFETY: the peer is this test, and does not write.
    let place = unsafe { frame.as_trusted_slice() }.as_ptr();
    assert_eq!(place as usize % 64, 0);
    drop(frame);
    let frame = receiver.recv().unwrap();
    assert_eq!((frame.kind(), frame.redelivery()), (9, Unseen));
    assert_eq!(frame.position(), third);
    let off = frame.expires().unwrap().max(expires) - frame.expires().unwrap().min(expires);
    assert!(off < Duration::from_millis(1), "{off:?}");
    assert_eq!(frame.to_vec(), b"third");
    drop(frame);
    let frame = receiver.recv().unwrap();
    assert_eq!((frame.kind(), frame.to_vec()), (10, b"fourth".to_vec()));
    drop(frame);
    assert!(receiver.try_recv().is_err());
}

#[test]
fn what_has_expired_meanwhile_is_dropped_by_who_asks_for_that() {
    let client = config();
    let server = config().drop_expired(true);
    let (mut listener, accepted, mut lost) = pair(&server, &client);
    // Again where this thread stood still until it was over: who is told so has sent nothing.
    let sent = loop {
        let soon_over = Instant::now() + Duration::from_millis(30);
        let sent = lost.sender().send_expiring(b"a", soon_over);
        if sent != Err(SendError::Expired) {
            break sent;
        }
    };
    sent.unwrap();
    lost.sender().send(b"b").unwrap();
    drop(accepted);
    end(&mut lost);
    std::thread::sleep(Duration::from_millis(40));
    let (mut accepted, resumed) = resume(&mut listener, &client, lost);
    assert_eq!(resumed.unseen(), 2);
    assert_eq!(rest(&mut accepted), [(b'b', Unseen, 24)]);
    assert_eq!(accepted.receiver().expired(), 1);
}

/// Many laps of a small ring, so that what is sent again wraps, with a server that closes wherever it is.
#[test]
fn a_long_line_of_connections_loses_nothing_and_repeats_only_what_is_in_doubt() {
    let config = config().membarrier(true);
    let (mut listener, mut server, mut client) = pair(&config, &config);
    let (mut sent, mut seen, mut handled) = (0u32, 0u32, 0u32);
    let payload = |number: u32| {
        let mut payload = number.to_le_bytes().to_vec();
        payload.resize(4 + (number * 37 % 300) as usize, 0);
        payload
    };
    for round in 0..60 {
        while client.sender().try_send(&payload(sent)).is_ok() {
            sent += 1;
        }
        // Some are finished with, and then some are only taken.
        for _ in 0..round % 13 {
            let Ok(frame) = server.receiver().try_recv() else {
                break;
            };
            assert_eq!(frame.to_vec(), payload(handled));
            assert!(
                handled >= seen || frame.redelivery() == InDoubt,
                "frame {handled}"
            );
            assert!(
                handled < seen || frame.redelivery() != InDoubt,
                "frame {handled}"
            );
            handled += 1;
            seen = seen.max(handled);
        }
        server.receiver().hold(true);
        for next in handled..handled + round % 3 {
            if let Ok(frame) = server.receiver().try_recv() {
                assert_eq!(frame.to_vec(), payload(next));
                seen = seen.max(next + 1);
            }
        }
        drop(server);
        assert_eq!(end(&mut client), RecvError::Closed);
        let resumed;
        (server, resumed) = resume(&mut listener, &config, client);
        assert_eq!(
            resumed.unseen() + resumed.in_doubt(),
            u64::from(sent - handled)
        );
        assert_eq!(resumed.in_doubt(), u64::from(seen - handled));
        client = resumed.connection;
    }
    assert!(
        client.sender().capacity() == 4096 && handled > 200,
        "{handled}"
    );
}

#[test]
fn what_a_batcher_had_accepted_is_sent_to_the_next_server() {
    let config = config();
    let (mut listener, server, client) = pair(&config, &config);
    let (sender, receiver) = client.split();
    let mut batcher = Batcher::new(sender, Bounds::new());
    for number in 0..20u8 {
        batcher.send(&[number]).unwrap();
    }
    drop(server);
    let client = Connection::reunite(batcher.into_sender(), receiver);
    let mut client = client.unwrap();
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (20, 0));
    assert_eq!(rest(&mut server).len(), 20);
}

#[test]
fn a_shared_sender_is_given_back_by_the_last_who_has_it() {
    let config = config();
    let (mut listener, server, client) = pair(&config, &config);
    let (sender, receiver) = client.split();
    let shared = sender.shared();
    let other = shared.clone();
    shared.send(b"x").unwrap();
    let shared = SharedSender::into_sender(shared).unwrap_err();
    drop(other);
    let sender = shared.into_sender().unwrap();
    drop(server);
    let mut client = Connection::reunite(sender, receiver).unwrap();
    end(&mut client);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!(resumed.unseen(), 1);
    assert_eq!(said(&rest(&mut server)), [(b'x', Unseen)]);
}

#[test]
fn messages_are_sent_again_as_messages() {
    let config = config();
    let mut listener = typed::Listener::<Request, Request>::bind_with(&config, path()).unwrap();
    let at = listener.path().to_path_buf();
    let client = std::thread::spawn({
        let config = config.clone();
        move || typed::connect_with::<Request, Request>(&config, at).unwrap()
    });
    let mut server = listener.accept_deadline(soon()).unwrap();
    let mut client = client.join().unwrap();
    for number in 0..3 {
        let request = Request { number, rest: 1 };
        client.sender().send(&request).unwrap();
    }
    let first = server.receiver().recv().unwrap();
    server.sender().send(&first).unwrap();
    assert_eq!(server.receiver().recv().unwrap().number, 1);
    let lineage = server.lineage();
    drop(server);
    assert_eq!(client.receiver().recv().unwrap().number, 0);
    assert!(client.receiver().recv().unwrap_err().is_closed());
    let halves = client.split();
    let client = typed::Connection::reunite(halves.0, halves.1).unwrap();
    assert_eq!(client.lineage(), lineage);
    let at = listener.path().to_path_buf();
    let resuming =
        std::thread::spawn(move || typed::Connection::resume(&config, at, client, soon()).unwrap());
    let mut server = listener.accept_deadline(soon()).unwrap();
    let resumed = resuming.join().unwrap();
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 1));
    assert_eq!(server.receiver().recv().unwrap().number, 1);
    assert_eq!(server.receiver().last_redelivery(), InDoubt);
    assert_eq!(server.receiver().recv().unwrap().number, 2);
    assert_eq!(server.receiver().last_redelivery(), Unseen);
}
