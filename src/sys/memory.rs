//! How much memory the control groups of this process have left, from version 1 (`memory.limit_in_bytes`) and 2 (`memory.max`).
//!
//! Where a group has too little, the kernel does not refuse to allocate a file's pages: it ends a process of the group, most likely the one that asks. So it is asked before.

use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup;
use super::process::PerProcess;

/// What a group lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) group: PathBuf,
    pub(crate) limit: u64,
    /// What cannot be taken from anybody: memory without a file behind it, and memory files.
    pub(crate) used: u64,
    /// How much of that could be swapped out.
    pub(crate) swap: u64,
}

/// The groups that this process was in when it first asked, from its own outwards; none, where none of them had a limit then.
static AROUND_US: PerProcess<Vec<PathBuf>> = PerProcess::new();

/// Whether allocating `bytes` would be too much for some group that this process is in. A group that was entered later does not count, nor a limit where there was none at first; what cannot be
/// read limits nothing; and what may be swapped out can make room.
pub(crate) fn shortage(bytes: u64) -> Option<Shortage> {
    let groups = AROUND_US.get(|| Ok(around_us())).ok()?;
    shortage_in(groups, bytes, free_swap)
}

fn around_us() -> Vec<PathBuf> {
    let folders = cgroup::around_us("memory");
    let is_limited = folders.iter().any(|folder| limit(folder).is_some());
    if is_limited { folders } else { Vec::new() }
}

/// `host`: the swap that the host has left.
fn shortage_in(groups: &[PathBuf], bytes: u64, host: impl Fn() -> u64) -> Option<Shortage> {
    let lacks = |group: &PathBuf| {
        let (limit, usage) = (limit(group)?, usage(group)?);
        // Most of the time.
        if wanted(bytes).saturating_add(usage) <= limit {
            return None;
        }
        // What is in a group inside of it has to stay there as far as that one may not swap it out, whatever its neighbours may.
        let inside = groups.iter().rev().filter(|it| it.starts_with(group));
        inside.into_iter().find_map(|inner| {
            let used = kept(&fs::read_to_string(inner.join("memory.stat")).ok()?);
            let around = groups.iter().filter(|it| inner.starts_with(it));
            let swap = around.filter_map(|it| swap_left(it)).fold(host(), u64::min);
            let most = limit.saturating_add(swap);
            (wanted(bytes).saturating_add(used) > most).then(|| Shortage {
                group: group.clone(),
                limit,
                used,
                swap,
            })
        })
    };
    groups.iter().find_map(lacks)
}

/// With what the kernel needs to know where so many bytes are.
fn wanted(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 128)
}

/// More than any group has: what version 1 says where there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// The first of these files that has a number.
fn number(group: &Path, files: &[&str]) -> Option<u64> {
    files.iter().find_map(|file| {
        let text = fs::read_to_string(group.join(file)).ok()?;
        text.trim().parse().ok()
    })
}

/// None is "max" in version 2, and in version 1 a number that is as good as that.
fn limit(group: &Path) -> Option<u64> {
    let limit = number(group, &["memory.max", "memory.limit_in_bytes"]);
    limit.filter(|limit| *limit < NO_LIMIT)
}

fn usage(group: &Path) -> Option<u64> {
    number(group, &["memory.current", "memory.usage_in_bytes"])
}

/// What a group may still swap out; `None`: it has no limit on that. That of version 1 is on memory and swap in sum: of what is beyond the limit on memory, what is not in use.
fn swap_left(group: &Path) -> Option<u64> {
    if let Some(most) = number(group, &["memory.swap.max"]) {
        return Some(most.saturating_sub(number(group, &["memory.swap.current"])?));
    }
    let sum = number(group, &["memory.memsw.limit_in_bytes"]).filter(|sum| *sum < NO_LIMIT)?;
    let swapped = number(group, &["memory.memsw.usage_in_bytes"])?.saturating_sub(usage(group)?);
    Some(sum.saturating_sub(limit(group)?).saturating_sub(swapped))
}

/// What `memory.stat` says of memory that has no file on a disk. In version 1 the sums of a group and those inside of it have names of their own, and nothing is said of the kernel's memory.
fn kept(stat: &str) -> u64 {
    let value = |name: &str| {
        let found = stat.lines().find_map(|line| {
            let (key, value) = line.split_once(' ')?;
            (key == name).then(|| value.parse::<u64>().ok())?
        });
        found.unwrap_or(0)
    };
    let (anonymous, files) = if stat.contains("total_rss ") {
        ("total_rss", "total_shmem")
    } else {
        ("anon", "shmem")
    };
    let programs = value(anonymous).saturating_add(value(files));
    // What the kernel keeps for the group (page tables, sockets, pipes, instances of `io_uring`), but for what it can drop. Before Linux 5.18 there is no sum of it.
    let parts = ["kernel_stack", "pagetables", "percpu", "slab_unreclaimable"].map(value);
    let parts = parts.into_iter().fold(0, u64::saturating_add);
    let kernel = value("kernel").saturating_sub(value("slab_reclaimable"));
    programs
        .saturating_add(kernel.max(parts))
        .saturating_add(value("sock"))
}

/// What the host has left.
fn free_swap() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = text.lines();
    let free = lines.find_map(|line| line.strip_prefix("SwapFree:"));
    let kib = free.and_then(|free| free.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_taken_is_read_from_either_version() {
        let two = "anon 4096\nfile 99999\nshmem 8192\n";
        assert_eq!(kept(two), 12_288);
        let one = "cache 7\nrss 1\nshmem 2\ntotal_cache 70\ntotal_rss 4096\ntotal_shmem 100\n";
        assert_eq!(kept(one), 4196);
        assert_eq!(kept("nonsense"), 0);
    }

    #[test]
    fn no_group_of_ours_lacks_a_page() {
        assert_eq!(shortage(4096), None);
    }

    #[test]
    fn only_a_number_is_a_limit() {
        let folder = std::env::temp_dir().join(format!("ringway-memory-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let with = |file: &str, text: &str| {
            fs::write(folder.join(file), text).unwrap();
            let found = limit(&folder);
            fs::remove_file(folder.join(file)).unwrap();
            found
        };
        assert_eq!(with("memory.max", "max\n"), None);
        assert_eq!(with("memory.max", "8388608\n"), Some(8 << 20));
        let (file, most) = ("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(with(file, most), None);
        assert_eq!(with(file, "4096\n"), Some(4096));
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn what_the_kernel_keeps_for_a_group_cannot_be_taken_but_for_what_it_can_drop() {
        let parts = "anon 4096\nkernel_stack 10\npagetables 200\npercpu 3000\nsock 40000\nshmem 0\nslab_reclaimable 700000\nslab_unreclaimable 50000\nslab 750000\n";
        assert_eq!(kept(parts), 4096 + 10 + 200 + 3000 + 40_000 + 50_000);
        // The sum has more in it, such as pipes.
        let sum = format!("{parts}kernel 760000\n");
        assert_eq!(kept(&sum), 4096 + 60_000 + 40_000);
    }

    const MIB: u64 = 1 << 20;

    /// Groups, each in the one before it, with these files; and whether they lack 10 MiB where the host has so much swap, in MiB.
    fn lacks(name: &str, groups: &[&[(&str, u64)]], host: u64) -> Option<PathBuf> {
        let top = std::env::temp_dir().join(format!("ringway-swap-{name}-{}", std::process::id()));
        let (mut folder, mut around) = (top.clone(), Vec::new());
        for files in groups {
            folder.push("group");
            fs::create_dir_all(&folder).unwrap();
            for (file, mib) in *files {
                let text = match *file {
                    "memory.stat" => format!("anon {}\nshmem 0\n", mib * MIB),
                    _ => (mib * MIB).to_string(),
                };
                fs::write(folder.join(file), text).unwrap();
            }
            around.insert(0, folder.clone());
        }
        let shortage = shortage_in(&around, 10 * MIB, || host * MIB);
        fs::remove_dir_all(&top).unwrap();
        shortage.map(|lack| lack.group.strip_prefix(&top).unwrap().to_path_buf())
    }

    const FULL: [(&str, u64); 3] = [
        ("memory.max", 100),
        ("memory.current", 99),
        ("memory.stat", 95),
    ];

    fn full<const N: usize>(more: [(&'static str, u64); N]) -> Vec<(&'static str, u64)> {
        FULL.into_iter().chain(more).collect()
    }

    #[test]
    fn as_much_can_be_swapped_out_as_the_host_has_left() {
        let inner = Some(PathBuf::from("group"));
        assert_eq!(lacks("host", &[&FULL], 0), inner);
        assert_eq!(lacks("host", &[&FULL], 5), inner);
        assert_eq!(lacks("host", &[&FULL], 6), None);
    }

    #[test]
    fn as_much_can_be_swapped_out_as_the_group_has_left() {
        let inner = Some(PathBuf::from("group"));
        let of = |max, current| {
            let swap = [("memory.swap.max", max), ("memory.swap.current", current)];
            lacks("two", &[&full(swap)], 1000)
        };
        assert_eq!(of(0, 0), inner);
        assert_eq!(of(50, 45), inner);
        assert_eq!(of(50, 44), None);
        assert_eq!(of(50, 60), inner);
        // Of version 1: 99 in memory, the others swapped.
        let of = |sum, both| {
            let files = [
                ("memory.limit_in_bytes", 100),
                ("memory.usage_in_bytes", 99),
                ("memory.memsw.limit_in_bytes", sum),
                ("memory.memsw.usage_in_bytes", both),
                ("memory.stat", 95),
            ];
            lacks("one", &[&files], 1000)
        };
        assert_eq!(of(100, 99), inner);
        assert_eq!(of(120, 114), inner);
        assert_eq!(of(120, 113), None);
        assert_eq!(of(NO_LIMIT / MIB, 5000), None);
    }

    /// Of groups in one another what the innermost may swap is bounded by each around it; and what is inside of a limit by what it may swap itself.
    #[test]
    fn every_group_on_the_way_up_limits_what_can_be_swapped_out() {
        let none = [("memory.swap.max", 0), ("memory.swap.current", 0)];
        let of = |groups: &[&[(&str, u64)]]| lacks("around", groups, 1000);
        let (outer, inner) = (PathBuf::from("group"), PathBuf::from("group/group"));
        assert_eq!(of(&[&none, &FULL]), Some(inner));
        assert_eq!(of(&[&[], &FULL]), None);
        let own = |mib| [none[0], none[1], ("memory.stat", mib)];
        assert_eq!(of(&[&FULL, &own(91)]), Some(outer));
        // The neighbours make room.
        assert_eq!(of(&[&FULL, &own(5)]), None);
    }
}
