//! Handshakes of scripted peers, as a client and as a server.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use crate::peer::{self, CONTROL, Segment, attach, eventfd, hello, ready, welcome};

/// What is agreed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Lanes in each direction.
    pub(crate) lanes: usize,
    /// Bytes of each of the script's rings, and of each of the other side's.
    pub(crate) ours: usize,
    pub(crate) theirs: usize,
    /// Where the script's lanes start.
    pub(crate) start: u64,
    pub(crate) features: u64,
}

impl Terms {
    /// The script's segment.
    pub(crate) fn segment(&self) -> Segment {
        let size = CONTROL + self.lanes * self.ours;
        Segment::with_rings(size, CONTROL, self.ours)
    }
}

/// The next message of one who makes a step at a time.
pub(crate) fn patiently(line: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
    while !peer::readable(line.as_fd(), 1000) {}
    peer::receive(line)
}

/// The socket, and what the other side has given: its segment first.
type Greeted = (OwnedFd, Vec<OwnedFd>);

/// As a client.
pub(crate) fn enter(path: &Path, own: &Segment, terms: &Terms) -> Greeted {
    let line = peer::dial(path).unwrap();
    let hello = hello()
        .u16(22, terms.lanes as u16)
        .u64(24, terms.features)
        .u64(40, terms.ours as u64)
        .u64(48, terms.theirs as u64);
    peer::send(&line, &hello.0, &[]);
    let (answer, theirs) = patiently(&line);
    assert_eq!(answer[8], 2, "a Welcome was expected");
    let offer = attach().offer_of(16, terms.lanes, CONTROL, terms.ours);
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    peer::send(&line, &offer.u64(40, terms.start).0, &gifts);
    assert_eq!(patiently(&line).0[8], 4, "a Ready was expected");
    (line, theirs)
}

/// As a server.
pub(crate) fn admit(listener: &OwnedFd, own: &Segment, terms: &Terms) -> Greeted {
    let line = peer::accept(listener);
    assert_eq!(patiently(&line).0[8], 1, "a Hello was expected");
    let welcome = welcome()
        .u16(18, terms.lanes as u16)
        .u64(24, terms.features)
        .u64(32, terms.theirs as u64)
        .offer_of(40, terms.lanes, CONTROL, terms.ours)
        .u64(64, terms.start);
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    peer::send(&line, &welcome.0, &gifts);
    let (attach, theirs) = patiently(&line);
    assert_eq!(attach[8], 3, "an Attach was expected");
    peer::send(&line, &ready().0, &[]);
    (line, theirs)
}
