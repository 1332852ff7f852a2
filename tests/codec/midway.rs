//! A process is stopped or killed between two encoded messages, or in the middle of one that it encodes or decodes: a message is there whole, or not at all, and once.

use std::cell::Cell;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use ringway::codec::{self, Codec, Connection, Format, MessagePack, Postcard, RecvError};
use ringway::{Config, SendError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pair::{patient, soon};
use crate::process::{Child, alone, fork};

const LIMIT: Duration = Duration::from_secs(120);

thread_local! {
    /// Whether this process is to stop in the middle of the next message.
    static STOPS: Cell<bool> = const { Cell::new(false) };
}

/// Stops this process, until its parent has it go on.
fn stop() {
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0);
}

/// Where a message may be half written, or half read.
#[derive(Debug, PartialEq)]
struct Middle;

impl Serialize for Middle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if STOPS.take() {
            stop();
        }
        serializer.serialize_u8(7)
    }
}

impl<'de> Deserialize<'de> for Middle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if STOPS.take() {
            stop();
        }
        u8::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u64,
    symbols: Vec<String>,
    middle: Middle,
    rest: Vec<u64>,
}

fn order(number: u64) -> Order {
    Order {
        number,
        symbols: vec!["RWY".to_owned(); 20],
        middle: Middle,
        rest: vec![number; 50],
    }
}

type Ours<C> = Connection<C, Order, Order>;

/// Our end, and a child with the other.
fn with_child<C>(body: impl FnOnce(Ours<C>)) -> (Ours<C>, Child)
where
    C: Codec<Order> + Format,
{
    let config = patient(&Config::new().codec(C::ID));
    let path = std::env::temp_dir().join(format!("ringway-codec-midway-{}", std::process::id()));
    let mut listener = config.bind(path.as_path()).unwrap();
    let child = fork(|| body(codec::over(config.connect(path.as_path()).unwrap())));
    (
        codec::over(listener.accept_deadline(soon()).unwrap()),
        child,
    )
}

/// The numbers of the messages that are there.
fn there<C>(ours: &mut Ours<C>) -> Vec<u64>
where
    C: Codec<Order>,
    C::Error: Debug,
{
    let mut numbers = Vec::new();
    loop {
        match ours.receiver().try_recv() {
            Ok(found) => {
                assert_eq!(found, order(found.number));
                numbers.push(found.number);
            }
            Err(RecvError::Recv(_)) => return numbers,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The end, behind all messages, whose numbers these are.
fn end<C>(ours: &mut Ours<C>) -> (Vec<u64>, ringway::RecvError)
where
    C: Codec<Order>,
    C::Error: Debug,
{
    let mut numbers = Vec::new();
    loop {
        match ours.receiver().recv_deadline(soon()) {
            Ok(found) => numbers.push(found.number),
            Err(RecvError::Recv(end)) => return (numbers, end),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn goes_on(child: &mut Child, killed: bool) {
    if killed {
        child.signal(libc::SIGKILL);
        child.reap_killed();
    } else {
        child.signal(libc::SIGCONT);
    }
}

fn a_sender_stands_still<C>()
where
    C: Codec<Order> + Format,
    C::Error: Debug,
{
    for (in_the_middle, killed) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut ours, mut child) = with_child::<C>(|mut theirs| {
            for number in [1, 2] {
                theirs.sender().send(&order(number)).unwrap();
            }
            if in_the_middle {
                STOPS.set(true);
            } else {
                stop();
            }
            for number in [3, 4] {
                theirs.sender().send(&order(number)).unwrap();
            }
        });
        child.until_it_stops();
        assert_eq!(there(&mut ours), [1, 2], "{}", C::NAME);
        let shortly = Instant::now() + Duration::from_millis(20);
        let nothing = ours.receiver().recv_deadline(shortly).unwrap_err();
        assert!(
            matches!(nothing, RecvError::Recv(ringway::RecvError::TimedOut)),
            "{nothing:?}"
        );
        goes_on(&mut child, killed);
        let (numbers, end) = end(&mut ours);
        if killed {
            assert_eq!((numbers, end), (vec![], ringway::RecvError::PeerDied));
        } else {
            assert_eq!((numbers, end), (vec![3, 4], ringway::RecvError::Closed));
            assert_eq!(child.reap(), 0);
        }
    }
}

#[test]
fn an_encoded_message_is_there_whole_or_not_at_all() {
    let name = "midway::an_encoded_message_is_there_whole_or_not_at_all";
    alone(name, LIMIT, || {
        a_sender_stands_still::<Postcard>();
        a_sender_stands_still::<MessagePack>();
    });
}

/// What it has decoded is used up, and what it was at is used up with its death.
#[test]
fn a_receiver_that_stands_in_a_message_has_each_once() {
    let name = "midway::a_receiver_that_stands_in_a_message_has_each_once";
    alone(name, LIMIT, || {
        for killed in [false, true] {
            let (mut ours, mut child) = with_child::<Postcard>(|mut theirs| {
                assert_eq!(theirs.receiver().recv().unwrap().number, 1);
                STOPS.set(true);
                // And says what it had.
                while let Ok(found) = theirs.receiver().recv() {
                    theirs.sender().send(&found).unwrap();
                }
            });
            for number in 1..5 {
                ours.sender().send(&order(number)).unwrap();
            }
            child.until_it_stops();
            assert_eq!(there(&mut ours), []);
            goes_on(&mut child, killed);
            if killed {
                let (numbers, end) = end(&mut ours);
                assert_eq!((numbers, end), (vec![], ringway::RecvError::PeerDied));
                // At the latest when the ring is full.
                let refused = loop {
                    if let Err(refused) = ours.sender().send(&order(5)) {
                        break refused;
                    }
                };
                assert!(
                    matches!(refused, codec::SendError::Send(SendError::PeerDied)),
                    "{refused:?}"
                );
            } else {
                for number in 2..5 {
                    let found = ours.receiver().recv_deadline(soon()).unwrap();
                    assert_eq!(found, order(number));
                }
                drop(ours);
                assert_eq!(child.reap(), 0);
            }
        }
    });
}
