//! One side's half of the handshake that is the same for client and server: make a segment and bells, judge the peer's, and
//! put the two together.

mod lanes;
mod mapping;

pub(crate) use mapping::{describe, map};

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use zerocopy::IntoBytes;

use super::Connection;
use super::book::Slot;
use super::config::Config;
use super::lineage::Lineage;
use super::link::{Kept, Link, Peer};
use super::placement;
use super::quota::Grant;
use super::receiver::{Following, Receiver};
use super::rest::{self, Bell, Rest};
use super::schemas::{PeerSchemas, Side, Told};
use super::sender::Sender;
use super::shown::{Segments, Shows};
use crate::error::{Error, ErrorKind};
use crate::layout::control::{self, ControlBlock, LANES};
use crate::layout::counters;
use crate::layout::geometry::Geometry;
use crate::layout::handshake::{
    FEATURE_MEMBARRIER, FEATURE_RESUME, RECEIVER_SPINS, Reason, SENDER_SPINS, SegmentOffer, WAITS,
};
use crate::layout::schemas::{self, Announced};
use crate::ring::say_start;
use crate::segment::{ForeignSegment, Gate, OwnSegment, SegmentSize};
use crate::sync::Arc;
use crate::sys::aside::Descriptors;
use crate::sys::bell::{self, Ringer};
use crate::sys::credentials::Speaker;
use crate::sys::line::Line;
use crate::sys::membarrier;
use crate::sys::memfd::{self, Identity};
use crate::sys::poll::Waiter;
use crate::wake::ladder::{Ladder, Wait};
use crate::wake::park::{Park, Watch};

/// The rings of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rings {
    /// Bytes in each; of a peer's that is not known yet, the most.
    pub(crate) capacity: u64,
    /// How many there are: one for each lane.
    pub(crate) lanes: u32,
    /// Where each lane starts.
    pub(crate) starts: [u64; LANES],
}

/// How our halves wait, as announced.
pub(crate) fn waits(config: &Config) -> u32 {
    if config.wait == Wait::Spin { WAITS } else { 0 }
}

/// The features that we offer.
pub(crate) fn features(config: &Config) -> u64 {
    let membarrier = config.membarrier && membarrier::is_there();
    let offered = [
        (membarrier, FEATURE_MEMBARRIER),
        (config.resumable, FEATURE_RESUME),
    ];
    let offered = offered.into_iter().filter(|(offered, _)| *offered);
    offered.fold(0, |features, (_, bit)| features | bit)
}

/// Our segment and bells.
#[derive(Debug)]
pub(crate) struct Own {
    segment: OwnSegment,
    geometry: Geometry,
    starts: [u64; LANES],
    huge: bool,
    size: SegmentSize,
    identity: Identity,
    /// Those that both sides use.
    features: u64,
    receiver_bell: Option<OwnedFd>,
    sender_bell: Option<OwnedFd>,
}

impl Own {
    /// What a segment with such rings takes.
    pub(crate) fn size(config: &Config, told: &Told, rings: Rings) -> SegmentSize {
        let huge = config.huge && rings.capacity >= memfd::HUGE_PAGE as u64;
        SegmentSize {
            control: schemas::ring_offset(told.area.len(), page(huge)),
            ring: rings.capacity as usize,
            lanes: rings.lanes as usize,
            huge,
        }
    }

    pub(crate) fn new(
        config: &Config,
        told: &Told,
        rings: Rings,
        features: u64,
        token: [u8; 16],
    ) -> Result<Self, Error> {
        let capacity = rings.capacity;
        let geometry = Geometry {
            start: rings.starts[0],
            ..config.geometry(capacity)
        };
        geometry.check().map_err(|misfit| {
            let text = format!(
                "a ring of {capacity} bytes cannot be used ({misfit:?}): ask for a larger capacity"
            );
            Error::new(ErrorKind::Geometry, text)
        })?;
        let size = Self::size(config, told, rings);
        let SegmentSize { control, huge, .. } = size;
        let mut segment = placement::segment(config, size)?;
        let identity = Identity::of(segment.descriptor())
            .map_err(|error| Error::io("asking which file our segment is", error))?;
        let block = ControlBlock::new(&geometry, rings.lanes, control as u64, features)
            .with_schemas(config.codec, &told.announced)
            .with_lineage(token, &rings.starts);
        segment.write_control(0, block.as_bytes());
        segment.write_control(schemas::SCHEMAS, &told.area);
        let bell = |spins| -> Result<Option<OwnedFd>, Error> {
            if spins {
                Ok(None)
            } else {
                bell::create()
                    .map(Some)
                    .map_err(|error| Error::io("making a bell", error))
            }
        };
        let waits = waits(config);
        Ok(Self {
            segment,
            geometry,
            starts: rings.starts,
            huge,
            size,
            identity,
            features,
            receiver_bell: bell(waits & RECEIVER_SPINS != 0)?,
            sender_bell: bell(waits & SENDER_SPINS != 0)?,
        })
    }

    /// Which file our segment is.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Says where our receiver starts, and that it has taken nothing yet. To be called before the message after which the peer may send.
    pub(crate) fn receive_from(&self, theirs: &Theirs) {
        for lane in 0..self.size.lanes {
            let geometry = theirs.geometry(lane);
            for word in [control::RECEIVER, control::TAKEN] {
                if word == control::RECEIVER || self.features & FEATURE_RESUME != 0 {
                    let word = self.segment.word(word + lane * control::APART);
                    say_start(&word, &geometry);
                }
            }
        }
    }

    pub(crate) fn offer(&self) -> SegmentOffer {
        let lanes = self.size.lanes as u32;
        SegmentOffer::new(&self.geometry, lanes, self.size.control as u64, self.huge)
    }

    /// What goes with the offer, in this order.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let bells = [&self.receiver_bell, &self.sender_bell];
        let bells = bells.into_iter().flatten().map(AsFd::as_fd);
        std::iter::once(self.segment.descriptor())
            .chain(bells)
            .collect()
    }
}

/// Bytes in a page of a segment.
fn page(huge: bool) -> usize {
    if huge {
        memfd::HUGE_PAGE
    } else {
        memfd::page_size()
    }
}

/// The peer's segment, mapped, and its bells.
#[derive(Debug)]
pub(crate) struct Theirs {
    segment: ForeignSegment,
    side: Side,
    geometry: Geometry,
    starts: [u64; LANES],
    schemas: PeerSchemas,
    /// How the peer's halves wait.
    waits: u32,
    receiver_bell: Option<OwnedFd>,
    sender_bell: Option<OwnedFd>,
    /// Its segment as it came, where those who read along may have it.
    offered: Option<Offered>,
}

/// A segment to be mapped.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) offer: SegmentOffer,
    pub(crate) schemas: Announced,
    pub(crate) descriptor: Arc<OwnedFd>,
}

/// What a peer has said of itself before its offer is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    pub(crate) side: Side,
    /// How its halves wait.
    pub(crate) waits: u32,
    pub(crate) schemas: Announced,
}

/// Why a peer's offer is refused: what it is told, and what our caller is told. Of a text of several lines the peer is told the first.
pub(crate) type Refused = (Reason, ErrorKind, String);

impl Theirs {
    /// Judges an offer and what came with it; `own` is a segment of ours that the peer may have. Descriptors that fail a check are left in `Descriptors`, which closes them aside.
    pub(crate) fn judge(
        config: &Config,
        offer: &SegmentOffer,
        announcement: &Announcement,
        most: Rings,
        mut descriptors: Descriptors,
        own: Option<Identity>,
    ) -> Result<Self, Refused> {
        let files = descriptors.as_slice();
        let (segment, geometry) = Self::check(config, offer, announcement, most, files, own)?;
        let schemas =
            PeerSchemas::judge(config, announcement.side, &announcement.schemas, &segment)?;
        let waits = announcement.waits;
        // It is mapped, and a memory file: nobody can make its close take long.
        let descriptor = descriptors.take_first();
        let offered = descriptor.filter(|_| config.tap).map(|file| Offered {
            offer: *offer,
            schemas: announcement.schemas,
            descriptor: Arc::new(file),
        });
        let mut bell = |spins: u32| {
            (waits & spins == 0)
                .then(|| descriptors.take_first())
                .flatten()
        };
        let receiver_bell = bell(RECEIVER_SPINS);
        let sender_bell = bell(SENDER_SPINS);
        Ok(Self {
            segment,
            side: announcement.side,
            geometry,
            starts: most.starts,
            schemas,
            waits,
            receiver_bell,
            sender_bell,
            offered,
        })
    }

    /// That of a lane.
    fn geometry(&self, lane: usize) -> Geometry {
        Geometry {
            start: self.starts[lane],
            ..self.geometry
        }
    }

    fn check(
        config: &Config,
        offer: &SegmentOffer,
        announcement: &Announcement,
        most: Rings,
        descriptors: &[OwnedFd],
        own: Option<Identity>,
    ) -> Result<(ForeignSegment, Geometry), Refused> {
        let wanted = 3 - (announcement.waits & WAITS).count_ones() as usize;
        if descriptors.len() != wanted {
            let text = format!(
                "{} descriptors arrived, {wanted} were expected",
                descriptors.len()
            );
            return Err((Reason::Descriptors, ErrorKind::Descriptors, text));
        }
        let (mapped, geometry) = map(
            offer,
            announcement.schemas.bytes,
            most,
            descriptors[0].as_fd(),
            config.prefault || config.lock,
            own,
        )?;
        placement::lock_theirs(config, &mapped)?;
        for bell in &descriptors[1..] {
            match memfd::is_eventfd(bell.as_fd()) {
                Ok(true) => {}
                Ok(false) => {
                    let text = "a bell is no eventfd".to_owned();
                    return Err((Reason::Bell, ErrorKind::Descriptors, text));
                }
                Err(error) => {
                    let text = format!(
                        "a bell cannot be told from another descriptor: mount /proc, which cannot be read ({error}), or permit io_uring"
                    );
                    return Err((Reason::Resources, ErrorKind::Io, text));
                }
            }
        }
        Ok((mapped, geometry))
    }
}

/// All that a connection is made of, but for the line: what can fail has not.
#[derive(Debug)]
pub(crate) struct Parts {
    own: Own,
    theirs: Theirs,
    /// Two for each lane.
    gates: Vec<Gate>,
    /// The sender's and the receiver's.
    waiters: (Arc<Waiter>, Arc<Waiter>),
    pidfd: Option<OwnedFd>,
    peer: Peer,
    /// What a listener has granted it.
    pub(crate) grant: Option<Grant>,
    pub(crate) lineage: Option<Lineage>,
}

impl Parts {
    /// Makes what is missing.
    pub(crate) fn new(
        mut own: Own,
        theirs: Theirs,
        line: &Line,
        speaker: Speaker,
    ) -> Result<Self, Error> {
        let gates = Gate::several(2 * own.size.lanes)
            .map_err(|error| Error::io("mapping a page for a connection", error))?;
        let pidfd = speaker.pidfd;
        let waiter = |bell: Option<OwnedFd>| {
            Waiter::new(bell, line.as_fd(), pidfd.as_ref().map(AsFd::as_fd))
                .map(Arc::new)
                .map_err(|error| Error::io("watching the peer", error))
        };
        let waiters = (
            waiter(own.sender_bell.take())?,
            waiter(own.receiver_bell.take())?,
        );
        Ok(Self {
            own,
            theirs,
            gates,
            waiters,
            pidfd,
            peer: Peer {
                uid: speaker.uid,
                pid: speaker.pid,
            },
            grant: None,
            lineage: None,
        })
    }

    /// Puts the connection together. `shows`: of a listener, what it lets others see. `place`: the listener's socket, as counters name it.
    pub(crate) fn join(
        self,
        config: &Config,
        shows: Option<&mut Shows>,
        line: Line,
        place: &Path,
    ) -> Connection {
        let Self {
            own,
            theirs,
            gates,
            waiters,
            pidfd,
            peer,
            grant,
            lineage,
        } = self;
        let (mut producers, mut consumers) = lanes::join(config, &own, &theirs, gates);
        let slot =
            Slot::take(&peer, place).map(|slot| slot.timed(config.timing).lanes(own.size.lanes));
        let segments = shows.zip(theirs.offered).map(|(shows, client)| {
            let server = (own.offer(), own.segment.share_descriptor());
            shows.add(Segments::new(peer, server, client))
        });
        let link = Arc::new(Link::new(
            line,
            pidfd,
            peer,
            theirs.schemas,
            Kept {
                slot,
                _segments: segments,
                _grant: grant,
                lineage,
                own: own.identity,
            },
            own.segment.birth(),
        ));
        let spares_barriers = own.features & FEATURE_MEMBARRIER != 0;
        // Whom no barrier reaches makes its own; and one word cannot say it of several lanes.
        if let ([lone], true) = (producers.as_mut_slice(), spares_barriers) {
            if membarrier::register().is_ok() {
                lone.may_unfence(own.segment.word(control::FENCE_MODE));
            }
        }
        let cores = rest::cores_with(peer.pid);
        // A half sleeps on its own epoch and bell, and wakes the half opposite by its.
        let half_of =
            |their_epoch, own_epoch, their_bell: Option<OwnedFd>, waiter: Arc<Waiter>, half| {
                Rest::new(
                    Watch::new(theirs.segment.word(their_epoch)),
                    Park::new(own.segment.word(own_epoch)),
                    their_bell.map(|bell| Bell::new(Ringer::new(bell, config.trust, config.lean))),
                    waiter,
                    Ladder::new(config.wait, cores, config.spin_budget),
                    Arc::clone(&link),
                    half,
                )
            };
        let mut for_space = half_of(
            control::RECEIVER_EPOCH,
            control::SENDER_EPOCH,
            theirs.receiver_bell,
            waiters.0,
            counters::SENDS,
        );
        for_space.heed_follower(theirs.segment.word(control::FOLLOWS));
        let mut for_data = half_of(
            control::SENDER_EPOCH,
            control::RECEIVER_EPOCH,
            theirs.sender_bell,
            waiters.1,
            counters::RECEIVES,
        );
        if let Some(bell) = for_space.bell() {
            for_data.ring_ahead_by(bell, theirs.segment.word(control::RECEIVER_EPOCH));
        }
        if spares_barriers {
            for_data.heed_fences(theirs.segment.word(control::FENCE_MODE));
        }
        let sender = Sender::new(producers.remove(0), for_space).with_others(producers);
        let following = Following::new(
            theirs.segment.word(control::ANNOUNCED),
            own.segment.word(control::FOLLOWS),
        );
        let mut receiver = Receiver::new(consumers.remove(0), for_data, following)
            .with_others(consumers, config.bound);
        if config.drop_expired {
            // That it can is asked before anything is made.
            let _ = receiver.drop_expired(true);
        }
        Connection::new(sender, receiver)
    }
}
