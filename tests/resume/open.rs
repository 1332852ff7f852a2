//! What was accepted and not published when the server ended: whoever leaves it publishes it all the same, into a ring that nobody reads, and it is sent to the next server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringway::batch::{Batcher, Bounds};
use ringway::{Config, Connection, Group, Receiver, RecvError, Redelivery, Reservation, SendError};

use super::client::{connect, soon};
use super::orderly::{config, end, pair, path, rest, resume};
use super::process::{Child, alone, fork};

const LIMIT: Duration = Duration::from_secs(120);

/// A server that takes nothing, and how it will end.
enum Server {
    Killed(Child),
    Closes(Box<Connection>),
}

impl Server {
    fn end(self) {
        match self {
            Self::Killed(mut child) => {
                child.signal(libc::SIGKILL);
                child.reap_killed();
            }
            Self::Closes(connection) => drop(connection),
        }
    }
}

/// A client, its server, and where the next one is to listen.
fn start(config: &Config, is_killed: bool) -> (Connection, Server, PathBuf) {
    if !is_killed {
        let (listener, server, client) = pair(config, config);
        let at = listener.path().to_path_buf();
        return (client, Server::Closes(Box::new(server)), at);
    }
    let at = path();
    let server = fork(|| {
        let mut listener = config.bind(at.as_path()).unwrap();
        let _server = listener.accept_deadline(soon()).unwrap();
        std::thread::sleep(Duration::from_secs(100));
    });
    (connect(config, &at), Server::Killed(server), at)
}

/// What the next server gets of what `lost` had sent, in order. Nobody has seen any of it.
fn next(config: &Config, at: &Path, mut lost: Connection) -> Vec<u8> {
    let ended = end(&mut lost);
    assert!(
        matches!(ended, RecvError::PeerDied | RecvError::Closed),
        "{ended:?}"
    );
    let mut listener = config.bind(at).unwrap();
    let (mut server, mut resumed) = resume(&mut listener, config, lost);
    assert_eq!(resumed.in_doubt(), 0);
    let found = rest(&mut server);
    assert_eq!(resumed.unseen(), found.len() as u64);
    assert!(found.iter().all(|frame| frame.1 == Redelivery::Unseen));
    // It goes on behind them.
    let behind = resumed.connection.sender().position();
    resumed.connection.sender().send(&[255]).unwrap();
    assert_eq!(rest(&mut server), [(255, Redelivery::First, behind)]);
    found.into_iter().map(|frame| frame.0).collect()
}

fn numbers(count: u8) -> Vec<u8> {
    (0..count).collect()
}

/// What a sender says of a server that has ended so.
fn ended(is_killed: bool) -> SendError {
    if is_killed {
        SendError::PeerDied
    } else {
        SendError::Closed
    }
}

/// Runs `body` with servers that are killed, and with such as close in order.
fn of_each(name: &str, body: impl Fn(bool)) {
    alone(name, LIMIT, || [true, false].into_iter().for_each(body));
}

/// A name, and how a group is left.
type Way = (&'static str, fn(Group<'_>));

#[test]
fn a_group_that_was_open_when_its_server_ended_is_sent_to_the_next_one() {
    let name = "open::a_group_that_was_open_when_its_server_ended_is_sent_to_the_next_one";
    let ways: [Way; 3] = [
        ("published", |group| group.publish()),
        ("dropped", |group| drop(group)),
        ("leaked", |group| std::mem::forget(group)),
    ];
    of_each(name, |is_killed| {
        for (way, leave) in ways {
            for priority in [0, 1] {
                let config = config().lanes(2);
                let (mut client, server, at) = start(&config, is_killed);
                let mut sender = client.sender().at(priority).unwrap();
                sender.send(&[0]).unwrap();
                let mut group = sender.group();
                group.send(&[1]).unwrap();
                server.end();
                // Nobody asks the kernel while there is room.
                group.send(&[2]).unwrap();
                leave(group);
                if way == "leaked" {
                    std::mem::forget(sender);
                } else {
                    // Would publish what was leaked.
                    drop(sender);
                }
                let found = next(&config, &at, client);
                assert_eq!(
                    found,
                    numbers(3),
                    "{way} at {priority}, killed: {is_killed}"
                );
            }
        }
    });
}

#[test]
fn a_group_that_hears_of_the_end_has_sent_what_it_accepted() {
    let name = "open::a_group_that_hears_of_the_end_has_sent_what_it_accepted";
    of_each(name, |is_killed| {
        let config = config();
        let (mut client, server, at) = start(&config, is_killed);
        let mut group = client.sender().group();
        group.send(&[0]).unwrap();
        server.end();
        let mut accepted = 1;
        let error = loop {
            match group.send_deadline(&[accepted], soon()) {
                Ok(()) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, ended(is_killed));
        assert!(accepted > 100, "{accepted}");
        group.publish();
        let found = next(&config, &at, client);
        assert_eq!(found, numbers(accepted), "killed: {is_killed}");
    });
}

#[test]
fn a_reservation_that_was_open_when_its_server_ended_is_sent_if_it_is_committed() {
    let name = "open::a_reservation_that_was_open_when_its_server_ended_is_sent_if_it_is_committed";
    // One that is leaked is the same as one that is dropped: there is nothing to undo.
    let ways: [(fn(Reservation<'_>), u8); 2] =
        [(|place| place.commit(), 2), (|place| drop(place), 1)];
    of_each(name, |is_killed| {
        for (leave, expected) in ways {
            let config = config();
            let (mut client, server, at) = start(&config, is_killed);
            client.sender().send(&[0]).unwrap();
            let mut place = client.sender().reserve(1).unwrap();
            place[0] = 1;
            server.end();
            leave(place);
            assert_eq!(next(&config, &at, client), numbers(expected));

            let (mut client, server, at) = start(&config, is_killed);
            let mut group = client.sender().group();
            group.send(&[0]).unwrap();
            let mut place = group.reserve(1).unwrap();
            place[0] = 1;
            server.end();
            leave(place);
            group.publish();
            assert_eq!(next(&config, &at, client), numbers(expected));
        }
    });
}

/// One that keeps frames back, how many it has accepted, and what is left of the connection.
fn keeps_back(client: Connection) -> (Batcher, u8, Receiver) {
    let (sender, receiver) = client.split();
    let hour = Duration::from_secs(3600);
    let mut batcher = Batcher::new(sender, Bounds::new().budget(hour));
    let mut accepted = 0;
    // Half of the ring unread is a backlog, so that groups begin.
    while !batcher.keeps_back() {
        batcher.try_send(&[accepted; 100]).expect("room");
        accepted += 1;
    }
    (batcher, accepted, receiver)
}

#[test]
fn what_a_batcher_kept_back_when_its_server_ended_is_sent_to_the_next_one() {
    let name = "open::what_a_batcher_kept_back_when_its_server_ended_is_sent_to_the_next_one";
    of_each(name, |is_killed| {
        let config = config().capacity(1 << 14);
        for asks in [false, true] {
            let (client, server, at) = start(&config, is_killed);
            let (mut batcher, accepted, receiver) = keeps_back(client);
            server.end();
            assert!(batcher.keeps_back(), "nothing has published it");
            if asks {
                assert_eq!(batcher.check(), Err(ended(is_killed)));
            }
            let client = Connection::reunite(batcher.into_sender(), receiver).unwrap();
            assert_eq!(next(&config, &at, client), numbers(accepted));
        }
        // And one that goes on to send until it is refused: that frame is not among them.
        let (client, server, at) = start(&config, is_killed);
        let (mut batcher, mut accepted, receiver) = keeps_back(client);
        server.end();
        let error = loop {
            match batcher.send_deadline(&[accepted; 100], soon()) {
                Ok(()) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, ended(is_killed));
        let client = Connection::reunite(batcher.into_sender(), receiver).unwrap();
        assert_eq!(next(&config, &at, client), numbers(accepted));
    });
}
