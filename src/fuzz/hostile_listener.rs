//! A listener that keeps no rule, as an observer meets it: it answers anything, cut anywhere, with files of any kind, is another process each time if it likes, writes any word of what it has shown, and goes
//! at any moment. What is taken of its answers has to keep the rules.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use nix::sys::socket::{Shutdown, shutdown};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::input::Input;
use super::speaker::{Speaker, changed, is_closed, is_refusal, is_rule, soon};
use crate::connection::{ANSWERS, Counters, Handshake};
use crate::error::{Error, ErrorKind};
use crate::hostile::{self, CONTROL, Gift, Message, RING, Segment, is_gone, send};
use crate::layout::counters::{self, CountersHeader};
use crate::layout::geometry::Geometry;
use crate::layout::handshake::{
    self, Hello, Kind, Prefix, ROLE_OBSERVER, SegmentOffer, Shown, Welcome,
};
use crate::layout::schemas::{self, MAX_SCHEMAS, NO_FINGERPRINT};
use crate::layout::{OLDEST_VERSION, VERSION};
use crate::schema::{self, Schema};

/// The most messages of an answer: more than any has.
const MESSAGES: usize = 24;
/// Bytes in a page.
const PAGE: usize = CONTROL;
/// Where a Welcome has what it says of schemas.
const SCHEMA_BYTES_AT: usize = 92;
const FINGERPRINT_AT: usize = 96;
/// Connections that an answer shows, at most.
const AT_ONCE: usize = 16;

/// A file that goes with a message.
#[derive(Clone)]
pub(super) enum File {
    /// One that the listener may write, whole and sealed.
    Own(Rc<Segment>),
    Gift(Gift),
}

impl File {
    /// Its size, if it keeps the rules for what is read of a listener.
    fn size(&self) -> Option<usize> {
        match self {
            Self::Own(own) => Some(own.size()),
            Self::Gift(Gift::Long) => Some(CONTROL + 2 * RING),
            Self::Gift(Gift::Returned) => Some(counters::BYTES),
            Self::Gift(gift) => gift.is_segment().then_some(CONTROL + RING),
        }
    }

    /// Whether it is the counters of a process.
    fn is_counters(&self) -> bool {
        let Self::Own(own) = self else {
            return matches!(self, Self::Gift(Gift::Returned));
        };
        let begin: Vec<u64> = (0..4).map(|word| own.get(8 * word)).collect();
        let header = CountersHeader::read_from_bytes(begin.as_bytes()).expect("it has its length");
        own.size() == counters::BYTES && header == CountersHeader::new(header.pid)
    }

    /// Whether both are one file, the process's own counters among them.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(one), Self::Own(other)) => Rc::ptr_eq(one, other),
            (Self::Gift(one), Self::Gift(other)) => one == other,
            _ => false,
        }
    }
}

/// A connection that was shown: the segments of the listener and of the client.
pub(super) struct Pair {
    pub(super) shown: Shown,
    pub(super) files: [File; 2],
}

/// What was said to one Hello.
struct Answer {
    speaker: Speaker,
    said: Vec<(Vec<u8>, Vec<File>)>,
    /// Bytes of the area of schemas that its last Welcome has told of.
    area: usize,
    /// Nothing comes behind it.
    is_over: bool,
}

/// What an observer knows of a listener.
#[derive(Default)]
pub(super) struct Known {
    /// The counters that it reads.
    pub(super) counters: Option<File>,
    /// The last connection that it was shown.
    pub(super) last: u64,
}

pub(super) struct Listener {
    /// The process's own counters, which it has from elsewhere.
    ours: OwnedFd,
    /// What every record here is.
    schema: Schema,
    /// All that it has made and may write; the last counters among them are those that it shows.
    pub(super) files: Vec<Rc<Segment>>,
    counters: Rc<Segment>,
    /// The number of the last connection that it has shown.
    number: u64,
    answers: Vec<Answer>,
    lines: Vec<OwnedFd>,
    given: Vec<OwnedFd>,
}

impl Listener {
    pub(super) fn new() -> Self {
        let ours =
            std::os::fd::AsFd::as_fd(&Counters::own().expect("counters")).try_clone_to_owned();
        let counters = new_counters();
        Self {
            ours: ours.expect("a descriptor more"),
            schema: Schema {
                records: Vec::new().into(),
            },
            files: vec![Rc::clone(&counters)],
            counters,
            number: 0,
            answers: Vec::new(),
            lines: Vec::new(),
            given: Vec::new(),
        }
    }

    /// The schema of all that it sends.
    pub(super) fn schema(&self) -> Schema {
        self.schema.clone()
    }

    /// A line to it, at whose other end lies all that it will ever say there.
    pub(super) fn line(&mut self, input: &mut Input<'_>) -> OwnedFd {
        let (theirs, ours) = Handshake::sockets().expect("two sockets");
        let mut speaker = Speaker::new(ours);
        speaker
            .offered
            .push(self.ours.try_clone().expect("a descriptor more"));
        let mut answer = Answer {
            speaker,
            said: Vec::new(),
            area: 0,
            is_over: false,
        };
        for _ in 0..MESSAGES {
            match input.u8() % 12 {
                0 => {
                    answer.is_over = true;
                    shutdown(answer.speaker.line.as_raw_fd(), Shutdown::Write).expect("a socket");
                    break;
                }
                // It has stopped, and keeps its end.
                1 => break,
                2 => {
                    // It is gone, and hears nothing.
                    answer.is_over = true;
                    answer.speaker.line = Handshake::sockets().expect("two sockets").0;
                    break;
                }
                3 | 4 => self.welcome(&mut answer, input, false),
                5 => self.welcome(&mut answer, input, true),
                6..=8 => self.shows(&mut answer, input, false),
                9 => self.shows(&mut answer, input, true),
                10 => {
                    let mut orderly = Input::new(&[]);
                    let count = usize::from(input.u8()) % (AT_ONCE + 2);
                    (0..count).for_each(|_| self.shows(&mut answer, &mut orderly, false));
                }
                _ => match input.u8() % 4 {
                    0 => answer.say_cut(&hostile::welcome(), input.u8()),
                    1 => answer.say_cut(&self.shown(1, 1, (0, 0)), input.u8()),
                    2 => answer.say(&changed(hostile::refuse(5, "no more"), input), &[]),
                    _ => {
                        let length = usize::from(input.u8());
                        answer.say(input.bytes(length), &[]);
                    }
                },
            }
        }
        self.answers.push(answer);
        theirs
    }

    /// A Welcome in order, but for what is changed, with the files that belong there, or others.
    fn welcome(&mut self, answer: &mut Answer, input: &mut Input<'_>, others: bool) {
        let bits = input.u8();
        if bits & 1 != 0 {
            // It is another process now.
            self.counters = new_counters();
            self.files.push(Rc::clone(&self.counters));
        }
        let mut welcome = hostile::welcome();
        let mut files = vec![File::Own(Rc::clone(&self.counters))];
        if bits & 2 != 0 {
            let area = self.area(input);
            let file = Rc::new(Segment::of(area.len().next_multiple_of(PAGE)));
            fill(&file, 0, &area);
            welcome = welcome.u32(SCHEMA_BYTES_AT, area.len() as u32);
            welcome = welcome.bytes(FINGERPRINT_AT, &schema::fingerprint(&self.schema));
            files.push(File::Own(Rc::clone(&file)));
            self.files.push(file);
            answer.area = area.len();
        }
        self.tell(answer, &welcome, files, input, others);
    }

    /// The area of its schemas, some bytes of which are changed.
    fn area(&self, input: &mut Input<'_>) -> Vec<u8> {
        let table = schema::encode(&self.schema).expect("a schema");
        changed(Message(schemas::area(&table, &[], NO_FINGERPRINT)), input)
    }

    /// Shows one more connection in order, but for what is changed, with the files that belong there, or others.
    fn shows(&mut self, answer: &mut Answer, input: &mut Input<'_>, others: bool) {
        let bits = input.u8();
        let lanes = 1 + usize::from(bits) % 4;
        // Or the same once more.
        self.number += u64::from(bits & 4 == 0);
        let area = if bits & 8 == 0 {
            Vec::new()
        } else {
            self.area(input)
        };
        let mut segment = |schema_bytes| {
            let first = schemas::ring_offset(schema_bytes, PAGE);
            let made = Segment::with_rings(first + lanes * RING, first, RING);
            self.files.push(Rc::new(made));
            Rc::clone(&self.files[self.files.len() - 1])
        };
        let client = segment(area.len());
        fill(&client, CONTROL, &area);
        let server = if bits & 16 == 0 {
            segment(answer.area)
        } else {
            Rc::clone(&client)
        };
        let shown = self.shown(self.number, lanes, (answer.area, area.len()));
        self.tell(
            answer,
            &shown,
            vec![File::Own(server), File::Own(client)],
            input,
            others,
        );
    }

    /// Shows a connection whose sides have areas of schemas of so many bytes.
    fn shown(&self, connection: u64, lanes: usize, (server, client): (usize, usize)) -> Message {
        let offer = |bytes| {
            let first = schemas::ring_offset(bytes, PAGE) as u64;
            SegmentOffer::new(
                &Geometry::new(RING as u64, 8, 0),
                lanes as u32,
                first,
                false,
            )
        };
        let fingerprint = if client == 0 {
            NO_FINGERPRINT
        } else {
            schema::fingerprint(&self.schema)
        };
        let shown = Shown {
            prefix: Prefix::new::<Shown>(Kind::Shown),
            connection,
            server: offer(server),
            client: offer(client),
            schema_bytes: client as u32,
            schema_fingerprint: fingerprint,
            ..Shown::new_zeroed()
        };
        Message(shown.as_bytes().to_vec())
    }

    /// Says something, with these files or others, one more than any message carries at most.
    fn tell(
        &self,
        answer: &mut Answer,
        message: &Message,
        mut files: Vec<File>,
        input: &mut Input<'_>,
        others: bool,
    ) {
        let bytes = changed(message.clone(), input);
        if others {
            let count = usize::from(input.u8() % 5);
            files.resize(count, File::Gift(Gift::PipeIn));
            for file in &mut files {
                let number = usize::from(input.u8()) % 64;
                match Gift::ALL.get(number) {
                    // That one makes a process.
                    Some(Gift::Dead) => {}
                    Some(gift) => *file = File::Gift(*gift),
                    None if number < 48 => {}
                    None => *file = File::Own(Rc::clone(&self.files[number % self.files.len()])),
                }
            }
        }
        answer.say(&bytes, &files);
    }

    /// What those who have called have said has to follow from what they knew, and what they have taken has to be in order. Returns what they have been shown. `outcome`: what the call came to, which has asked
    /// as many times as there are answers.
    pub(super) fn judge(
        &mut self,
        known: &mut Known,
        observes: u32,
        outcome: Result<(), &Error>,
    ) -> Vec<Pair> {
        let answers = std::mem::take(&mut self.answers);
        let count = answers.len();
        let (mut pairs, mut fickle, mut more) = (Vec::new(), false, true);
        for (index, answer) in answers.into_iter().enumerate() {
            assert!(more, "it asks again, though it has all");
            answer.hears(observes, known.last);
            let failed = outcome.err().filter(|_| index + 1 == count);
            let is_fickle =
                failed.is_some_and(|error| error.to_string().starts_with("another process"));
            if let Some(error) = failed.filter(|_| !is_fickle) {
                answer.is_named(error);
            } else {
                let counters = answer.welcomes();
                let shown = if observes == 0 {
                    Vec::new()
                } else {
                    answer.shows(known.last)
                };
                let is_same = known
                    .counters
                    .as_ref()
                    .is_none_or(|known| known.is(&counters));
                known.counters = Some(counters);
                if is_same {
                    assert!(!is_fickle, "it is the same");
                    more = shown.len() == AT_ONCE;
                    known.last = shown
                        .last()
                        .map_or(known.last, |pair| pair.shown.connection);
                    pairs.extend(shown);
                } else {
                    (more, known.last) = (true, 0);
                    assert_eq!(is_fickle, fickle, "twice in a call");
                    fickle = true;
                }
            }
            self.given.extend(answer.speaker.given);
            self.lines.push(answer.speaker.line);
        }
        let is_enough = !more || count >= ANSWERS;
        assert!(is_enough || outcome.is_err(), "it stops before it has all");
        pairs
    }

    /// Nobody has anything of it.
    pub(super) fn ends(self) {
        for line in &self.lines {
            soon("a line", || is_gone(line));
        }
        is_closed(&self.given);
    }
}

impl Answer {
    fn say(&mut self, bytes: &[u8], files: &[File]) {
        let made = files.iter().map(|file| match file {
            File::Own(own) => own.file.try_clone().expect("a descriptor more"),
            File::Gift(gift) => self.speaker.make(*gift),
        });
        let made: Vec<OwnedFd> = made.collect();
        let raw: Vec<RawFd> = made.iter().map(AsRawFd::as_raw_fd).collect();
        if send(&self.speaker.line, bytes, &raw) {
            self.said.push((bytes.to_vec(), files.to_vec()));
        }
    }

    /// A message in two parts.
    fn say_cut(&mut self, message: &Message, at: u8) {
        let (first, rest) = message.0.split_at(usize::from(at) % message.0.len());
        self.say(first, &[]);
        self.say(rest, &[]);
    }

    /// Hears all that was said to it: a Hello that asks for what is behind `after`, and a refusal perhaps.
    fn hears(&self, observes: u32, after: u64) {
        let mut heard = 0;
        while let Some((bytes, descriptors)) = self.speaker.hear() {
            assert!(descriptors.is_empty(), "an observer gives nothing");
            match handshake::kind(&bytes) {
                Some(Kind::Hello) => {
                    assert_eq!(heard, 0, "a Hello comes first");
                    let hello = Hello::read_from_bytes(&bytes).expect("it has its length");
                    assert_eq!(hello.role, ROLE_OBSERVER);
                    assert_eq!((hello.observes, hello.after), (observes, after));
                }
                Some(Kind::Refuse) => {
                    assert_eq!(heard, 1, "nothing comes behind it");
                    is_refusal(&bytes);
                }
                other => panic!("an observer says {other:?}"),
            }
            heard += 1;
        }
    }

    /// Why it was not taken.
    fn is_named(&self, error: &Error) {
        // What we do not say of a listener, it may say of itself.
        let says = error.to_string().starts_with("the server refused: ");
        let late = error.kind() == ErrorKind::TimedOut && !self.is_over;
        assert!(says || late || is_rule(error.kind()), "{error:?}");
    }

    /// What was taken for a Welcome was one. Returns the counters.
    fn welcomes(&self) -> File {
        let (bytes, files) = &self.said[0];
        assert_eq!(handshake::kind(bytes), Some(Kind::Welcome));
        let welcome = Welcome::read_from_bytes(bytes).expect("it has its length");
        assert!((OLDEST_VERSION..=VERSION).contains(&welcome.version));
        let area = welcome.schema_bytes as usize;
        assert!(area <= MAX_SCHEMAS);
        assert_eq!(files.len(), 1 + usize::from(area > 0));
        assert!(files[0].is_counters());
        if area > 0 {
            assert_eq!(files[1].size(), Some(area.next_multiple_of(PAGE)));
        }
        files[0].clone()
    }

    /// What was taken behind it were connections, each a new one, and the end. Returns them.
    fn shows(&self, after: u64) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = Vec::new();
        let mut last = after;
        // Nobody reads what comes behind an empty one.
        let said = self.said[1..]
            .iter()
            .take_while(|(bytes, _)| !bytes.is_empty());
        for (bytes, files) in said {
            assert_eq!(handshake::kind(bytes), Some(Kind::Shown));
            let shown = Shown::read_from_bytes(bytes).expect("it has its length");
            assert!(shown.connection > last, "a new one");
            last = shown.connection;
            let [server, client] = &files[..] else {
                panic!("{} files", files.len());
            };
            is_offer(&shown.server, self.schema_bytes(), server);
            is_offer(&shown.client, shown.schema_bytes as usize, client);
            pairs.push(Pair {
                shown,
                files: [server.clone(), client.clone()],
            });
        }
        let is_cut = self.said.iter().any(|(bytes, _)| bytes.is_empty());
        assert!(self.is_over || is_cut, "an end that nobody has told");
        assert!(pairs.len() <= AT_ONCE);
        pairs
    }

    fn schema_bytes(&self) -> usize {
        let welcome = Welcome::read_from_bytes(&self.said[0].0).expect("it has its length");
        welcome.schema_bytes as usize
    }
}

/// An offer keeps the rules, and has the file that it is of.
fn is_offer(offer: &SegmentOffer, schema_bytes: usize, file: &File) {
    assert!((1..=4).contains(&offer.lanes));
    assert!(offer.capacity.is_power_of_two() && offer.capacity >= RING as u64);
    let first = (CONTROL + schema_bytes).next_multiple_of(PAGE) as u64;
    assert_eq!(offer.ring_offset, first);
    let size = first + u64::from(offer.lanes) * offer.capacity;
    assert_eq!(file.size(), usize::try_from(size).ok());
}

fn new_counters() -> Rc<Segment> {
    let counters = Segment::of(counters::BYTES);
    fill(&counters, 0, CountersHeader::new(7).as_bytes());
    Rc::new(counters)
}

/// Writes bytes, the last word of which may be cut.
fn fill(segment: &Segment, at: usize, bytes: &[u8]) {
    for (index, part) in bytes.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        segment.set(at + 8 * index, u64::from_ne_bytes(word));
    }
}
