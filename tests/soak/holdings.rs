//! What a process has: what has to be the same behind every round, and what may not grow.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::heap;

/// What a connection leaves may be closed by other threads, and a thread that has been joined may be listed a little longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many rounds show what a process comes to have in the end, such as buffers that have grown and stacks that are kept for the next thread.
const WARM: usize = 3;

/// How many of each kind: descriptors by what they refer to, shared mappings by what they map, and threads.
type Kinds = BTreeMap<String, usize>;

/// What may grow by no more than so much behind the first rounds. The heap is counted to the byte, and does not grow at all; two hundred ends of connections in a round show one that keeps a hundred bytes.
/// The others are for what does not come from the heap: the C library keeps up to twenty stacks of threads that have ended, of two mappings each, for the next ones, and how many
/// there were at once depends on the scheduler.
const GROWING: [(&str, usize); 4] = [
    ("bytes of the heap", 16 << 10),
    ("blocks of the heap", 64),
    ("mappings", 40),
    ("bytes of memory", 4 << 20),
];

/// What a process had behind its first rounds.
#[derive(Default)]
pub(crate) struct Holdings {
    first: Option<Kinds>,
    rounds: usize,
    highest: [usize; GROWING.len()],
}

impl Holdings {
    /// Looks whether everything is as it was. The first look is the measure of the others, of what may grow the first ones.
    pub(crate) fn look(&mut self) {
        self.rounds += 1;
        let Some(first) = &mut self.first else {
            self.first = Some(at_rest());
            self.highest = growing();
            return;
        };
        let end = Instant::now() + PATIENCE;
        loop {
            let now = kinds();
            if now == *first {
                break;
            }
            // On a busy machine something of the first round may have been closed later than it was looked for.
            if self.rounds <= WARM && is_less(&now, first) {
                *first = now;
                break;
            }
            assert!(
                Instant::now() < end,
                "round {} left something behind: {}",
                self.rounds,
                difference(first, &now)
            );
            thread::sleep(Duration::from_millis(1));
        }
        let now = growing();
        for ((now, highest), (what, slack)) in now.iter().zip(&mut self.highest).zip(GROWING) {
            if self.rounds <= WARM {
                *highest = (*highest).max(*now);
            }
            assert!(
                *now <= *highest + slack,
                "round {} left something behind: {what} are {now}, and were {highest} at most in the first {WARM} rounds",
                self.rounds
            );
        }
    }

    /// For the lines at the end.
    pub(crate) fn line(&self) -> String {
        let [bytes, blocks, mappings, memory] = growing();
        let kinds = self.first.iter().flatten();
        let kinds: Vec<_> = kinds
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        format!(
            "flat at {}; heap of {bytes} bytes in {blocks} blocks, {mappings} mappings, {} KiB of memory",
            kinds.join(", "),
            memory >> 10
        )
    }
}

/// When it has been the same for a while.
fn at_rest() -> Kinds {
    let end = Instant::now() + PATIENCE;
    let (mut before, mut same) = (kinds(), 0);
    while same < 100 {
        assert!(Instant::now() < end, "it does not come to rest");
        thread::sleep(Duration::from_millis(2));
        let now = kinds();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    before
}

fn kinds() -> Kinds {
    let mut kinds = Kinds::new();
    let mut add = |kind: &str, name: &str| {
        // What is in brackets or behind a name is a number of this one alone.
        let name = name.split(":[").next().unwrap_or_default();
        *kinds.entry(format!("{kind} {name}")).or_default() += 1;
    };
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let name = fs::read_link(entry.path()).unwrap_or_default();
        match name.to_str().unwrap_or_default() {
            // The one that lists them.
            name if name.starts_with("/proc/") => {}
            name if name.starts_with("anon_inode:") => add("descriptors", &name[11..]),
            name => add("descriptors", name),
        }
    }
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut words = line.split_whitespace();
        let shared = words.nth(1).is_some_and(|mode| mode.ends_with('s'));
        // One for the whole process, from its first ring by AIO on.
        if shared && !line.contains("/[aio]") {
            add("mappings", words.nth(3).unwrap_or_default());
        }
    }
    let threads = fs::read_dir("/proc/self/task").unwrap().count();
    kinds.insert("threads".to_owned(), threads);
    kinds
}

fn growing() -> [usize; GROWING.len()] {
    let (bytes, blocks) = heap::allocated();
    let mappings = fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().filter_map(|line| {
        let (name, size) = line.split_once(':')?;
        let own = name == "RssAnon" || name == "RssShmem";
        own.then(|| {
            size.trim()
                .trim_end_matches(" kB")
                .parse::<usize>()
                .unwrap()
        })
    });
    [bytes, blocks, mappings, resident.sum::<usize>() << 10]
}

fn is_less(now: &Kinds, first: &Kinds) -> bool {
    now.iter()
        .all(|(kind, count)| first.get(kind).is_some_and(|first| count <= first))
}

fn difference(first: &Kinds, now: &Kinds) -> String {
    let all = first.keys().chain(now.keys());
    let count = |kinds: &Kinds, kind| kinds.get(kind).copied().unwrap_or(0);
    let mut texts: Vec<_> = all
        .map(|kind| (kind, count(first, kind), count(now, kind)))
        .filter(|(_, before, now)| before != now)
        .map(|(kind, before, now)| format!("{now} {kind} for {before}"))
        .collect();
    texts.sort();
    texts.dedup();
    texts.join(", ")
}
