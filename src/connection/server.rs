//! The server's half of the handshake, one step at a time and never blocking, so that a slow or hostile client delays
//! nobody else.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use zerocopy::{FromBytes, IntoBytes};

use super::client;
use super::config::Config;
use super::lineage::Claimed;
use super::observer::Answer;
use super::quota::{Grant, Quota};
use super::schemas::{self, Side, Told};
use super::shown::Shows;
use super::side::{self, Announcement, Own, Parts, Rings, Theirs};
use crate::error::{self, Error, ErrorKind};
use crate::layout::control::{CONTROL, LANES};
use crate::layout::geometry::MIN_CAPACITY;
use crate::layout::handshake::{
    self, Attach, FEATURE_RESUME, Hello, Kind, OBSERVES_PAYLOAD, Prefix, Ready, Reason, Refuse,
    Welcome,
};
use crate::layout::schemas::Announced;
use crate::layout::{OLDEST_VERSION, VERSION};
use crate::planted::{self, Check};
use crate::sys::credentials::{self, Speaker};
use crate::sys::line::Line;
use crate::sys::message::{self, Received};
use crate::sys::socket;

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Pending {
    line: Line,
    deadline: Instant,
    agreed: Option<Agreed>,
    quota: Quota,
    /// Given back when the handshake has ended.
    begun: Option<Grant>,
}

/// What is known after the Hello.
#[derive(Debug)]
struct Agreed {
    own: Own,
    grant: Grant,
    speaker: Speaker,
    announcement: Announcement,
    /// That the client shall make.
    rings: Rings,
    claimed: Claimed,
}

/// Whose handshakes they are.
pub(crate) struct Host<'a> {
    pub(crate) config: &'a Config,
    pub(crate) shows: &'a Shows,
    /// Whether clients are taken, or observers only.
    pub(crate) peers: bool,
}

/// Who has said Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Peer,
    Observer,
}

/// Where a handshake stands.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "moved a few times per connection; a box would be a needless allocation"
)]
pub(crate) enum Progress {
    /// The client's next message has not come.
    Pending(Pending),
    Done(Parts, Line),
    /// Refused, by us or by the client.
    Refused(Line, Error),
    /// Closed without a word: a probe, a client that changed its mind, or an observer, who has all that it came for.
    Silent(Line),
}

impl Pending {
    pub(crate) fn new(socket: OwnedFd, deadline: Instant, quota: &Quota) -> Self {
        Self {
            line: Line::new(socket),
            deadline,
            agreed: None,
            quota: quota.clone(),
            begun: None,
        }
    }

    /// Takes its share of the handshakes under way.
    pub(crate) fn begin(&mut self) -> Result<(), side::Refused> {
        let uid = credentials::connected_by(self.line())
            .map_err(|error| resources(&Error::io("asking who connects", error)))?;
        self.begun = Some(self.quota.begin(uid)?);
        Ok(())
    }

    pub(crate) fn line(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes all that has arrived and answers it.
    pub(crate) fn advance(mut self, host: &Host<'_>) -> Progress {
        let config = host.config;
        // Whoever is told of readiness once, by an edge, must find nothing left: two messages at most.
        loop {
            let mut buffer = [0u8; handshake::LONGEST];
            let received = match message::receive(self.line(), &mut buffer) {
                Ok(Some(received)) => received,
                Ok(None) if Instant::now() < self.deadline => return Progress::Pending(self),
                Ok(None) => {
                    return self.refuse((
                        Reason::Deadline,
                        ErrorKind::TimedOut,
                        "a client did not finish its handshake in time".to_owned(),
                    ));
                }
                Err(error) => {
                    return self.refuse(resources(&Error::io("listening to a client", error)));
                }
            };
            if received.length == 0 {
                return match self.agreed {
                    None => Progress::Silent(self.line),
                    Some(_) => Progress::Refused(self.line, Error::new(ErrorKind::PeerGone, GONE)),
                };
            }
            // A message longer than any is malformed; its beginning must not be taken for one.
            let bytes = if received.truncated {
                &[]
            } else {
                &buffer[..received.length]
            };
            // Of whom we do not admit not even a refusal is kept.
            let admitted = |speaker: &Speaker| config.allows(speaker.uid);
            let heard = self.agreed.is_some() || received.speaker.as_ref().is_some_and(admitted);
            if heard && handshake::kind(bytes) == Some(Kind::Refuse) {
                return Progress::Refused(self.line, refused(bytes));
            }
            let outcome = match self.agreed.take() {
                None => match self.hello(host, bytes, received) {
                    Ok(Role::Observer) => return Progress::Silent(self.line),
                    Ok(Role::Peer) => Ok(()),
                    Err(refused) => Err(refused),
                },
                Some(_) if !host.peers => Err(taken_no_more()),
                Some(agreed) => match self.attach(config, agreed, bytes, received) {
                    Ok(parts) => return Progress::Done(parts, self.line),
                    Err(refused) => Err(refused),
                },
            };
            if let Err(refused) = outcome {
                return self.refuse(refused);
            }
        }
    }

    /// Ends the handshake and tells the client why.
    pub(crate) fn refuse(self, (reason, kind, text): side::Refused) -> Progress {
        let refuse = Refuse::new(reason, &error::told(&text));
        let _ = message::send(self.line(), refuse.as_bytes(), &[]);
        Progress::Refused(self.line, Error::new(kind, text))
    }

    fn hello(
        &mut self,
        host: &Host<'_>,
        bytes: &[u8],
        received: Received,
    ) -> Result<Role, side::Refused> {
        let config = host.config;
        let malformed = |text: &str| (Reason::Malformed, ErrorKind::Malformed, text.to_owned());
        let mut speaker = received
            .speaker
            .ok_or_else(|| malformed("the kernel did not say who speaks"))?;
        if !config.allows(speaker.uid) {
            let text = format!(
                "uid {}{} may not connect here",
                speaker.uid,
                credentials::remark(speaker.uid)
            );
            return Err((Reason::Uid, ErrorKind::UidRefused, text));
        }
        step!("hello-received");
        speaker
            .open_pidfd()
            .map_err(|error| resources(&Error::io("watching a client's process", error)))?;
        let (Some(Kind::Hello), Ok(hello)) =
            (handshake::kind(bytes), Hello::read_from_bytes(bytes))
        else {
            return Err(malformed(
                "a Hello was expected: is the client a Ringway of this major version?",
            ));
        };
        if !received.descriptors.is_empty() || received.lost.is_some() {
            return Err((
                Reason::Descriptors,
                ErrorKind::Descriptors,
                "a Hello carries no descriptors".to_owned(),
            ));
        }
        if hello.newest_version < OLDEST_VERSION
            || hello.oldest_version > VERSION
            || hello.oldest_version > hello.newest_version
        {
            let text = format!(
                "the client speaks versions {} to {}, the server {OLDEST_VERSION} to {VERSION}",
                hello.oldest_version, hello.newest_version
            );
            return Err((Reason::Version, ErrorKind::Version, text));
        }
        let missing = hello.required_features & !handshake::FEATURES;
        if missing != 0 {
            return Err((
                Reason::Feature,
                ErrorKind::Feature,
                format!("the client requires features {missing:#x}, which the server lacks"),
            ));
        }
        if hello.role == handshake::ROLE_OBSERVER {
            return self.observed(host, &hello, speaker.uid);
        }
        if hello.role != handshake::ROLE_PEER {
            let text = format!("role {} is not known to this version", hello.role);
            return Err((Reason::Role, ErrorKind::Feature, text));
        }
        if !host.peers {
            return Err(taken_no_more());
        }
        schemas::check_announced(config, Side::Client, hello.codec, hello.schema_bytes)?;
        let makes_sense = hello.waits & !handshake::WAITS == 0 && hello.lanes != 0;
        if !makes_sense && !planted::is_left_out(Check::HelloSense) {
            return Err(malformed("the Hello's waits or lanes make no sense"));
        }
        let cap = config.max_capacity as u64;
        let grant = |asked: u64, cap: u64| {
            // Down to a power of two; a wish below the minimum is a mistake and is refused as one.
            let least = asked.min(cap);
            if least < MIN_CAPACITY {
                Err(malformed("a ring has at least 4096 bytes"))
            } else {
                Ok(1u64 << least.ilog2())
            }
        };
        let capacity = grant(hello.send_capacity, cap)?;
        let ours = grant(hello.receive_capacity, cap.min(hello.receive_limit))?;
        let features = hello.features & side::features(config);
        if hello.required_features & FEATURE_RESUME & !features != 0 {
            let text = "the client resumes a connection, and the listener takes no frames that are sent again (Config::resumable)";
            return Err((Reason::Feature, ErrorKind::Feature, text.to_owned()));
        }
        let claimed = Claimed::by(&hello, features)?;
        let told = Told::new(config).map_err(|error| resources(&error))?;
        let lanes = u32::from(hello.lanes).min(config.lanes as u32);
        let ours = Rings {
            capacity: ours,
            lanes,
            starts: [0; LANES],
        };
        let mut bytes = Own::size(config, &told, ours).total();
        if config.lock {
            // What we lock of the client's is charged to us too.
            let rings = capacity * u64::from(lanes);
            bytes += rings + CONTROL as u64 + u64::from(hello.schema_bytes);
        }
        let grant = self.quota.admit(speaker.uid, bytes)?;
        let own = Own::new(config, &told, ours, features, claimed.token())
            .map_err(|error| resources(&error))?;
        let welcome = Welcome {
            lanes: lanes as u16,
            waits: side::waits(config),
            features,
            send_capacity: capacity,
            offer: own.offer(),
            resume_token: claimed.token(),
            ..Welcome::new(hello.newest_version, config.codec, &told.announced)
        };
        self.say(welcome.as_bytes(), &own.descriptors())?;
        step!("welcome-sent");
        self.agreed = Some(Agreed {
            own,
            grant,
            speaker,
            announcement: Announcement {
                side: Side::Client,
                waits: hello.waits,
                schemas: Announced {
                    bytes: hello.schema_bytes,
                    fingerprint: hello.schema_fingerprint,
                },
            },
            rings: Rings { capacity, ..ours },
            claimed,
        });
        Ok(Role::Peer)
    }

    /// Gives an observer what it may see.
    fn observed(&self, host: &Host<'_>, hello: &Hello, uid: u32) -> Result<Role, side::Refused> {
        let unseen = |text: String| Err((Reason::Feature, ErrorKind::Feature, text));
        if hello.observes & !OBSERVES_PAYLOAD != 0 {
            let asked = hello.observes;
            return unseen(format!(
                "an observer asks for {asked:#x}, which the server does not show"
            ));
        }
        let payload = hello.observes & OBSERVES_PAYLOAD != 0;
        if payload && !host.config.tap {
            return unseen(
                "the listener does not let its frames be read along (Config::allow_tap)".to_owned(),
            );
        }
        if payload && !credentials::is_own(uid) {
            let text = format!("uid {uid} may not read along: only the listener's own uid may");
            return Err((Reason::Uid, ErrorKind::UidRefused, text));
        }
        let answer =
            Answer::new(host.config, hello.newest_version).map_err(|error| resources(&error))?;
        self.say(answer.bytes(), &answer.descriptors())?;
        if payload {
            for segments in host.shows.after(hello.after) {
                // One that cannot be sent now, for want of room in the queue, is shown when the observer asks again.
                let shown = segments.shown().as_bytes();
                if message::send(self.line(), shown, &segments.descriptors()).is_err() {
                    break;
                }
            }
        }
        Ok(Role::Observer)
    }

    fn attach(
        &self,
        config: &Config,
        agreed: Agreed,
        bytes: &[u8],
        received: Received,
    ) -> Result<Parts, side::Refused> {
        let malformed = |text: &str| (Reason::Malformed, ErrorKind::Malformed, text.to_owned());
        step!("attach-received");
        if !agreed.speaker.speaks_again(received.speaker.as_ref()) {
            return Err(malformed(
                "the client's two messages come from two processes",
            ));
        }
        if let Some(loss) = received.lost {
            return Err(client::lost(loss, "server"));
        }
        let (Some(Kind::Attach), Ok(attach)) =
            (handshake::kind(bytes), Attach::read_from_bytes(bytes))
        else {
            return Err(malformed("an Attach was expected"));
        };
        let Agreed {
            own,
            grant,
            speaker,
            announcement,
            mut rings,
            claimed,
        } = agreed;
        rings.starts = claimed.starts(&attach, rings.lanes)?;
        let theirs = Theirs::judge(
            config,
            &attach.offer,
            &announcement,
            rings,
            received.descriptors,
            Some(own.identity()),
        )?;
        own.receive_from(&theirs);
        let ready = Ready {
            prefix: Prefix::new::<Ready>(Kind::Ready),
            reserved: [0; 48],
        };
        let attaches = speaker.is_attached;
        let mut parts = Parts::new(own, theirs, &self.line, speaker).map_err(|e| resources(&e))?;
        parts.grant = Some(grant);
        parts.lineage = claimed.lineage;
        // The client has said all that it has to say, and may nudge from the Ready on.
        socket::end_handshake(self.line(), attaches)
            .map_err(|error| resources(&Error::io("ending a handshake", error)))?;
        self.say(ready.as_bytes(), &[])?;
        step!("ready-sent");
        Ok(parts)
    }

    fn say(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), side::Refused> {
        message::send(self.line.as_fd(), bytes, descriptors).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::EPIPE | libc::ECONNRESET) => {
                    (Reason::Malformed, ErrorKind::PeerGone, GONE.to_owned())
                }
                _ => resources(&Error::io("answering a client", error)),
            }
        })
    }
}

fn taken_no_more() -> side::Refused {
    let text = "the listener takes no more clients".to_owned();
    (Reason::Busy, ErrorKind::Busy, text)
}

const GONE: &str = "a client went away during the handshake";

/// A client's Refuse, which is not answered.
fn refused(bytes: &[u8]) -> Error {
    match Refuse::read_from_bytes(bytes) {
        Ok(refuse) => client::refused("client", &refuse),
        Err(_) => Error::new(ErrorKind::Malformed, "the client refused in no known form"),
    }
}

pub(crate) fn resources(error: &Error) -> side::Refused {
    (Reason::Resources, error.kind(), error.to_string())
}
