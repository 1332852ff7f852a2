//! The client's half of the handshake, message by message. It waits for nothing: whoever takes a step has received the message for it.

use std::os::fd::AsFd;
use std::path::Path;

use zerocopy::{FromBytes, IntoBytes};

use super::Connection;
use super::book::place;
use super::client::{self, Ended, differing, failure, malformed};
use super::config::Config;
use super::lineage::Claim;
use super::schemas::{Side, Told};
use super::side::{Announcement, Own, Parts, Rings, Theirs};
use crate::error::{Error, ErrorKind};
use crate::layout::control::LANES;
use crate::layout::handshake::{self, Attach, Kind, Prefix, Reason, Welcome};
use crate::layout::schemas::Announced;
use crate::sys::aside::Descriptors;
use crate::sys::credentials::{self, Speaker};
use crate::sys::line::Line;
use crate::sys::message::Received;
use crate::sys::socket;

/// We have said Hello.
pub(super) struct Greeted {
    told: Told,
    /// The features that we offered.
    features: u64,
}

/// We have answered the Welcome.
pub(super) struct Attached(Agreed);

/// What both sides have agreed on.
pub(super) struct Agreed {
    own: Own,
    theirs: Theirs,
    speaker: Speaker,
}

/// Says Hello.
pub(super) fn greet(config: &Config, claim: &Claim, line: &Line) -> Result<Greeted, Ended> {
    let told = Told::new(config).map_err(failure)?;
    let mut hello = client::hello(config, &told.announced);
    claim.say(&mut hello);
    step!("hello-before");
    client::send(line, hello.as_bytes(), &[])?;
    step!("hello-sent");
    Ok(Greeted {
        told,
        features: hello.features,
    })
}

/// Judges who answers a Hello, and whether it is an answer.
pub(super) fn admit(
    config: &Config,
    mut first: Received,
    buffer: &[u8; handshake::LONGEST],
) -> Result<(Welcome, Speaker, Descriptors), Ended> {
    let Some(mut speaker) = first.speaker.take() else {
        return Err(malformed("the kernel did not say who speaks"));
    };
    if !config.allows(speaker.uid) {
        let told = format!(
            "the server runs as uid {}, which the client does not allow",
            speaker.uid
        );
        let text = format!(
            "the server runs as uid {}{}, which is not allowed here: see Config::allow_uid, or `--allow-uid` of the command",
            speaker.uid,
            credentials::remark(speaker.uid)
        );
        return Err(Ended::Ours(
            Reason::Uid,
            told,
            Error::new(ErrorKind::UidRefused, text),
        ));
    }
    speaker
        .open_pidfd()
        .map_err(|error| failure(Error::io("watching the server's process", error)))?;
    let descriptors = client::expect(Kind::Welcome, first, buffer)?;
    let Ok(welcome) = Welcome::read_from_bytes(buffer) else {
        return Err(malformed("the Welcome has the wrong length"));
    };
    Ok((welcome, speaker, descriptors))
}

impl Greeted {
    /// Judges the Welcome, makes our segment and answers.
    pub(super) fn welcomed(
        self,
        config: &Config,
        claim: &Claim,
        line: &Line,
        first: Received,
        buffer: &[u8; handshake::LONGEST],
    ) -> Result<Attached, Ended> {
        let (welcome, speaker, descriptors) = admit(config, first, buffer)?;
        step!("welcome-received");
        let judged = client::judge(config, self.features, &welcome);
        if let Err(unfit) = judged.and_then(|()| claim.judge(&welcome)) {
            return Err(differing(unfit));
        }
        let largest = config.max_capacity as u64;
        let announcement = Announcement {
            side: Side::Server,
            waits: welcome.waits,
            schemas: Announced {
                bytes: welcome.schema_bytes,
                fingerprint: welcome.schema_fingerprint,
            },
        };
        let most = Rings {
            capacity: largest,
            lanes: welcome.lanes.into(),
            starts: [welcome.offer.start; LANES],
        };
        // Our new segment nobody has yet.
        let theirs = Theirs::judge(
            config,
            &welcome.offer,
            &announcement,
            most,
            descriptors,
            claim.own,
        )
        .map_err(differing)?;
        let rings = Rings {
            capacity: welcome.send_capacity,
            starts: claim.starts,
            ..most
        };
        let token = claim.token(welcome.features);
        let own = Own::new(config, &self.told, rings, welcome.features, token).map_err(failure)?;
        own.receive_from(&theirs);
        let attach = Attach {
            prefix: Prefix::new::<Attach>(Kind::Attach),
            offer: own.offer(),
            starts: claim.starts,
            reserved: [0; 32],
        };
        client::send(line, attach.as_bytes(), &own.descriptors())?;
        step!("attach-sent");
        Ok(Attached(Agreed {
            own,
            theirs,
            speaker,
        }))
    }
}

impl Attached {
    /// Judges the Ready.
    pub(super) fn ready(
        self,
        second: Received,
        buffer: &[u8; handshake::LONGEST],
    ) -> Result<Agreed, Ended> {
        // The second message rules out that the pid was reused between the first and the opening of the pidfd.
        if !self.0.speaker.speaks_again(second.speaker.as_ref()) {
            return Err(malformed(
                "the server's two messages come from two processes",
            ));
        }
        let surplus = client::expect(Kind::Ready, second, buffer)?;
        step!("ready-received");
        if !surplus.is_empty() {
            let text = "a Ready carries no descriptors".to_owned();
            return Err(differing((
                Reason::Descriptors,
                ErrorKind::Descriptors,
                text,
            )));
        }
        Ok(self.0)
    }
}

impl Agreed {
    /// The connection.
    pub(super) fn join(
        self,
        config: &Config,
        claim: &Claim,
        line: Line,
        path: &Path,
    ) -> Result<Connection, Error> {
        socket::end_handshake(line.as_fd(), self.speaker.is_attached)
            .map_err(|error| Error::io("ending a handshake", error))?;
        let Self {
            own,
            theirs,
            speaker,
        } = self;
        let mut parts = Parts::new(own, theirs, &line, speaker)?;
        parts.lineage = claim.lineage;
        Ok(parts.join(config, None, line, &place(path)))
    }
}
