//! A good handshake, behind which anything may follow, as a client and as a server.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use super::{
    Message, Segment, Shown, accept, attach, dial, eventfd, hello, readable, ready, receive, send,
    welcome,
};

/// A hostile peer behind a good handshake.
#[derive(Debug)]
pub struct Hostile {
    /// The socket.
    pub line: OwnedFd,
    /// Its segment.
    pub own: Segment,
    /// The bells that the victim's receiver and sender wait for us with.
    pub theirs: Vec<OwnedFd>,
    /// Ours.
    pub bells: [OwnedFd; 2],
    /// The victim's segment.
    pub shown: OwnedFd,
    /// The Welcome or the Attach of the victim.
    pub told: Message,
}

impl Hostile {
    /// What the victim shows, mapped.
    pub fn look(&self) -> Shown {
        Shown::new(&self.shown)
    }

    /// Where the first of the victim's rings begins, bytes of each, and how many there are, by what it told.
    pub fn rings(&self) -> (usize, usize, usize) {
        let offer = if self.told.0[8] == 2 { 40 } else { 16 };
        let word = |at: usize| self.told.read_u64(at) as usize;
        let lanes = self.told.read_u64(offer + 40) >> 32;
        (word(offer + 8), word(offer + 16), lanes as usize)
    }
}

/// Connects and says Hello. Returns the line and the descriptors of the Welcome.
pub fn greet(path: &Path) -> (OwnedFd, Vec<OwnedFd>) {
    greet_for(path, 1)
}

/// The same, asking for so many lanes, which it must be given.
pub fn greet_for(path: &Path, lanes: usize) -> (OwnedFd, Vec<OwnedFd>) {
    let line = dial(path).expect("a listener");
    send(&line, &hello().u16(22, lanes as u16).0, &[]);
    let (answer, theirs) = receive(&line);
    assert_eq!(answer[8], 2, "a Welcome was expected");
    assert_eq!(usize::from(answer[18]), lanes);
    (line, theirs)
}

/// Shakes hands in order, as a client.
pub fn join(path: &Path) -> Hostile {
    join_for(path, 1)
}

/// The same with so many lanes, which it must be given.
pub fn join_for(path: &Path, lanes: usize) -> Hostile {
    join_from(path, lanes, 0)
}

/// The same with lanes that start at this position.
pub fn join_from(path: &Path, lanes: usize, start: u64) -> Hostile {
    let hello = hello().u16(22, lanes as u16);
    let offer = attach().offer(16, lanes).u64(40, start);
    join_as(path, &hello, &offer, Segment::new(lanes))
}

/// Shakes hands as a client that says this, and has this segment.
pub fn join_as(path: &Path, hello: &Message, attach: &Message, own: Segment) -> Hostile {
    let joined = join_with(path, hello, |_| (attach.clone(), own), |_| false);
    joined.unwrap_or_else(|answer| panic!("a Welcome and a Ready were expected: {answer:?}"))
}

/// Shakes hands as a client that says this Hello, makes its Attach and its segment of the Welcome, and calls `meanwhile` again and again until the server has looked at
/// both, or it is false.
///
/// # Errors
/// What the server said in the place of a Welcome or a Ready; without a byte if it hung up.
pub fn join_with(
    path: &Path,
    hello: &Message,
    offer: impl FnOnce(&Message) -> (Message, Segment),
    meanwhile: impl FnMut(&Segment) -> bool,
) -> Result<Hostile, Message> {
    let line = dial(path).expect("a listener");
    send(&line, &hello.0, &[]);
    let (answer, theirs) = receive(&line);
    let told = Message(answer);
    if told.0.get(8) != Some(&2) {
        return Err(told);
    }
    let (attach, own) = offer(&told);
    let bells = give(&line, &attach, &own);
    let answer = heed(&line, &own, meanwhile).0;
    if answer.get(8) != Some(&4) {
        return Err(Message(answer));
    }
    Ok(hostile(line, own, theirs, bells, told))
}

/// Shakes hands in order, as a client that has tangled the bells which it was given before it attaches: they have as many ways to `epoll` instances over others as the kernel allows, for as long as what comes with it is kept.
pub fn join_tangled(path: &Path) -> (Hostile, Vec<OwnedFd>) {
    let (line, theirs) = greet(path);
    let tangle = super::bell::tangle(&theirs[1..]);
    let own = Segment::new(1);
    let bells = give(&line, &attach(), &own);
    let (answer, _) = receive(&line);
    assert_eq!(answer[8], 4, "a Ready was expected");
    let told = Message(answer);
    (hostile(line, own, theirs, bells, told), tangle)
}

/// Takes the next client of a listener of [`listen`](super::listen), in order.
pub fn serve(listener: &OwnedFd) -> Hostile {
    let served = serve_with(listener, |_| (welcome(), Segment::new(1)), |_| false);
    served.unwrap_or_else(|answer| panic!("an Attach was expected: {answer:?}"))
}

/// The same, with a Welcome and a segment that are made of the Hello; calls `meanwhile` until the client has looked at both, or it is false.
///
/// # Errors
/// What the client said in the place of an Attach; without a byte if it hung up.
pub fn serve_with(
    listener: &OwnedFd,
    offer: impl FnOnce(&Message) -> (Message, Segment),
    meanwhile: impl FnMut(&Segment) -> bool,
) -> Result<Hostile, Message> {
    let line = accept(listener);
    let (hello, _) = receive(&line);
    let hello = Message(hello);
    if hello.0.get(8) != Some(&1) {
        return Err(hello);
    }
    let (welcome, own) = offer(&hello);
    let bells = give(&line, &welcome, &own);
    let (told, theirs) = heed(&line, &own, meanwhile);
    let told = Message(told);
    if told.0.get(8) != Some(&3) {
        return Err(told);
    }
    send(&line, &ready().0, &[]);
    Ok(hostile(line, own, theirs, bells, told))
}

/// Sends a message with a segment and two new bells.
fn give(line: &OwnedFd, message: &Message, own: &Segment) -> [OwnedFd; 2] {
    let bells = [eventfd(), eventfd()];
    let files = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    send(line, &message.0, &files);
    bells
}

/// The next message, and what is done until it has come.
fn heed(
    line: &OwnedFd,
    own: &Segment,
    mut meanwhile: impl FnMut(&Segment) -> bool,
) -> (Vec<u8>, Vec<OwnedFd>) {
    while !readable(line.as_fd(), 0) && meanwhile(own) {}
    receive(line)
}

fn hostile(
    line: OwnedFd,
    own: Segment,
    mut theirs: Vec<OwnedFd>,
    bells: [OwnedFd; 2],
    told: Message,
) -> Hostile {
    let shown = theirs.remove(0);
    Hostile {
        line,
        own,
        theirs,
        bells,
        shown,
        told,
    }
}
