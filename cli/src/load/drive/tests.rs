//! A client's turns, against services that play a part.

use super::*;

#[derive(Default)]
struct Told(Vec<Record>);

impl Sink for Told {
    fn add(&mut self, record: Record) {
        self.0.push(record);
    }

    fn trouble(&mut self, why: &str) {
        panic!("{why}");
    }
}

/// A service that took requests, answered all of them and went: that nothing more can be sent to it takes no answer back.
#[test]
fn what_was_answered_before_the_end_is_counted_as_answered() {
    let path = std::env::temp_dir().join(format!("ringway-drive-{}", std::process::id()));
    let config = Config::new().handshake_timeout(Duration::from_secs(20));
    let mut listener: ringway::Listener = config.bind(path.as_path()).unwrap();
    let service = std::thread::spawn(move || {
        let (mut sender, mut receiver) = listener.accept().unwrap().split();
        let taken: Vec<Vec<u8>> = (0..100)
            .map(|_| receiver.recv().unwrap().to_vec())
            .collect();
        for request in &taken {
            sender.send(request).unwrap();
        }
    });
    let (mut sender, mut receiver) = config.connect(path.as_path()).unwrap().split();
    let due = now();
    let request = |number| Sent {
        number,
        bytes: 8,
        due,
        at: due,
    };
    let mut client = Client {
        next: None,
        under_way: VecDeque::new(),
        buffer: Vec::new(),
        reply: Vec::new(),
        verify: true,
        last: due + 60_000_000_000,
        full: false,
    };
    for number in 0..100 {
        fill(&mut client.buffer, number, 8);
        sender.send(&client.buffer).unwrap();
        client.under_way.push_back(request(number));
    }
    service.join().unwrap();
    client.next = Some(request(100));
    let mut numbers = 101..;
    let mut take = || numbers.next().map(request);
    let mut told = Told::default();
    let turn = client.turn(&mut sender, &mut receiver, &mut take, &mut told);
    assert_eq!(turn, Err(Outcome::PeerClosed));
    assert_eq!(told.0.len(), 100);
    assert!(
        told.0
            .iter()
            .all(|record| record.outcome == Outcome::Answered)
    );
    // What it had not taken is what fails.
    assert!(client.under_way.iter().all(|sent| sent.number >= 100));
}

/// What has come when its client wakes counts, also if no time is left behind the first of it.
#[test]
fn all_that_came_while_it_slept_is_taken_at_once() {
    let path = std::env::temp_dir().join(format!("ringway-drive-woken-{}", std::process::id()));
    let config = Config::new().handshake_timeout(Duration::from_secs(20));
    let mut listener: ringway::Listener = config.bind(path.as_path()).unwrap();
    let service = std::thread::spawn(move || {
        let (mut sender, mut receiver) = listener.accept().unwrap().split();
        assert_eq!(receiver.recv().unwrap().len(), 8);
        // Until it sleeps, mostly.
        std::thread::sleep(Duration::from_millis(50));
        let mut group = sender.group();
        for _ in 0..10 {
            group.try_send(b"repliesX").unwrap();
        }
        group.publish();
        receiver.recv().unwrap_err()
    });
    let (mut sender, mut receiver) = config.connect(path.as_path()).unwrap().split();
    sender.send(&[0; 8]).unwrap();
    let due = now();
    let mut client = Client {
        next: None,
        under_way: VecDeque::new(),
        buffer: Vec::new(),
        reply: Vec::new(),
        verify: false,
        last: due + 60_000_000_000,
        full: false,
    };
    client.under_way.extend((0..10).map(|number| Sent {
        number,
        bytes: 8,
        due,
        at: due,
    }));
    let mut told = Told::default();
    let turn = client.turn(&mut sender, &mut receiver, &mut || None, &mut told);
    assert_eq!((turn, told.0.len()), (Ok(()), 10));

    // And nothing is sent when it is too late for a reply.
    client.last = now();
    client.next = Some(Sent {
        number: 10,
        bytes: 8,
        due,
        at: 0,
    });
    let turn = client.turn(&mut sender, &mut receiver, &mut || None, &mut told);
    assert_eq!(turn, Ok(()));
    assert!(client.next.is_some() && client.under_way.is_empty());
    drop((sender, receiver));
    service.join().unwrap();
}

#[test]
fn payloads_differ_and_have_their_length() {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for bytes in [0, 1, 7, 8, 9, 64] {
        fill(&mut one, 1, bytes);
        fill(&mut other, 2, bytes);
        assert_eq!(one.len(), bytes);
        assert!(bytes == 0 || one != other, "{bytes}");
    }
}
