//! From where in a program a system call is made, as far as its stack tells.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Registers, peek};

/// How much of the stack is looked at, and for how many callers.
const STACK: usize = 6144;
const CALLERS: usize = 8;
/// The same for people, and for who asks which functions a call came through.
const DEEP: usize = 16384;
const CHAIN: usize = 24;

/// The code of the test's own program and that of its libraries. A child of a fork has the same.
pub(crate) struct Code {
    ranges: Vec<(u64, u64, bool)>,
    known: HashMap<u64, bool>,
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The same for the same chain of callers.
    pub(crate) hash: u64,
    /// The nearest caller is the program's own code, and not a library, such as the one with the allocator.
    pub(crate) direct: bool,
}

impl Code {
    pub(crate) fn new() -> Self {
        let program = std::env::current_exe().unwrap();
        let program = program.to_string_lossy().into_owned();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let ranges = maps.lines().filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            let file = rest.contains('/');
            (rest.as_bytes()[2] == b'x' && file).then_some((
                number(start)?,
                number(end)?,
                line.ends_with(&program),
            ))
        });
        Self {
            ranges: ranges.collect(),
            known: HashMap::new(),
        }
    }

    /// Whether an address lies in the program itself; `None`: it is no place behind a call.
    fn returns_to(&mut self, address: u64) -> Option<bool> {
        let &(start, _, own) = self
            .ranges
            .iter()
            .find(|(start, end, _)| (*start..*end).contains(&address))?;
        if address < start + 8 {
            return None;
        }
        let behind_a_call = *self.known.entry(address).or_insert_with(|| {
            // SAFETY: the seven bytes before it are in a mapping of code of this very process, which stays.
            let before = unsafe {
                let place = std::ptr::with_exposed_provenance::<[u8; 7]>(address as usize - 7);
                place.read_unaligned()
            };
            // call rel32; call through a register or memory (FF /2), of 2, 3, 6 or 7 bytes.
            let indirect = |at: usize| before[at] == 0xff && (before[at + 1] >> 3) & 7 == 2;
            before[2] == 0xe8 || indirect(5) || indirect(4) || indirect(1) || indirect(0)
        });
        behind_a_call.then_some(own)
    }

    /// Where the call comes from at whose entry a thread has stopped.
    pub(crate) fn site(&mut self, pid: libc::pid_t, registers: &Registers) -> Site {
        let mut stack = [0u8; STACK];
        let mut read = peek(pid, registers.rsp, &mut stack);
        if read == 0 {
            // Less of it is there.
            let there = 4096 - (registers.rsp as usize & 4095);
            read = peek(pid, registers.rsp, &mut stack[..there.min(STACK)]);
        }
        let words = stack[..read].chunks_exact(8);
        let words = words.map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
        let callers: Vec<(u64, bool)> = words
            .filter_map(|word| Some((word, self.returns_to(word)?)))
            .take(CALLERS)
            .collect();
        let mut hasher = DefaultHasher::new();
        registers.orig_rax.hash(&mut hasher);
        for (caller, _) in &callers {
            caller.hash(&mut hasher);
        }
        Site {
            hash: hasher.finish(),
            direct: callers.first().is_some_and(|(_, own)| *own),
        }
    }

    /// The callers, nearest first, as offsets in the program: for people.
    pub(crate) fn callers(&mut self, pid: libc::pid_t, registers: &Registers) -> Vec<u64> {
        let mut stack = [0u8; DEEP];
        let read = [DEEP, STACK]
            .into_iter()
            .map(|size| peek(pid, registers.rsp, &mut stack[..size]));
        let read = read.max().unwrap_or(0);
        let base = self
            .ranges
            .iter()
            .find(|(_, _, own)| *own)
            .map_or(0, |r| r.0);
        let words = stack[..read].chunks_exact(8);
        words
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .filter(|&word| self.returns_to(word) == Some(true))
            .map(|word| word - base)
            .take(CHAIN)
            .collect()
    }
}
