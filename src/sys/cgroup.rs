//! The control groups of this process, of version 1 and 2, and how much processor time they grant it (`cpu.cfs_quota_us`, `cpu.max`).

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Whether some control group that this process is in grants it one CPU's time or less. What cannot be read grants everything.
pub(crate) fn is_rationed() -> bool {
    groups_of("cpu").iter().any(is_rationed_by)
}

/// The folders of all groups that this process is in and that `controller` may limit, from its own outwards.
pub(crate) fn around_us(controller: &str) -> Vec<PathBuf> {
    let groups = groups_of(controller);
    let each = groups.iter().flat_map(Group::around);
    each.map(Path::to_path_buf).collect()
}

fn groups_of(controller: &str) -> Vec<Group> {
    // A name that is no text, of a mount that has nothing to do with us, hides no other.
    let read = |path: &str| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let groups = read("/proc/self/cgroup");
    folders(controller, &groups, &read("/proc/self/mountinfo"))
}

/// Where one hierarchy is mounted, and the group in it: its quota counts, and that of each group around it.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    mount: PathBuf,
    folder: PathBuf,
}

impl Group {
    /// Its folder and those around it.
    fn around(&self) -> impl Iterator<Item = &Path> {
        self.folder
            .ancestors()
            .take_while(|folder| folder.starts_with(&self.mount))
    }
}

/// The groups that `controller` may limit. `groups` and `mounts`: the texts of `/proc/self/cgroup` and `mountinfo`.
fn folders(controller: &str, groups: &str, mounts: &str) -> Vec<Group> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((front, back)) = line.split_once(" - ") else {
            continue;
        };
        let front: Vec<&str> = front.split(' ').collect();
        let back: Vec<&str> = back.split(' ').collect();
        let (&[_, _, _, root, mount, ..], &[kind, _, options, ..]) = (&front[..], &back[..]) else {
            continue;
        };
        let version_1 = kind == "cgroup" && options.split(',').any(|option| option == controller);
        if !version_1 && kind != "cgroup2" {
            continue;
        }
        let group = groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
            let ours = if version_1 {
                controllers.split(',').any(|name| name == controller)
            } else {
                controllers.is_empty()
            };
            ours.then_some(group)
        });
        let mount = PathBuf::from(unescaped(mount));
        let root = unescaped(root);
        // A group that was removed while we are in it: the folders around it are still there.
        let group = group.map(|group| group.strip_suffix(" (deleted)").unwrap_or(group));
        // A group outside of what is mounted: the quota of the mounted one is all that we can see. So it is where the mount comes from outside of our
        // namespace: its root is then `/..` or the like, and the names of the groups between it and ours are not told.
        let inside = group
            .and_then(|group| Path::new(group).strip_prefix(&root).ok())
            .filter(|inside| inside.components().all(|part| part != Component::ParentDir));
        let folder = inside.map_or_else(|| mount.clone(), |inside| mount.join(inside));
        found.push(Group { mount, folder });
    }
    found
}

/// A field of `mountinfo`, in which spaces, tabs, line ends and backslashes are three octal digits behind a backslash.
fn unescaped(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [byte, behind @ ..] = rest {
        match behind {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..] if *byte == b'\\' => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = left;
            }
            _ => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_rationed_by(group: &Group) -> bool {
    group.around().any(|folder| {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let max = read("cpu.max");
        let (quota, period) = if max.is_empty() {
            (read("cpu.cfs_quota_us"), read("cpu.cfs_period_us"))
        } else {
            let (quota, period) = max.split_once(' ').unwrap_or((&max, ""));
            (quota.to_owned(), period.to_owned())
        };
        is_one_at_most(&quota, &period)
    })
}

/// Whether `quota` in each `period`, both in microseconds, is one CPU's time or less. "max" and -1 are no quota.
fn is_one_at_most(quota: &str, period: &str) -> bool {
    match (quota.trim().parse::<u64>(), period.trim().parse::<u64>()) {
        (Ok(quota), Ok(period)) => quota <= period,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read() {
        assert!(is_one_at_most("50000", "100000\n"));
        assert!(is_one_at_most("100000", "100000"));
        assert!(!is_one_at_most("100001", "100000"));
        assert!(!is_one_at_most("max", "100000\n"));
        assert!(!is_one_at_most("-1\n", "100000\n"));
        assert!(!is_one_at_most("", ""));
        assert!(!is_one_at_most("50000", ""));
    }

    fn group(mount: &str, folder: &str) -> Group {
        Group {
            mount: mount.into(),
            folder: folder.into(),
        }
    }

    #[test]
    fn version_2_and_version_1_are_found() {
        let two = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(
            folders("cpu", "0::/user.slice/a.scope\n", two),
            [group("/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/a.scope")]
        );
        let one = "\
            31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset";
        assert_eq!(
            folders("cpu", "3:cpuset:/\n2:cpu,cpuacct:/job\n0::/", one),
            [group(
                "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/cpu,cpuacct/job"
            )]
        );
    }

    /// In a container the mount shows a part of the tree, and the group may be said to be outside of it.
    #[test]
    fn a_mount_may_show_a_part_of_the_tree() {
        let mounts = "9 8 0:1 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu";
        let at = |folder| [group("/sys/fs/cgroup/cpu", folder)];
        assert_eq!(
            folders("cpu", "2:cpu:/docker/abc/x", mounts),
            at("/sys/fs/cgroup/cpu/x")
        );
        assert_eq!(
            folders("cpu", "2:cpu:/other", mounts),
            at("/sys/fs/cgroup/cpu")
        );
        let mounts = "9 8 0:1 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu";
        assert_eq!(
            folders("cpu", "2:cpu:/../x", mounts),
            at("/sys/fs/cgroup/cpu")
        );
        assert_eq!(folders("cpu", "nonsense", "nonsense - \n\n"), []);
    }

    /// The kernel writes a backslash and a space of a path as digits in one of its files, and as they are in the other.
    #[test]
    fn names_with_backslashes_and_spaces_are_found() {
        let mounts = "9 8 0:1 /a\\134x2dc.slice /mnt/my\\040groups ro shared:1 - cgroup2 none rw";
        let at = |folder| [group("/mnt/my groups", folder)];
        assert_eq!(
            folders("cpu", "0::/a\\x2dc.slice/b\\x20.scope", mounts),
            at("/mnt/my groups/b\\x20.scope")
        );
        assert_eq!(
            folders("cpu", "0::/a\\x2dd.slice", mounts),
            at("/mnt/my groups")
        );
        for (field, path) in [
            ("", ""),
            ("/", "/"),
            ("\\134", "\\"),
            ("\\134134", "\\134"),
            ("\\011\\012#", "\t\n#"),
            ("\\13", "\\13"),
            ("\\400\\", "\\400\\"),
            ("\\303\\244", "ä"),
        ] {
            assert_eq!(unescaped(field), path, "{field:?}");
        }
    }

    #[test]
    fn a_group_that_was_removed_is_looked_for_where_it_was() {
        let mounts = "9 8 0:1 / /sys/fs/cgroup ro - cgroup2 none rw";
        let at = |folder| [group("/sys/fs/cgroup", folder)];
        assert_eq!(
            folders("cpu", "0::/a.slice/b.scope (deleted)", mounts),
            at("/sys/fs/cgroup/a.slice/b.scope")
        );
        let mounts = "9 8 0:1 /a.slice /sys/fs/cgroup ro - cgroup2 none rw";
        assert_eq!(
            folders("cpu", "0::/a.slice (deleted)", mounts),
            at("/sys/fs/cgroup/")
        );
    }

    /// In a namespace of control groups whose mount comes from outside: the names between its root and ours are not told, and its own quota counts.
    #[test]
    fn a_mount_from_outside_of_the_namespace_counts_by_itself() {
        let at = |folder| [group("/sys/fs/cgroup", folder)];
        for root in ["/..", "/../..", "/../other"] {
            let mounts = format!("9 8 0:1 {root} /sys/fs/cgroup ro - cgroup2 none rw");
            assert_eq!(
                folders("cpu", "0::/", &mounts),
                at("/sys/fs/cgroup"),
                "{root}"
            );
            assert_eq!(
                folders("cpu", "0::/a", &mounts),
                at("/sys/fs/cgroup"),
                "{root}"
            );
        }
    }

    /// The quota of a group around ours counts, and one beside or above the mount does not.
    #[test]
    fn every_group_around_counts() {
        let top = std::env::temp_dir().join(format!("ringway-cgroup-{}", std::process::id()));
        let mount = top.join("mount");
        let inner = mount.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let ours = Group {
            mount: mount.clone(),
            folder: inner.clone(),
        };
        let rationed = |folder: &Path, file: &str, text: &str| {
            fs::write(folder.join(file), text).unwrap();
            let answer = is_rationed_by(&ours);
            fs::remove_file(folder.join(file)).unwrap();
            answer
        };
        assert!(!is_rationed_by(&ours));
        assert!(rationed(&inner, "cpu.max", "90000 100000\n"));
        assert!(rationed(&mount.join("a"), "cpu.max", "100000 100000\n"));
        assert!(!rationed(&inner, "cpu.max", "max 100000\n"));
        assert!(!rationed(&inner, "cpu.max", "200000 100000\n"));
        assert!(!rationed(&top, "cpu.max", "10000 100000\n"));
        fs::write(mount.join("cpu.cfs_period_us"), "100000\n").unwrap();
        assert!(rationed(&mount, "cpu.cfs_quota_us", "50000\n"));
        assert!(!rationed(&mount, "cpu.cfs_quota_us", "-1\n"));
        fs::remove_dir_all(top).unwrap();
    }
}
