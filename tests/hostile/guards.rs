//! Pages without access stand beside all memory that is read from a peer, or written for one: what is read or written beside it ends the process, whatever it was.

use std::ops::Range;
use std::thread;

use ringway::Wait;

use crate::lane::victim_of;
use crate::peer::{self, CONTROL, RING};

/// A mapping of this process.
#[derive(Debug)]
struct Mapped {
    range: Range<usize>,
    mode: String,
    inode: u64,
    name: String,
}

impl Mapped {
    fn read(line: &str) -> Self {
        let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap();
        let (start, end) = next().split_once('-').unwrap();
        let (mode, _offset, _device, inode) = (next(), next(), next(), next());
        Self {
            range: hex(start)..hex(end),
            mode: mode.to_owned(),
            inode: inode.parse().unwrap(),
            name: words.collect::<Vec<_>>().join(" "),
        }
    }

    fn is_guard(&self) -> bool {
        self.mode == "---p" && self.inode == 0
    }

    /// Whether it goes on where that one ends, with pages of the same file: another copy of a ring, or the next ring.
    fn goes_on(&self, before: &Self) -> bool {
        self.range.start == before.range.end
            && (self.inode, &self.mode) == (before.inode, &before.mode)
    }
}

fn mappings() -> Vec<Mapped> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().map(Mapped::read).collect()
}

/// The bytes of each run of mappings of one file of that name with that mode. A guard stands before each, and one behind.
fn guarded(name: &str, mode: &str) -> Vec<usize> {
    let all = mappings();
    let is_one = |one: &Mapped| one.mode == mode && one.name.contains(name);
    let mut runs = Vec::new();
    let mut index = 0;
    while let Some(found) = all[index..].iter().position(is_one) {
        let first = index + found;
        let more = (first + 1..all.len()).take_while(|&next| all[next].goes_on(&all[next - 1]));
        let last = first + more.count();
        let (start, end) = (all[first].range.start, all[last].range.end);
        let (before, behind) = (&all[first - 1], &all[last + 1]);
        let stands = before.is_guard() && before.range.end == start;
        assert!(stands, "before {:?}: {before:?}", all[first]);
        let stands = behind.is_guard() && behind.range.start == end;
        assert!(stands, "behind {:?}: {behind:?}", all[last]);
        runs.push(end - start);
        index = last + 1;
    }
    runs
}

#[test]
fn guards_stand_beside_everything_that_a_peer_is_read_from_or_written_for() {
    let _alone = peer::alone();
    for lanes in [1, 3, 4] {
        let (mut victim, hostile) = victim_of(&format!("guards-{lanes}"), Wait::Park, lanes);
        // The peer's can be read, and nothing else. What the peer itself has mapped is not looked at.
        let theirs = guarded("memfd:hostile", "r--s");
        assert_eq!(theirs, [CONTROL + 2 * lanes * RING]);
        let ours = victim.halves().0.capacity();
        assert_eq!(
            guarded("memfd:ringway ", "rw-s"),
            [CONTROL + 2 * lanes * ours]
        );
        drop((victim, hostile));
        assert_eq!(guarded("memfd:hostile", "r--s"), []);
    }
}

/// Whoever reads along maps two segments for reading.
#[test]
fn guards_stand_beside_what_is_read_along() {
    let _alone = peer::alone();
    let config = peer::patient().allow_tap(true).lanes(2);
    let mut listener = config.bind(peer::path("guards-tap")).unwrap();
    let path = listener.path().to_path_buf();
    let (victim, hostile) = thread::scope(|scope| {
        let hostile = scope.spawn(|| peer::join_for(&path, 2));
        let connection = listener.accept_deadline(peer::soon()).unwrap();
        (connection, hostile.join().unwrap())
    });
    let theirs = CONTROL + 2 * 2 * RING;
    assert_eq!(guarded("memfd:hostile", "r--s"), [theirs]);
    thread::scope(|scope| {
        let along = scope.spawn(|| {
            let mut tap = config.tap(path.as_path()).unwrap();
            assert_eq!(tap.lanes().len(), 2);
            tap
        });
        while !along.is_finished() {
            assert!(listener.try_accept().unwrap().is_none());
            thread::yield_now();
        }
        let tap = along.join().unwrap();
        assert_eq!(guarded("memfd:hostile", "r--s"), [theirs; 2]);
        drop(tap);
    });
    assert_eq!(guarded("memfd:hostile", "r--s"), [theirs]);
    drop((victim, hostile));
}
