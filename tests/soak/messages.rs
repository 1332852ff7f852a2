//! Messages of Rust types, with a head of one length and with a text, in every way of sending them.

use ringway::Config;
use ringway::batch::{Bounds, TypedBatcher};
use ringway::typed::{self, Message, Received, Text};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::process::{Random, mix};
use crate::talk::Talk;
use crate::tally::Count;
use crate::terms::{Terms, soon};

#[derive(Clone, Copy, Debug, PartialEq, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    number: u64,
    check: u64,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
struct Named {
    number: u64,
    name: Text<16>,
}

/// With a text; its length need not suit the alignment.
#[derive(Debug, PartialEq, Message, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Note {
    number: u64,
    text: str,
}

#[derive(Clone, Debug, PartialEq, Message)]
enum Any {
    #[message(kind = 1)]
    Tick(Tick),
    #[message(kind = 2)]
    Named(Named),
    #[message(kind = 3)]
    Note(Received<Note>),
}

const TEXT: &str =
    "what there is to say, from its beginning to where it is cut, and not a letter more";

/// Message `number` of the stream of that seed.
fn message(seed: u64, number: u64) -> Any {
    let check = mix(seed ^ mix(number));
    match check % 3 {
        0 => Any::Tick(Tick { number, check }),
        1 => Any::Named(Named {
            number,
            name: Text::new(&TEXT[..(check >> 8) as usize % 17]).expect("it fits"),
        }),
        _ => {
            let text = &TEXT[..(check >> 8) as usize % TEXT.len()];
            Any::Note(Received::new(&NoteHead { number }, text))
        }
    }
}

fn send_all(mut sender: typed::Sender<Any>, seed: u64, count: u64, draw: &mut Random) {
    let mut number = 0;
    while number < count {
        let end = count.min(number + 1 + draw.below(30));
        match draw.below(4) {
            0 => {
                let mut group = sender.group();
                for number in number..end {
                    group.send_any(&message(seed, number)).unwrap();
                }
                group.publish();
            }
            1 => {
                let mut batcher = TypedBatcher::new(sender, Bounds::new());
                for number in number..end {
                    batcher.send_any(&message(seed, number)).unwrap();
                }
                sender = batcher.into_sender();
            }
            way => {
                for number in number..end {
                    match message(seed, number) {
                        Any::Tick(tick) if way == 2 => {
                            let mut place = sender.reserve_deadline::<Tick>(soon()).unwrap();
                            *place = tick;
                            place.commit();
                        }
                        any => sender.send_any_deadline(&any, soon()).unwrap(),
                    }
                }
            }
        }
        number = end;
    }
}

impl Talk<'_> {
    /// Both ways at once.
    pub(crate) fn messages(&mut self) {
        let terms = Terms::draw(&mut self.draw, 0);
        let mut seeds = [self.draw.next(), self.draw.next()];
        if self.side == 1 {
            seeds.reverse();
        }
        let count = 1 + self.draw.below(12 * self.much);
        let connection = if self.draw.below(2) == self.side {
            let mut listener = typed::Listener::bind_with(&terms.server, self.path).unwrap();
            self.meeting.agree("a listener for messages", count);
            listener.accept_deadline(soon()).unwrap()
        } else {
            self.meeting.agree("a listener for messages", count);
            connect(&terms.client, self.path)
        };
        self.tally.add(Count::Connections, 1);
        let (sender, mut receiver) = connection.split();
        std::thread::scope(|scope| {
            scope.spawn(|| send_all(sender, seeds[0], count, &mut Random::new(seeds[0])));
            for number in 0..count {
                let received: Any = receiver.recv_deadline(soon()).unwrap();
                assert_eq!(
                    received,
                    message(seeds[1], number),
                    "message {number} is not what was sent"
                );
            }
            let end = receiver.recv_deadline(soon());
            assert!(end.is_err_and(|end| end.is_closed()));
        });
        self.tally.add(Count::Messages, count);
        self.meeting.agree("messages", count);
    }
}

fn connect(config: &Config, path: &std::path::Path) -> typed::Connection<Any, Any> {
    typed::connect_with(config, path).unwrap()
}
