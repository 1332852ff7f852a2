//! How much memory the control groups of this process have left, from version 1 (`memory.limit_in_bytes`) and 2 (`memory.max`).
//!
//! Where a group has too little, the kernel does not refuse to allocate a file's pages: it ends a process of the group, most likely the one that asks. So it is asked before.

use std::fs;
use std::path::PathBuf;

use super::cgroup;
use super::process::PerProcess;

/// What a group lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) group: PathBuf,
    pub(crate) limit: u64,
    /// What cannot be taken from anybody: memory without a file behind it, and memory files.
    pub(crate) used: u64,
}

/// The groups with a limit that this process was in when it first asked.
static LIMITED: PerProcess<Vec<PathBuf>> = PerProcess::new();

/// Whether allocating `bytes` would be too much for some group that this process is in. A group that was given a limit later, or entered later, does not count; what cannot be
/// read limits nothing; and where there is swap, what is used can make room, and nothing is said.
pub(crate) fn shortage(bytes: u64) -> Option<Shortage> {
    let limited = LIMITED.get(|| Ok(limited())).ok()?;
    let lacks = |group: &PathBuf| {
        let (limit, usage) = (limit(group)?, usage(group)?);
        // Most of the time.
        if wanted(bytes).saturating_add(usage) <= limit || has_swap() {
            return None;
        }
        let used = kept(&fs::read_to_string(group.join("memory.stat")).ok()?);
        (wanted(bytes).saturating_add(used) > limit).then(|| Shortage {
            group: group.clone(),
            limit,
            used,
        })
    };
    limited.iter().find_map(lacks)
}

fn limited() -> Vec<PathBuf> {
    let mut folders = cgroup::around_us("memory");
    folders.retain(|folder| limit(folder).is_some());
    folders
}

/// With what the kernel needs to know where so many bytes are.
fn wanted(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 128)
}

/// The first of these files that has a number.
fn number(group: &std::path::Path, files: [&str; 2]) -> Option<u64> {
    files.into_iter().find_map(|file| {
        let text = fs::read_to_string(group.join(file)).ok()?;
        text.trim().parse().ok()
    })
}

/// None is "max" in version 2, and in version 1 a number that is as good as that.
fn limit(group: &std::path::Path) -> Option<u64> {
    const NO_LIMIT: u64 = 1 << 60;
    let limit = number(group, ["memory.max", "memory.limit_in_bytes"]);
    limit.filter(|limit| *limit < NO_LIMIT)
}

fn usage(group: &std::path::Path) -> Option<u64> {
    number(group, ["memory.current", "memory.usage_in_bytes"])
}

/// What `memory.stat` says of memory that has no file on a disk. In version 1 the sums of a group and those inside of it have names of their own.
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
    value(anonymous).saturating_add(value(files))
}

fn has_swap() -> bool {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = text.lines();
    let total = lines.find_map(|line| line.strip_prefix("SwapTotal:"));
    total.is_some_and(|total| total.trim() != "0 kB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_taken_is_read_from_either_version() {
        let two = "anon 4096\nfile 99999\nkernel 5\nshmem 8192\n";
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
}
