//! The client's side of the handshake as a state machine, and the connection behind it: a server that says anything in any order, cut anywhere, with descriptors of any kind, writes any word of its
//! segment, and goes at any moment. The client ends it with a rule that has a name, or has what it asked for; a new line of connections, or one that resumes another; and it keeps nothing. Or an observer (`observer.rs`).

use std::os::fd::OwnedFd;
use std::sync::Once;

use zerocopy::FromBytes;

use super::input::Input;
use super::observer;
use super::speaker::{
    ORDERLY, Speaker, changed, gifts, is_closed, is_refusal, is_rule, keeps_nothing, soon,
};
use crate::connection::{Claim, Config, Connection, Dial, Dialled, Handshake};
use crate::connection::{RecvError, SendError};
use crate::error::Error;
use crate::hostile::{self, Gift, RING, Segment, is_gone};
use crate::layout::geometry::MAX_START;
use crate::layout::handshake::{self, FEATURE_RESUME, Hello, Kind, Welcome};
use crate::layout::{OLDEST_VERSION, VERSION};
use crate::ring::Standing;
use crate::sys::memfd::Identity;
use crate::wake::ladder::Wait;

/// The most steps of an input.
const STEPS: usize = 64;
/// The most lanes that a client asks for.
const LANES: usize = 3;
/// What every line of connections here is called.
const TOKEN: [u8; 16] = [7; 16];

/// Inputs whose first byte is this or more have an observer in the place of a client.
const OBSERVES: u8 = 192;

/// An orderly handshake, and a frame that the client is asked for and one that it sends.
const WHOLE: &[u8] = include_bytes!("../../fuzz/seeds/client/honest");

/// Where a hostile server's Welcome has what it answers to.
const LANES_AT: usize = 18;
const FEATURES_AT: usize = 24;
const OFFER_AT: usize = 40;
const TOKEN_AT: usize = OFFER_AT + size_of::<handshake::SegmentOffer>() + 24;

/// What the client asks for.
struct Wishes {
    config: Config,
    claim: Claim,
    lanes: usize,
    resumes: bool,
    spins: bool,
    /// The segment of the connection that it resumes, which the server has.
    old: OwnedFd,
}

impl Wishes {
    fn draw(bits: u8, input: &mut Input<'_>) -> Self {
        let lanes = 1 + usize::from(bits) % LANES;
        let [spins, tap, resumable, resumes] = [4, 8, 16, 32].map(|bit| bits & bit != 0);
        let mut config = Config::new();
        config = config.capacity(RING).peer_capacity(RING).lanes(lanes);
        config = config.allow_tap(tap).resumable(resumable || resumes);
        if spins {
            config = config.wait(Wait::Spin);
        }
        let old = Gift::Segment.make();
        let mut claim = Claim::new(&config).expect("a token");
        // The same in each run.
        if let Some(lineage) = &mut claim.lineage {
            lineage.token = TOKEN;
        }
        if resumes {
            let lineage = claim.lineage.expect("it can be resumed");
            let standings: Vec<_> = (0..lanes).map(|_| standing(input)).collect();
            let own = Identity::of(std::os::fd::AsFd::as_fd(&old)).expect("a memory file");
            claim = Claim::after(&lineage, &standings, own);
        }
        Self {
            config,
            claim,
            lanes,
            resumes,
            spins,
            old,
        }
    }
}

/// Where a lane of the old connection stood.
fn standing(input: &mut Input<'_>) -> Standing {
    let near = 8 * u64::from(input.u16());
    let start = if near & 8 == 0 {
        near
    } else {
        MAX_START - near
    };
    Standing {
        start,
        taken: start,
        sent: start + 8 * u64::from(input.u8()),
        broken: None,
    }
}

/// How far the client has come.
enum Client {
    Dials(Box<Dial>),
    Has(Box<Connection>),
    Over,
}

struct Server {
    speaker: Speaker,
    /// What the client has said.
    heard: Vec<(Kind, Vec<u8>)>,
    /// There is a connection.
    is_served: bool,
}

pub(super) fn run(bytes: &[u8]) {
    static FIRST: Once = Once::new();
    keeps_nothing((&FIRST, WHOLE), try_input, bytes);
}

fn try_input(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let bits = input.u8();
    if bits >= OBSERVES {
        return observer::try_input(bits, input);
    }
    let wishes = Wishes::draw(bits, &mut input);
    wishes.config.prepare().expect("options that are in order");
    let (ours, line) = Handshake::sockets().expect("two sockets");
    let dial = Dial::over(&wishes.config, wishes.claim.clone(), ours);
    let mut speaker = Speaker::new(line);
    if wishes.resumes {
        speaker
            .offered
            .push(wishes.old.try_clone().expect("a descriptor more"));
    }
    let mut client = Client::Dials(Box::new(dial));
    let mut server = Some(Server {
        speaker,
        heard: Vec::new(),
        is_served: false,
    });
    let mut given = Vec::new();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let what = input.u8() % 16;
        match (what, &mut server) {
            (0..=3, _) => client = step(client, server.as_mut(), &wishes),
            (4..=6, _) => client = used(client, what, &mut input),
            (15, _) => {
                let gone = server.take();
                given.extend(gone.into_iter().flat_map(|gone| gone.speaker.given));
            }
            (14, Some(server)) => server.hear(&wishes),
            (_, Some(server)) => server.does(what, &mut input),
            (_, None) => {}
        }
    }
    drop(client);
    if let Some(mut server) = server {
        server.hear(&wishes);
        soon("the line", || is_gone(&server.speaker.line));
        given.extend(server.speaker.given);
    }
    is_closed(&given);
}

/// One move of the client.
fn step(client: Client, server: Option<&mut Server>, wishes: &Wishes) -> Client {
    let Client::Dials(mut dial) = client else {
        return client;
    };
    match dial.step() {
        Ok(Dialled::Done(connection)) => {
            // What was said before it went is not looked at where it has gone.
            if let Some(server) = server {
                server.hear(wishes);
                server.has_agreed(wishes);
                server.is_served = true;
            }
            Client::Has(Box::new(connection))
        }
        Ok(_) => Client::Dials(dial),
        Err(error) => {
            is_named(&error);
            Client::Over
        }
    }
}

fn is_named(error: &Error) {
    // What we do not say of a server, it may say of itself.
    let says = error.to_string().starts_with("the server refused: ");
    assert!(says || is_rule(error.kind()), "{error:?}");
}

/// A call of the connection, none of which waits.
fn used(mut client: Client, what: u8, input: &mut Input<'_>) -> Client {
    let Client::Has(connection) = &mut client else {
        return client;
    };
    let length = usize::from(input.u8());
    let (sender, receiver) = connection.halves();
    let (mut sent, mut received) = (Ok(()), Ok(()));
    match (what, length % 4) {
        (4, _) => received = receiver.try_recv().map(|frame| drop(frame.to_vec())),
        (5, _) => sent = sender.try_send(&[0; 256][..length]),
        (_, 0) => received = receiver.arm().map(drop),
        (_, 1) => sent = sender.arm(length).map(drop),
        (_, 2) => sent = sender.check(),
        _ => received = receiver.try_recv_into(&mut [0; 64]).map(drop),
    }
    // The peer is this process, which lives and has not forked.
    assert!(!matches!(
        sent,
        Err(SendError::PeerDied | SendError::Forked)
    ));
    assert!(!matches!(
        received,
        Err(RecvError::PeerDied | RecvError::Forked)
    ));
    client
}

impl Server {
    /// Something that no honest server does, or one.
    fn does(&mut self, what: u8, input: &mut Input<'_>) {
        let speaker = &mut self.speaker;
        match what {
            7 => self.welcome(input, &ORDERLY),
            8 => {
                let gifts = gifts(input);
                self.welcome(input, &gifts);
            }
            9 => speaker.say(&changed(hostile::ready(), input), &[]),
            10 => {
                let gifts = gifts(input);
                speaker.say(&changed(hostile::ready(), input), &gifts);
            }
            11 => match input.u8() % 4 {
                0 => speaker.say_cut(&hostile::welcome(), input.u8()),
                1 => speaker.say_cut(&hostile::ready(), input.u8()),
                2 => speaker.say(&changed(hostile::refuse(5, "no more"), input), &[]),
                _ => {
                    let length = usize::from(input.u8());
                    speaker.say(input.bytes(length), &[]);
                }
            },
            _ => speaker.write(input),
        }
    }

    /// A Welcome that answers what was asked, but for what is changed, with fewer gifts where the client never sleeps.
    fn welcome(&mut self, input: &mut Input<'_>, gifts: &[Gift]) {
        let lanes = 1 + usize::from(input.u8()) % LANES;
        self.speaker.own = Some(Segment::new(lanes));
        let mut welcome = hostile::welcome();
        welcome = welcome.u16(LANES_AT, lanes as u16).offer(OFFER_AT, lanes);
        if let Some(hello) = self.hello().filter(|_| input.flag()) {
            welcome = welcome.u64(FEATURES_AT, hello.features & FEATURE_RESUME);
            welcome = welcome.bytes(TOKEN_AT, &hello.resume_token);
        }
        self.speaker.say(&changed(welcome, input), gifts);
    }

    /// The client's, once it was heard.
    fn hello(&self) -> Option<Hello> {
        let (_, first) = self.heard.first()?;
        Hello::read_from_bytes(first).ok()
    }

    /// Hears all that the client said, which has to follow from what was said to it.
    fn hear(&mut self, wishes: &Wishes) {
        while let Some((bytes, descriptors)) = self.speaker.hear() {
            if self.is_served {
                assert_eq!((bytes.len(), descriptors.len()), (1, 0), "only a wake");
                continue;
            }
            let kind = handshake::kind(&bytes).expect("a client speaks as the protocol says");
            let before: Vec<_> = self.heard.iter().map(|(kind, _)| *kind).collect();
            match kind {
                Kind::Hello => {
                    assert_eq!(before, [], "a Hello comes first");
                    assert!(descriptors.is_empty(), "and alone");
                }
                Kind::Attach => {
                    assert_eq!(before, [Kind::Hello], "an Attach comes second");
                    self.is_welcome(wishes);
                    let bells = if wishes.spins { 0 } else { 2 };
                    assert_eq!(descriptors.len(), 1 + bells);
                    self.speaker.offered = descriptors;
                }
                Kind::Refuse => {
                    assert!(!before.contains(&Kind::Refuse), "nothing comes behind it");
                    is_refusal(&bytes);
                }
                other => panic!("a client says {other:?} to a server"),
            }
            self.heard.push((kind, bytes));
        }
    }

    /// What was answered by an Attach was a Welcome that keeps the rules.
    fn is_welcome(&self, wishes: &Wishes) {
        let (bytes, gifts) = &self.speaker.said[0];
        assert_eq!(handshake::kind(bytes), Some(Kind::Welcome));
        let welcome = Welcome::read_from_bytes(bytes).expect("it has its length");
        let hello = self.hello().expect("it was said");
        assert!((OLDEST_VERSION..=VERSION).contains(&welcome.version));
        assert_eq!(welcome.features & !hello.features, 0);
        assert_eq!(
            welcome.waits & !handshake::WAITS,
            0,
            "waits that mean nothing"
        );
        assert!((1..=wishes.lanes).contains(&usize::from(welcome.lanes)));
        assert!(welcome.send_capacity <= RING as u64);
        if wishes.resumes {
            assert_ne!(welcome.features & FEATURE_RESUME, 0);
            assert_eq!(usize::from(welcome.lanes), wishes.lanes);
        }
        if welcome.features & FEATURE_RESUME != 0 {
            assert_eq!(welcome.resume_token, TOKEN);
        }
        let (segment, bells) = gifts.split_first().expect("a segment");
        assert!(
            segment.is_segment() || *segment == Gift::Long,
            "{segment:?}"
        );
        assert!(bells.iter().all(|gift| gift.is_bell()));
        assert_eq!(bells.len() as u32, 2 - welcome.waits.count_ones());
    }

    /// What made the connection was an orderly handshake.
    fn has_agreed(&self, wishes: &Wishes) {
        let heard: Vec<_> = self.heard.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(heard, [Kind::Hello, Kind::Attach]);
        self.is_welcome(wishes);
        let (bytes, gifts) = &self.speaker.said[1];
        assert_eq!(handshake::kind(bytes), Some(Kind::Ready));
        assert!(gifts.is_empty(), "a Ready carries no descriptors");
    }
}
