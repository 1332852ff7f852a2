//! Where a connection's memory lies and whether it stays there: NUMA node, locked pages, and what a refusal means.

use std::io;
use std::os::fd::AsFd;

use nix::sys::resource::Resource;

use super::config::Config;
use super::side::Refused;
use crate::error::{Error, ErrorKind};
use crate::layout::handshake::Reason;
use crate::segment::{ForeignSegment, OwnSegment, SegmentSize};
use crate::sys::memory::{self, Shortage};
use crate::sys::place;

/// Our own segment, where `config` wants it.
pub(super) fn segment(config: &Config, size: SegmentSize) -> Result<OwnSegment, Error> {
    let failed = |error| {
        Error::io(
            &format!("making a segment of {} bytes", size.total()),
            error,
        )
    };
    if let Some(shortage) = memory::shortage(size.total()).filter(|_| !size.huge) {
        return Err(short_of_memory(size, &shortage));
    }
    let file = OwnSegment::file(c"ringway", size).map_err(failed)?;
    if let Some(node) = config.node {
        place::bind_to_node(file.as_fd(), size.total() as usize, node)
            .map_err(|error| no_node(node, error))?;
    }
    let segment =
        OwnSegment::from_file(file, size, config.prefault || config.lock).map_err(failed)?;
    if config.lock {
        segment.lock().map_err(|error| {
            let (kind, text) = not_locked("our segment", size, &error);
            Error::new(kind, text)
        })?;
    }
    Ok(segment)
}

fn short_of_memory(size: SegmentSize, shortage: &Shortage) -> Error {
    let Shortage {
        group,
        limit,
        used,
        swap,
    } = shortage;
    let text = format!(
        "making a segment of {} bytes: the memory control group {} may have {limit} bytes and keeps {used}, with {swap} bytes of swap left, and the kernel would end a process of it; raise its limit (memory.max, memory.limit_in_bytes), \
         or use smaller rings",
        size.total(),
        group.display()
    );
    Error::new(ErrorKind::Resources, text)
}

/// Locks the peer's segment if `config` wants that.
pub(super) fn lock_theirs(config: &Config, segment: &ForeignSegment) -> Result<(), Refused> {
    if !config.lock {
        return Ok(());
    }
    segment.lock().map_err(|error| {
        let (kind, text) = not_locked("the peer's segment", segment.size(), &error);
        (Reason::Resources, kind, text)
    })
}

fn not_locked(whose: &str, size: SegmentSize, error: &io::Error) -> (ErrorKind, String) {
    let doing = format!("locking {whose} ({} bytes) in memory", size.total());
    // `EPERM`: the limit is zero. `ENOMEM` and `EAGAIN`: it is too low for what is locked already and this.
    let text = match (error.raw_os_error(), place::limit(Resource::RLIMIT_MEMLOCK)) {
        (Some(libc::EPERM | libc::ENOMEM | libc::EAGAIN), Some(most)) => format!(
            "{doing}: this process may lock {most} bytes in all; raise RLIMIT_MEMLOCK (`ulimit -l`, LimitMEMLOCK= of a systemd unit), \
             give it CAP_IPC_LOCK, or use smaller rings"
        ),
        _ => format!("{doing}: {error}"),
    };
    (ErrorKind::Resources, text)
}

fn no_node(node: u32, error: io::Error) -> Error {
    let (kind, text) = match error.raw_os_error() {
        Some(libc::EINVAL) => (
            ErrorKind::InvalidConfig,
            format!(
                "NUMA node {node} has no memory that this process may use; the host's nodes with memory: {}",
                place::nodes().as_deref().unwrap_or("unknown")
            ),
        ),
        Some(libc::ENOSYS) => (
            ErrorKind::Resources,
            "this kernel knows no NUMA: leave Config::numa_node out".to_owned(),
        ),
        Some(libc::EPERM) => (
            ErrorKind::Resources,
            "placing memory on a NUMA node is not permitted here: a container's seccomp filter may forbid `mbind`, which CAP_SYS_NICE allows"
                .to_owned(),
        ),
        _ => return Error::io(&format!("placing memory on NUMA node {node}"), error),
    };
    Error::new(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_lock_is_told_of_the_limit_where_there_is_one() {
        let size = SegmentSize {
            control: 4096,
            ring: 4096,
            lanes: 1,
            huge: false,
        };
        let told = |errno| not_locked("a segment", size, &io::Error::from_raw_os_error(errno)).1;
        let limited = place::limit(Resource::RLIMIT_MEMLOCK).is_some();
        for errno in [libc::EPERM, libc::ENOMEM, libc::EAGAIN] {
            assert_eq!(told(errno).contains("RLIMIT_MEMLOCK"), limited, "{errno}");
        }
        let other = told(libc::EINVAL);
        assert!(
            !other.contains("RLIMIT") && other.starts_with("locking a segment ("),
            "{other}"
        );
    }

    /// By that it is known whether the configuration is to be changed or the host.
    #[test]
    fn why_a_node_cannot_be_had_is_told() {
        for (errno, kind, words) in [
            (
                libc::EINVAL,
                ErrorKind::InvalidConfig,
                "node 7 has no memory",
            ),
            (libc::ENOSYS, ErrorKind::Resources, "knows no NUMA"),
            (libc::EPERM, ErrorKind::Resources, "CAP_SYS_NICE"),
            (libc::EIO, ErrorKind::Io, "on NUMA node 7"),
        ] {
            let error = no_node(7, io::Error::from_raw_os_error(errno));
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
