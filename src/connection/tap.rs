//! Reading along what the connections of a listener carry, without their knowing of it.
//!
//! A tap has the segments of both sides, read-only, and writes nothing anywhere: neither side waits for it, or sees that it is there. So it loses what it
//! is too slow for, and counts that.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use zerocopy::FromBytes;

use super::client::{self, Ended};
use super::config::Config;
use super::link::Peer;
use super::observer::{self, Observed};
use super::schemas::{self, PeerSchemas, Side};
use super::shown::SHOWN_AT_ONCE;
use super::side::{self, Rings};
use crate::error::{Error, ErrorKind};
use crate::layout::control::{self, LANES};
use crate::layout::geometry::MAX_CAPACITY;
use crate::layout::handshake::{self, Kind, OBSERVES_PAYLOAD, SegmentOffer, Shown};
use crate::layout::schemas::SCHEMAS;
use crate::planted::{Check, is_left_out};
use crate::ring::{self, Told};
use crate::schema::Schema;
use crate::segment::{ForeignSegment, Gate, MappedForeignRing, MappedForeignWord, Ring};
use crate::sync::Arc;
use crate::sys::line::Line;
use crate::sys::{clock, credentials};
use crate::wake::park::Watch;

/// Which way frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the listener's process.
    FromClient,
    /// From the listener's process to the client.
    ToClient,
}

/// What a tap was too slow for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Frames.
    pub frames: u64,
    /// Bytes of the ring that they took, headers and padding included.
    pub bytes: u64,
}

/// A frame that was read along. Its payload is in the buffer that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TapFrame {
    /// Its place in the lane, in bytes since the connection was made: no other frame of this direction and priority has the same.
    pub position: u64,
    /// The sender's number for what the payload is.
    pub kind: u16,
    /// Which of the direction's priorities it has: 0 is served first.
    pub priority: usize,
    /// When it expires, if it does and this process can tell ([`Frame::expires`](crate::Frame::expires)).
    pub expires: Option<Instant>,
}

/// Answers that one call takes.
pub(crate) const ANSWERS: usize = 64;

/// Makes a line to whoever listens at a path: [`client::dial`], or one whose other end answers as a test likes.
type Dials<'a> = &'a mut dyn FnMut(&Path, Instant) -> Result<Line, Error>;

/// Reads along what the connections of a listener carry ([`Config::tap`]).
///
/// ```
/// # use std::time::{Duration, Instant};
/// # let path = std::env::temp_dir().join(format!("ringway-doc-tap-{}", std::process::id()));
/// let mut listener = ringway::Config::new().allow_tap(true).bind(path.as_path())?;
/// # let there = path.clone();
/// # let client = std::thread::spawn(move || ringway::connect(there).unwrap());
/// let mut server = listener.accept()?;
/// # let mut client = client.join().unwrap();
/// let attendant = listener.attend()?; // somebody has to answer
/// let mut tap = ringway::Config::new().tap(path)?;
/// let mut payload = Vec::new();
/// for lane in tap.lanes().iter_mut() {
///     assert_eq!(lane.try_recv(&mut payload)?, None); // what was sent before the first look is not shown
/// }
/// client.sender().send(b"seen")?;
/// for lane in tap.lanes().iter_mut() {
///     while let Some(frame) = lane.try_recv(&mut payload)? {
///         println!("{:?} {}: {payload:?}", lane.direction(), frame.kind);
///         # assert_eq!(payload, b"seen");
///     }
/// }
/// # drop(server);
/// # drop(attendant);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tap {
    config: Config,
    path: PathBuf,
    observed: Observed,
    lanes: Vec<TapLane>,
    /// The last connection that was shown.
    last: u64,
}

/// One answer of a listener.
struct Answer {
    observed: Observed,
    lanes: Vec<TapLane>,
    /// The last connection in it, if there is one.
    last: Option<u64>,
    connections: usize,
}

impl Tap {
    pub(super) fn new(config: Config, path: PathBuf) -> Result<Self, Error> {
        Self::over(config, path, &mut client::dial)
    }

    pub(crate) fn over(config: Config, path: PathBuf, dial: Dials<'_>) -> Result<Self, Error> {
        let config = Config {
            sends: None,
            expects: None,
            ..config
        };
        let answer = ask(&config, &path, 0, dial)?;
        let mut tap = Self {
            config,
            path,
            observed: answer.observed,
            lanes: answer.lanes,
            last: answer.last.unwrap_or(0),
        };
        if answer.connections == SHOWN_AT_ONCE {
            tap.refresh_over(dial)?;
        }
        Ok(tap)
    }

    /// Who listens, with its counters and schemas.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Asks again, and adds the lanes of connections that were made since. None is taken away, and those that the caller has removed do not
    /// come back. Where another process listens under the name now, its lanes are added. One call finds some 1,000 connections at most.
    ///
    /// # Errors
    /// As for [`Config::tap`]. The lanes can be read all the same: [`ErrorKind::NotFound`] means that nobody listens any more,
    /// [`ErrorKind::TimedOut`] that the listener is about something else, [`ErrorKind::Malformed`] perhaps that whoever answers is another process
    /// each time.
    pub fn refresh(&mut self) -> Result<(), Error> {
        self.refresh_over(&mut client::dial)
    }

    pub(crate) fn refresh_over(&mut self, dial: Dials<'_>) -> Result<(), Error> {
        let mut restarted = false;
        for _ in 0..ANSWERS {
            let answer = ask(&self.config, &self.path, self.last, dial)?;
            let same = answer.observed.counters().is_same(self.observed.counters());
            if !same.map_err(|error| Error::io("asking who answers", error))? {
                // Another process, whose numbers have nothing to do with those that we know.
                self.observed = answer.observed;
                self.last = 0;
                if restarted {
                    let text = "another process answers each time that the listener is asked";
                    return Err(Error::new(ErrorKind::Malformed, text));
                }
                restarted = true;
                continue;
            }
            self.lanes.extend(answer.lanes);
            self.last = answer.last.unwrap_or(self.last);
            if answer.connections < SHOWN_AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    /// The lanes, two for each connection. Those of which nothing more is wanted can be removed.
    pub fn lanes(&mut self) -> &mut Vec<TapLane> {
        &mut self.lanes
    }
}

/// Asks for the connections behind number `after`.
fn ask(config: &Config, path: &Path, after: u64, dial: Dials<'_>) -> Result<Answer, Error> {
    let deadline = Instant::now() + config.timeout;
    let line = dial(path, deadline)?;
    let asked = (OBSERVES_PAYLOAD, after);
    answered(config, path, &line, asked, deadline).map_err(|ended| ended.told(&line))
}

fn answered(
    config: &Config,
    path: &Path,
    line: &Line,
    asked: (u32, u64),
    deadline: Instant,
) -> Result<Answer, Ended> {
    let mut buffer = [0u8; handshake::LONGEST];
    let (observed, welcome, speaker) =
        observer::ask(config, path, line, asked, &mut buffer, deadline)?;
    let server = Arc::clone(&observed.process);
    // With these, a client whose schema is the one that the listener expects needs no table.
    let judge = Config {
        sends: observed.sends().cloned(),
        expects: observed.expects().cloned(),
        ..config.clone()
    };
    let (mut lanes, mut last, mut connections) = (Vec::new(), None, 0);
    while let Some(received) = client::receive_or_end(line, &mut buffer, deadline)? {
        let same = speaker.speaks_again(received.speaker.as_ref());
        let mut descriptors = client::expect(Kind::Shown, received, &buffer)?;
        let shown = Shown::read_from_bytes(&buffer).ok().filter(|shown| {
            let is_new = shown.connection > last.unwrap_or(asked.1);
            same && (is_new || is_left_out(Check::ShownOrder))
        });
        let Some(shown) = shown.filter(|_| connections < SHOWN_AT_ONCE) else {
            return Err(client::malformed("the server shows what was not asked for"));
        };
        if descriptors.len() != 2 {
            let found = observer::missing(descriptors.len(), 2);
            return Err(client::differing(found));
        }
        schemas::check_bytes(Side::Client, shown.schema_bytes).map_err(client::differing)?;
        let files = descriptors.as_slice();
        let map = |offer: &SegmentOffer, bytes: u32, file: &OwnedFd| {
            let most = Rings {
                capacity: MAX_CAPACITY,
                lanes: offer.lanes.clamp(1, LANES as u32),
                starts: [offer.start; LANES],
            };
            side::map(offer, bytes, most, file.as_fd(), false, None)
                .map(|(segment, _)| segment)
                .map_err(client::differing)
        };
        let ours = map(&shown.server, welcome.schema_bytes, &files[0])?;
        let theirs = map(&shown.client, shown.schema_bytes, &files[1])?;
        // They are mapped, and memory files: nobody can make their close take long.
        while descriptors.take_first().is_some() {}
        let from_client = read(&judge, &shown, &theirs);
        let lanes_of = |segment: &ForeignSegment| segment.size().lanes;
        let mut gates = Gate::several(lanes_of(&ours) + lanes_of(&theirs))
            .map_err(|error| client::failure(Error::io("mapping a page for a tap", error)))?;
        let behind = gates.split_off(lanes_of(&theirs));
        let peer = Peer {
            uid: shown.uid,
            pid: i32::try_from(shown.pid).ok().filter(|pid| *pid != 0),
        };
        let lane = |direction,
                    writer: &ForeignSegment,
                    reader: &ForeignSegment,
                    schema,
                    gates: Vec<Gate>| {
            let taps = gates.into_iter().enumerate().map(|(lane, gate)| {
                let mut ring = writer.ring(lane, gate);
                ring.set_gate(1);
                let at = lane * control::APART;
                let told = Told {
                    claim: writer.word(control::CLAIM + at),
                    coming: writer.word(control::COMING + at),
                    come: writer.word(control::COME + at),
                    tail: writer.word(control::SENDER + at),
                };
                ring::Tap::new(ring, told)
            });
            TapLane {
                connection: shown.connection,
                peer,
                direction,
                schema,
                codec: welcome.codec,
                taps: taps.collect(),
                turn: 0,
                ends: [
                    Watch::new(writer.word(control::SENDER_EPOCH)),
                    Watch::new(reader.word(control::RECEIVER_EPOCH)),
                ],
                server: Arc::clone(&server),
                over: false,
            }
        };
        lanes.push(lane(
            Direction::FromClient,
            &theirs,
            &ours,
            from_client,
            gates,
        ));
        let to_client = observed.sends().cloned();
        lanes.push(lane(Direction::ToClient, &ours, &theirs, to_client, behind));
        last = Some(shown.connection);
        connections += 1;
    }
    Ok(Answer {
        observed,
        lanes,
        last,
        connections,
    })
}

/// What the client's frames mean, if that can be read.
fn read(judge: &Config, shown: &Shown, segment: &ForeignSegment) -> Option<Schema> {
    let mut area = vec![0; shown.schema_bytes as usize];
    segment.copy_control(SCHEMAS, &mut area);
    PeerSchemas::read(judge, Side::Client, shown.schema_fingerprint, &area)
        .ok()
        .and_then(|schemas| schemas.sends)
}

/// One direction of a connection, with all its priorities.
#[derive(Debug)]
pub struct TapLane {
    connection: u64,
    peer: Peer,
    direction: Direction,
    schema: Option<Schema>,
    codec: u32,
    /// One for each priority.
    taps: Vec<ring::Tap<MappedForeignRing, MappedForeignWord>>,
    /// Which of them is looked at first: the one behind the last that had a frame, so that none is left behind for the others' sake.
    turn: usize,
    /// The epochs of the half that sends and of the half that receives.
    ends: [Watch<MappedForeignWord>; 2],
    /// The listener's process.
    server: Arc<Option<OwnedFd>>,
    over: bool,
}

impl TapLane {
    /// The connection's number, unlike that of any other connection of the listener's process.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// The client, as the listener's process sees it.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Which way its frames go.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What its frames mean, in the words of the side that sends. `None`: bytes without a meaning, or one that cannot be read.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The number of the format that messages are encoded in ([`Config::codec`]); 0: they travel as they lie in memory.
    pub fn codec(&self) -> u32 {
        self.codec
    }

    /// How many priorities it has ([`Config::lanes`]): their frames come by turns, each priority's in order.
    pub fn priorities(&self) -> usize {
        self.taps.len()
    }

    /// Copies the next frame's payload into `payload`, over what was in it. Never waits. `None`: there is no new one. The first call finds
    /// its place behind what was sent before (in a ring of megabytes, the first calls); what comes between two calls and is overwritten meanwhile is lost ([`TapLane::lost`]).
    ///
    /// Its fields can then be read by name with [`Record::decode`](crate::schema::Record::decode).
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`]: the side that sends breaks a rule of the lane, which can then not be followed any more; [`ErrorKind::Forked`].
    pub fn try_recv(&mut self, payload: &mut Vec<u8>) -> Result<Option<TapFrame>, Error> {
        if self.taps.iter().any(|tap| tap.ring().gate() == 0) {
            return Err(Error::forked("tap"));
        }
        if self.over {
            return Ok(None);
        }
        let found = self.next(payload)?;
        if found.is_some() || !self.has_ended() {
            return Ok(found);
        }
        // What was sent before the end is seen now, if it can be seen at all.
        let found = self.next(payload)?;
        self.over = found.is_none();
        Ok(found)
    }

    fn next(&mut self, payload: &mut Vec<u8>) -> Result<Option<TapFrame>, Error> {
        let count = self.taps.len();
        for priority in (self.turn..count).chain(0..self.turn) {
            match self.taps[priority].try_next(payload) {
                Ok(None) => {}
                Ok(Some(glimpse)) => {
                    self.turn = (priority + 1) % count;
                    return Ok(Some(TapFrame {
                        position: glimpse.position,
                        kind: glimpse.kind,
                        priority,
                        expires: glimpse.expires.and_then(clock::instant),
                    }));
                }
                Err(violation) => {
                    // Found again at once the next time.
                    self.turn = priority;
                    let number = self.connection;
                    let text = format!("connection {number} cannot be followed: {violation}");
                    return Err(Error::new(ErrorKind::Malformed, text));
                }
            }
        }
        Ok(None)
    }

    /// What was not seen, as far as it is known: what was lost last is counted when the lane has been found again.
    pub fn lost(&self) -> Lost {
        let mut lost = Lost::default();
        for missed in self.taps.iter().map(ring::Tap::missed) {
            lost.frames = lost.frames.saturating_add(missed.frames);
            lost.bytes = lost.bytes.saturating_add(missed.bytes);
        }
        lost
    }

    /// Whether nothing will come any more: a side has ended, and what was left was read.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether a half has said that it is closed, or the listener's process has ended. A client that was killed is heard when the process closes its own
    /// half; not where a panic drops that, or `ByteStream::abort` ends it, which say no goodbye: then the lane is over with the process.
    fn has_ended(&self) -> bool {
        let server = Option::as_ref(&self.server);
        self.ends.iter().any(Watch::is_closed)
            || server.is_some_and(|pidfd| credentials::has_ended(pidfd.as_fd()))
    }
}
