//! A client of the library's own server, at a real socket, that keeps no rule: what is said to it has to follow from what it said itself.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use zerocopy::FromBytes;

use super::speaker::{Speaker, is_refusal};
use crate::hostile::{self, Gift};
use crate::layout::handshake::{self, Hello, Kind};
use crate::layout::{OLDEST_VERSION, VERSION};

/// So many at once.
pub(super) const CLIENTS: usize = 3;

/// A client.
pub(super) struct Client {
    pub(super) speaker: Speaker,
    /// The kinds of what the server has said.
    pub(super) heard: Vec<u8>,
}

impl Client {
    pub(super) fn new(path: &Path) -> Option<Self> {
        // A listener's queue may be full of those that it has not looked at.
        let line = hostile::try_dial(path).ok()?;
        Some(Self {
            speaker: Speaker::new(line),
            heard: Vec::new(),
        })
    }

    /// Hears all that was said to it, which has to follow from what it said itself.
    pub(super) fn hear(&mut self) {
        while let Some((bytes, descriptors)) = self.speaker.hear() {
            if self.heard.last() == Some(&(Kind::Ready as u8)) && bytes.len() == 1 {
                assert!(descriptors.is_empty(), "a wake is nothing but that");
                continue;
            }
            let kind = handshake::kind(&bytes).expect("a server speaks as the protocol says");
            match kind {
                Kind::Welcome => {
                    assert!(self.heard.is_empty(), "a Welcome comes first");
                    welcomed(&self.speaker.said[0]);
                    self.speaker.offered = descriptors;
                }
                Kind::Ready => {
                    assert_eq!(self.heard, [Kind::Welcome as u8], "a Ready comes second");
                    attached(&self.speaker.said);
                }
                Kind::Refuse => is_refusal(&bytes),
                other => panic!("a server says {other:?} to a client"),
            }
            self.heard.push(kind as u8);
        }
    }
}

/// Some of them, one of whom acts.
pub(super) struct Clients {
    path: PathBuf,
    all: Vec<Client>,
    current: usize,
    /// What those who have gone gave away.
    given: Vec<OwnedFd>,
}

impl Clients {
    /// The first one.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            all: Client::new(path).into_iter().collect(),
            current: 0,
            given: Vec::new(),
        }
    }

    /// One more, if there may be.
    pub(super) fn come(&mut self) {
        if self.all.len() < CLIENTS {
            self.all.extend(Client::new(&self.path));
        }
    }

    /// Another one acts from now on.
    pub(super) fn choose(&mut self, number: u8) {
        self.current = number.into();
    }

    /// Who acts.
    pub(super) fn current(&mut self) -> Option<&mut Client> {
        let count = self.all.len().max(1);
        self.all.get_mut(self.current % count)
    }

    /// The one that acts goes.
    pub(super) fn leave(&mut self) {
        if !self.all.is_empty() {
            let gone = self.all.remove(self.current % self.all.len());
            self.given.extend(gone.speaker.given);
        }
    }

    /// All go. Returns what they gave away.
    pub(super) fn end(mut self) -> Vec<OwnedFd> {
        for mut client in self.all {
            client.hear();
            self.given.append(&mut client.speaker.given);
        }
        self.given
    }
}

/// What was answered by a Welcome was a Hello that keeps the rules.
fn welcomed((bytes, gifts): &(Vec<u8>, Vec<Gift>)) {
    assert_eq!(handshake::kind(bytes), Some(Kind::Hello));
    let hello = Hello::read_from_bytes(bytes).expect("it has its length");
    assert!(gifts.is_empty(), "a Hello carries no descriptors");
    assert!(hello.oldest_version <= VERSION && hello.newest_version >= OLDEST_VERSION);
    assert_eq!(hello.required_features & !handshake::FEATURES, 0);
    match hello.role {
        handshake::ROLE_OBSERVER => assert_eq!(hello.observes & !handshake::OBSERVES_PAYLOAD, 0),
        role => {
            assert_eq!(role, handshake::ROLE_PEER);
            assert_eq!(
                hello.waits & !handshake::WAITS,
                0,
                "waits that mean nothing"
            );
            assert_ne!(hello.lanes, 0, "no lanes");
        }
    }
}

/// What was answered by a Ready was an Attach with a segment and bells that keep the rules.
fn attached(said: &[(Vec<u8>, Vec<Gift>)]) {
    let hello = Hello::read_from_bytes(&said[0].0).expect("it was welcomed");
    let (bytes, gifts) = &said[1];
    assert_eq!(handshake::kind(bytes), Some(Kind::Attach));
    assert_eq!(hello.role, handshake::ROLE_PEER);
    let (segment, bells) = gifts.split_first().expect("a segment");
    // A longer one has room for what an offer says.
    assert!(segment.is_segment() || *segment == Gift::Long);
    assert!(bells.iter().all(|gift| gift.is_bell()));
    assert_eq!(bells.len() as u32, 2 - hello.waits.count_ones());
}

/// A name for a listener of this thread.
pub(super) fn name() -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let number = thread.trim_matches(|letter: char| !letter.is_ascii_digit());
    let name = format!("ringway-fuzz-{}-{number}", std::process::id());
    std::env::temp_dir().join(name)
}
