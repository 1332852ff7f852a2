//! Which line of connections one belongs to: each resumes the one before it.

use super::config::Config;
use super::side::Refused;
use crate::error::{Error, ErrorKind};
use crate::layout::control::LANES;
use crate::layout::geometry::{Geometry, MAX_CAPACITY, MAX_START};
use crate::layout::handshake::{Attach, FEATURE_RESUME, Hello, Reason, Welcome};
use crate::layout::header::HEADER;
use crate::ring::Standing;
use crate::sys::memfd::Identity;
use crate::sys::random;

/// The line of connections that one belongs to, where it can be resumed ([`Config::resumable`]): a client's first one, and all that have resumed it
/// ([`Config::resume`]).
///
/// A frame keeps its [position](crate::Frame::position) in all of them, so that with the token and the [priority](crate::Frame::priority) it names the frame for good: what a server
/// notes of the frames that it has handled, it finds again by the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lineage {
    /// The same in the whole line, chosen at random by the client. Whoever knows it can claim it, so it names a line and proves nothing: whom to trust, the uid says.
    pub token: [u8; 16],
    /// How many connections of the line there were before this one, by the client's word.
    pub generation: u32,
}

const NO_TOKEN: [u8; 16] = [0; 16];

/// What a client says of the line, and what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) lineage: Option<Lineage>,
    /// Where each lane starts.
    pub(crate) starts: [u64; LANES],
    /// Our segment of the connection before: whoever was at its other end has it.
    pub(crate) own: Option<Identity>,
    /// Lanes that it cannot do without.
    lanes: usize,
    /// The most bytes that one of them begins with.
    bytes: u64,
}

impl Claim {
    /// Of a new line, if it is to be one.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let lineage = if config.resumable {
            let token = random::token()
                .map_err(|error| Error::io("making a token for the connection", error))?;
            Some(Lineage {
                token,
                generation: 0,
            })
        } else {
            None
        };
        Ok(Self {
            lineage,
            starts: [0; LANES],
            own: None,
            lanes: 1,
            bytes: 0,
        })
    }

    /// Of the connection behind that of `before`, whose lanes stand so and whose segment was `own`.
    pub(crate) fn after(before: &Lineage, standings: &[Standing], own: Identity) -> Self {
        let mut starts = [0; LANES];
        for (start, standing) in starts.iter_mut().zip(standings) {
            *start = standing.start;
        }
        Self {
            lineage: Some(Lineage {
                generation: before.generation.saturating_add(1),
                ..*before
            }),
            starts,
            own: Some(own),
            lanes: standings.len(),
            bytes: standings.iter().map(Standing::length).max().unwrap_or(0),
        }
    }

    fn resumes(&self) -> bool {
        self.lineage.is_some_and(|lineage| lineage.generation > 0)
    }

    /// Adds it to a Hello.
    pub(crate) fn say(&self, hello: &mut Hello) {
        if let Some(lineage) = &self.lineage {
            hello.resume_token = lineage.token;
            hello.resume_position = self.starts[0];
            hello.generation = lineage.generation;
        }
        if self.resumes() {
            hello.required_features |= FEATURE_RESUME;
        }
    }

    /// The token as it goes into the segment of who has agreed on `features`.
    pub(crate) fn token(&self, features: u64) -> [u8; 16] {
        token(self.lineage.as_ref(), features)
    }

    /// Whether a server's answer is one to that.
    pub(crate) fn judge(&self, welcome: &Welcome) -> Result<(), Refused> {
        let agreed = welcome.features & FEATURE_RESUME != 0;
        if agreed && welcome.resume_token != self.token(welcome.features) {
            let text = "the Welcome names another line of connections than the Hello".to_owned();
            return Err((Reason::Malformed, ErrorKind::Malformed, text));
        }
        if !self.resumes() {
            return Ok(());
        }
        if !agreed {
            let text = "the server does not take frames that are sent again: it needs Config::resumable too"
                .to_owned();
            return Err((Reason::Feature, ErrorKind::Feature, text));
        }
        if usize::from(welcome.lanes) < self.lanes {
            let text = format!(
                "the server grants {} lanes, and the connection that is resumed has {}: Config::lanes",
                welcome.lanes, self.lanes
            );
            return Err((Reason::Feature, ErrorKind::Feature, text));
        }
        if self.bytes + HEADER > welcome.send_capacity {
            let text = format!(
                "the server grants a ring of {} bytes, and {} have to be sent again: raise Config::max_capacity there, or Config::capacity here",
                welcome.send_capacity,
                self.bytes + HEADER
            );
            return Err((Reason::Geometry, ErrorKind::Geometry, text));
        }
        Ok(())
    }
}

fn token(lineage: Option<&Lineage>, features: u64) -> [u8; 16] {
    match lineage {
        Some(lineage) if features & FEATURE_RESUME != 0 => lineage.token,
        _ => NO_TOKEN,
    }
}

/// What a client has claimed, as its server knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    pub(crate) lineage: Option<Lineage>,
    /// Where its lane 0 starts.
    position: u64,
}

impl Claimed {
    /// By a Hello, where the two sides use `features`.
    pub(crate) fn by(hello: &Hello, features: u64) -> Result<Self, Refused> {
        let position = hello.resume_position;
        if features & FEATURE_RESUME == 0 {
            return Ok(Self {
                lineage: None,
                position,
            });
        }
        if hello.resume_token == NO_TOKEN {
            let text = "a Hello whose connection can be resumed has no token".to_owned();
            return Err((Reason::Malformed, ErrorKind::Malformed, text));
        }
        is_start(0, position)?;
        Ok(Self {
            lineage: Some(Lineage {
                token: hello.resume_token,
                generation: hello.generation,
            }),
            position,
        })
    }

    /// The token for our segment and our answer.
    pub(crate) fn token(&self) -> [u8; 16] {
        self.lineage.map_or(NO_TOKEN, |lineage| lineage.token)
    }

    /// Where each of so many lanes starts, by an Attach.
    pub(crate) fn starts(&self, attach: &Attach, lanes: u32) -> Result<[u64; LANES], Refused> {
        if self.lineage.is_none() {
            return Ok([attach.offer.start; LANES]);
        }
        let starts = attach.starts;
        if starts[0] != self.position || starts[0] != attach.offer.start {
            let text = format!(
                "lane 0 starts at {} by the Hello, at {} by the offer and at {} by the Attach",
                self.position, attach.offer.start, starts[0]
            );
            return Err((Reason::Geometry, ErrorKind::Geometry, text));
        }
        for (lane, start) in starts.into_iter().enumerate() {
            is_start(lane, start)?;
            if start != 0 && lane >= lanes as usize {
                let text = format!("lane {lane} starts at {start}, and there are {lanes}");
                return Err((Reason::Geometry, ErrorKind::Geometry, text));
            }
        }
        Ok(starts)
    }
}

/// Whether a lane may start there.
fn is_start(lane: usize, start: u64) -> Result<(), Refused> {
    if Geometry::new(MAX_CAPACITY, HEADER as u32, start)
        .check()
        .is_ok()
    {
        return Ok(());
    }
    let text = format!("lane {lane} starts at {start}: no multiple of 8 up to {MAX_START}");
    Err((Reason::Geometry, ErrorKind::Geometry, text))
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    const LINEAGE: Lineage = Lineage {
        token: [7; 16],
        generation: 1,
    };

    fn claim(lineage: Option<Lineage>) -> Claim {
        Claim {
            lineage,
            starts: [0; LANES],
            own: None,
            lanes: 2,
            bytes: 4096 - HEADER,
        }
    }

    fn welcome(features: u64) -> Welcome {
        let mut welcome = Welcome::new_zeroed();
        welcome.features = features;
        welcome.lanes = 2;
        welcome.send_capacity = 4096;
        if features & FEATURE_RESUME != 0 {
            welcome.resume_token = LINEAGE.token;
        }
        welcome
    }

    #[test]
    fn what_just_fits_is_resumed_and_more_is_not() {
        let claim = claim(Some(LINEAGE));
        let good = welcome(FEATURE_RESUME);
        assert!(claim.judge(&good).is_ok());
        let refused = |change: &dyn Fn(&mut Welcome)| {
            let mut welcome = good;
            change(&mut welcome);
            claim.judge(&welcome).unwrap_err().1
        };
        assert_eq!(refused(&|it| it.send_capacity -= 8), ErrorKind::Geometry);
        assert_eq!(refused(&|it| it.lanes = 1), ErrorKind::Feature);
        assert_eq!(
            refused(&|it| it.resume_token = [8; 16]),
            ErrorKind::Malformed
        );
        // One that does not resume names no line.
        assert_eq!(claim.judge(&welcome(0)).unwrap_err().1, ErrorKind::Feature);
    }

    #[test]
    fn a_new_line_needs_nothing_but_its_own_name() {
        let first = Lineage {
            generation: 0,
            ..LINEAGE
        };
        let mut small = welcome(0);
        small.lanes = 1;
        small.send_capacity = 8;
        for lineage in [None, Some(first)] {
            assert!(claim(lineage).judge(&small).is_ok());
        }
        assert!(claim(Some(first)).judge(&welcome(FEATURE_RESUME)).is_ok());
        assert!(claim(None).judge(&welcome(FEATURE_RESUME)).is_err());
    }
}
