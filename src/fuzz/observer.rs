//! An observer of a listener that keeps no rule: it is shown what the counters say, and reads along what lies in the segments that it was given, or ends it with a rule that has a name. It waits for nothing, and
//! keeps nothing. A part of the target `client`.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::hostile_listener::{File, Known, Listener, Pair};
use super::input::Input;
use super::speaker::value;
use crate::connection::{Config, Direction, Lost, Observed, Tap, TapFrame, TapLane};
use crate::error::ErrorKind;
use crate::hostile::{ALL_WORDS, EXPIRING, Segment, Word};
use crate::layout::control::CLOSED_EPOCH;
use crate::layout::counters::{self, SLOTS};
use crate::layout::handshake::{OBSERVES_PAYLOAD, SegmentOffer};
use crate::layout::header::{HEADER, Header};
use crate::schema;
use crate::sys::line::Line;

/// The most steps of an input.
const STEPS: usize = 64;
/// The most looks at a lane at its end: a liar's ring can be one circle of frames.
const LOOKS: usize = 16;
/// Where it listens: nowhere.
const PATH: &str = "/r";

/// What an observer has, and what it knows.
struct Observer {
    config: Config,
    listener: Listener,
    tap: Option<Tap>,
    known: Known,
    lanes: Vec<Lane>,
    observed: Option<(Observed, File)>,
}

/// A lane that is read along, with what is known of it.
struct Lane {
    tapped: TapLane,
    offer: SegmentOffer,
    /// The segments of who sends and of who receives.
    files: [File; 2],
    /// No frame of a priority comes before this.
    next: [u64; 4],
    lost: Lost,
    looks: usize,
    error: Option<String>,
}

/// Bits that a client asks for say the most of who it is; an observer is asked for by the two highest.
pub(super) fn try_input(bits: u8, mut input: Input<'_>) {
    let listener = Listener::new();
    let mut config = Config::new().handshake_timeout(Duration::ZERO);
    if bits & 1 != 0 {
        config = config.expects(listener.schema());
    }
    let mut observer = Observer {
        config,
        listener,
        tap: None,
        known: Known::default(),
        lanes: Vec::new(),
        observed: None,
    };
    if bits & 2 == 0 {
        observer.taps(&mut input);
    }
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        match input.u8() % 16 {
            0..=4 => observer.looks(input.u8()),
            5 => observer.asks_again(&mut input),
            6 => observer.reads(),
            7 => observer.drops(input.u8()),
            8 => observer.taps(&mut input),
            9 => observer.observes(&mut input),
            10..=12 => observer.changes(&mut input),
            13 => observer.counts(&mut input),
            14 => observer.sends(&mut input),
            _ => observer.comes(&mut input),
        }
    }
    observer.ends(bits);
}

impl Observer {
    /// Opens a tap, or drops the one that it has.
    fn taps(&mut self, input: &mut Input<'_>) {
        if self.tap.take().is_some() {
            return;
        }
        let (config, listener) = (self.config.clone(), &mut self.listener);
        let tap = Tap::over(config, PATH.into(), &mut |_, _| {
            Ok(Line::new(listener.line(input)))
        });
        self.known = Known::default();
        let outcome = tap.as_ref().map(drop);
        let pairs = listener.judge(&mut self.known, OBSERVES_PAYLOAD, outcome);
        if let Ok(mut tap) = tap {
            self.takes(&mut tap, &pairs);
            self.tap = Some(tap);
        }
    }

    fn asks_again(&mut self, input: &mut Input<'_>) {
        let Some(mut tap) = self.tap.take() else {
            return;
        };
        let listener = &mut self.listener;
        let outcome = tap.refresh_over(&mut |_, _| Ok(Line::new(listener.line(input))));
        let outcome = outcome.as_ref().map(drop);
        let pairs = listener.judge(&mut self.known, OBSERVES_PAYLOAD, outcome);
        self.takes(&mut tap, &pairs);
        self.tap = Some(tap);
    }

    /// Takes the lanes of what was shown out of a tap.
    fn takes(&mut self, tap: &mut Tap, pairs: &[Pair]) {
        let mut lanes = tap.lanes().drain(..);
        for Pair { shown, files } in pairs {
            let [server, client] = files;
            for (direction, offer, files) in [
                (Direction::FromClient, &shown.client, [client, server]),
                (Direction::ToClient, &shown.server, [server, client]),
            ] {
                let lane = lanes.next().expect("two for each");
                assert_eq!(lane.connection(), shown.connection);
                assert_eq!(lane.direction(), direction);
                assert_eq!(lane.priorities(), offer.lanes as usize);
                assert_eq!(lane.peer().uid, shown.uid);
                if let Some(read) = lane.schema().filter(|_| direction == Direction::FromClient) {
                    assert_eq!(schema::fingerprint(read), shown.schema_fingerprint);
                }
                self.lanes.push(Lane {
                    tapped: lane,
                    offer: *offer,
                    files: files.map(File::clone),
                    next: [0; 4],
                    lost: Lost::default(),
                    looks: 0,
                    error: None,
                });
            }
        }
        assert!(lanes.next().is_none(), "lanes that nobody has shown");
    }

    /// Asks for what is no payload, or drops that.
    fn observes(&mut self, input: &mut Input<'_>) {
        if self.observed.take().is_some() {
            return;
        }
        let line = Line::new(self.listener.line(input));
        let observed = Observed::over(&self.config, Path::new(PATH), &line, Instant::now());
        drop(line);
        let mut known = Known::default();
        let outcome = observed.as_ref().map(drop);
        self.listener.judge(&mut known, 0, outcome);
        self.observed = observed.ok().zip(known.counters);
    }

    /// Reads the counters.
    fn reads(&self) {
        let tapped = self.tap.as_ref().map(Tap::observed);
        let tapped = tapped.zip(self.known.counters.as_ref());
        let observed = self
            .observed
            .as_ref()
            .map(|(observed, file)| (observed, file));
        for (observed, file) in tapped.into_iter().chain(observed) {
            counted(observed, file);
        }
    }

    fn looks(&mut self, which: u8) {
        let count = self.lanes.len().max(1);
        if let Some(lane) = self.lanes.get_mut(usize::from(which) % count) {
            lane.look();
        }
    }

    fn drops(&mut self, which: u8) {
        if !self.lanes.is_empty() {
            let which = usize::from(which) % self.lanes.len();
            drop(self.lanes.swap_remove(which));
        }
    }

    /// A file that the listener may write.
    fn file(&self, input: &mut Input<'_>) -> Rc<Segment> {
        let files = &self.listener.files;
        // The last ones are of what was shown last.
        let which = usize::from(input.u8()) % files.len();
        Rc::clone(&files[files.len() - 1 - which])
    }

    /// A word of a segment changes: one with a name, or one near an end of a ring.
    fn changes(&mut self, input: &mut Input<'_>) {
        let file = self.file(input);
        let at = usize::from(input.u8());
        let (lane, at) = (at / 64, at % 64);
        let offset = match ALL_WORDS.get(at) {
            Some(word) => word.of(lane).offset(),
            None if at < 48 => file.at(lane, 8 * (at - ALL_WORDS.len())),
            None => file.at(lane, file.capacity() - 8 * (64 - at)),
        };
        let value = match input.u8() {
            kind @ 250.. => EXPIRING | u64::from(kind),
            _ => value(input),
        };
        if offset < file.size() {
            file.set(offset, value);
        }
    }

    /// A word of a slot of the counters changes, or of their header.
    fn counts(&mut self, input: &mut Input<'_>) {
        let file = self.file(input);
        let at = 8 * usize::from(input.u16() % 256);
        if at < file.size() {
            file.set(at, value(input));
        }
    }

    /// A connection takes a slot of the counters in order.
    fn comes(&mut self, input: &mut Input<'_>) {
        let file = self.file(input);
        let which = usize::from(input.u8());
        let slot = counters::slot(which % SLOTS);
        if file.size() == counters::BYTES {
            let mut name = [0; 8];
            name[..PATH.len()].copy_from_slice(PATH.as_bytes());
            file.set(slot + counters::NAME, u64::from_ne_bytes(name));
            file.set(slot + counters::NAME_LENGTH, PATH.len() as u64);
            file.set(slot + counters::SENDS, which as u64);
            file.set(slot + counters::LIFE, 2 * which as u64 + 1);
        }
    }

    /// An anchor that agrees with itself, at which there is a frame or none, and a claim that allows for it or not.
    fn sends(&mut self, input: &mut Input<'_>) {
        let file = self.file(input);
        let (bits, frames) = (input.u8(), u64::from(input.u8()));
        let lane = usize::from(bits) % 4;
        if file.at(lane, 0) >= file.size() {
            return;
        }
        let tail = 8 * u64::from(input.u16());
        file.say(
            Word::Claim(lane),
            if bits & 4 == 0 { tail } else { value(input) },
        );
        file.say(Word::Coming(lane), frames);
        file.say(Word::Anchor(lane), tail);
        file.say(Word::Come(lane), frames);
        if bits & 8 != 0 {
            let at = tail as usize % file.capacity();
            file.lane(lane, at, Header::frame(frames as u32, 1).0);
        }
    }

    /// Whoever listens ends, and what is left is read.
    fn ends(mut self, bits: u8) {
        self.reads();
        if bits & 4 != 0 {
            self.tap = None;
        }
        self.lanes.iter_mut().for_each(Lane::look);
        for file in &self.listener.files {
            file.say(Word::SenderEpoch, CLOSED_EPOCH);
            file.say(Word::ReceiverEpoch, CLOSED_EPOCH);
        }
        self.lanes.iter_mut().for_each(Lane::ends);
        if bits & 8 != 0 {
            self.lanes.reverse();
        }
        drop((self.lanes, self.tap, self.observed));
        self.listener.ends();
    }
}

/// The counters are those of the file, whatever that says.
fn counted(observed: &Observed, file: &File) {
    let found = observed.counters().connections().expect("they can be read");
    let own = observed.connections().expect("they can be read");
    let uncounted = observed.counters().uncounted().expect("they can be read");
    assert!(own.iter().all(|it| it.name == PATH));
    let named = found.iter().filter(|it| it.name == PATH).count();
    assert_eq!(named, own.len());
    // Those of this process change as other tests run.
    let File::Own(file) = file else {
        return;
    };
    assert_eq!(uncounted, file.get(counters::UNCOUNTED));
    let slots = (0..SLOTS).map(counters::slot);
    let slots = slots.take_while(|slot| file.get(*slot) != 0);
    let live: Vec<usize> = slots.filter(|slot| file.get(*slot) % 2 == 1).collect();
    assert_eq!(found.len(), live.len());
    for (it, slot) in found.iter().zip(live) {
        assert!((1..=4).contains(&it.lanes) && it.name.chars().count() <= counters::NAME_BYTES);
        assert_eq!(it.sends.frames, file.get(slot + counters::SENDS));
        assert_eq!(it.receives.frames, file.get(slot + counters::RECEIVES));
    }
}

impl Lane {
    /// Looks for a frame, which has to lie where it says.
    fn look(&mut self) {
        let was_over = self.tapped.is_over();
        let mut payload = Vec::new();
        let found = self.tapped.try_recv(&mut payload);
        self.looks += 1;
        match &found {
            Ok(found) => {
                assert!(self.error.is_none(), "a lane that is broken is so for good");
                if let Some(frame) = found {
                    assert!(!was_over, "nothing comes behind the end");
                    assert!(self.looks > 1, "what was sent before the first look");
                    self.lies_there(frame, &payload);
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Malformed);
                let text = error.to_string();
                let known = self.error.get_or_insert_with(|| text.clone());
                assert_eq!(*known, text, "for good");
            }
        }
        let lost = self.tapped.lost();
        assert!(lost.frames >= self.lost.frames && lost.bytes >= self.lost.bytes);
        self.lost = lost;
    }

    /// A frame is what its segment holds, and was not claimed meanwhile.
    fn lies_there(&mut self, frame: &TapFrame, payload: &[u8]) {
        let TapFrame {
            position, priority, ..
        } = *frame;
        assert!(position % HEADER == 0 && (payload.len() as u64) < self.offer.capacity);
        assert!(position >= self.next[priority], "each comes once");
        let File::Own(file) = &self.files[0] else {
            panic!("a frame of a segment that nobody has written");
        };
        let first = self.offer.ring_offset + priority as u64 * self.offer.capacity;
        let word = |position: u64| file.get((first + position % self.offer.capacity) as usize);
        let header = Header(word(position));
        assert!(header.is_frame() && header.kind() == frame.kind);
        assert!(header.expires() || frame.expires.is_none());
        let before = if header.expires() { HEADER } else { 0 };
        assert_eq!(payload.len() as u64 + before, header.payload().into());
        for (part, at) in payload
            .chunks(8)
            .zip((position + HEADER + before..).step_by(8))
        {
            assert_eq!(*part, word(at).to_ne_bytes()[..part.len()]);
        }
        let claim = file.get(Word::Claim(priority).offset());
        assert!(claim <= position + self.offer.capacity);
        self.next[priority] = position + header.length();
    }

    /// A half has said that it is closed: what is left is read.
    fn ends(&mut self) {
        let is_told = self.files.iter().any(|file| matches!(file, File::Own(_)));
        for _ in 0..LOOKS {
            let frames = self.next;
            self.look();
            if self.error.is_some() || self.tapped.is_over() {
                return;
            }
            assert!(!is_told || self.next != frames, "nothing comes, and no end");
        }
    }
}
