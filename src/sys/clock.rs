//! The host's clock: `CLOCK_MONOTONIC` as it is in the initial time namespace.
//!
//! A process in another time namespace (`unshare --time`, a container, a restored checkpoint) has a clock of its own, which is ahead of the host's by an offset that the
//! kernel tells it. So two processes understand each other's moments as soon as each turns its own into the host's, and nobody has to be believed.
//!
//! What `/proc/self/timens_offsets` says is the offset of the namespace that *children* will be in. It is ours too unless this process has unshared its time namespace,
//! which moves only its children: then nothing tells our own offset, and that is said.

use std::io;
use std::time::{Duration, Instant};

use super::cpu;
use super::process::PerProcess;

static CLOCK: PerProcess<HostClock> = PerProcess::new();

/// How this process's clock and the host's go together. Read once for each process: one that enters another time namespace later (`setns`, with one thread) misjudges.
#[derive(Debug)]
pub(crate) struct HostClock {
    /// Nanoseconds by which ours is ahead.
    ahead: i64,
    /// One moment, as both clocks of the standard kind say it: the library's and the kernel's.
    instant: Instant,
    nanos: u64,
}

impl HostClock {
    /// This process's.
    ///
    /// # Errors
    /// It cannot know: it has unshared its time namespace. Or what the system answers.
    pub(crate) fn here() -> io::Result<&'static Self> {
        CLOCK.get(|| Ok(Self::new(ahead()?)))
    }

    fn new(ahead: i64) -> Self {
        // Read one after the other; the nearest pair of some, in case this thread is interrupted in between.
        let pair = || {
            let instant = Instant::now();
            let nanos = cpu::nanos();
            (instant.elapsed(), instant, nanos)
        };
        let (_, instant, nanos) = (0..8).map(|_| pair()).min().unwrap_or_else(pair);
        Self {
            ahead,
            instant,
            nanos,
        }
    }

    /// Nanoseconds by which our clock is ahead of the host's.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead
    }

    /// The host's nanoseconds at a moment of ours. What the host's clock cannot say becomes the nearest that it can.
    pub(crate) fn host(&self, moment: Instant) -> u64 {
        let nanos = |span: Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX / 4);
        let since = match moment.checked_duration_since(self.instant) {
            Some(later) => nanos(later),
            None => -nanos(self.instant.saturating_duration_since(moment)),
        };
        let host = i128::from(self.nanos) + since - i128::from(self.ahead);
        u64::try_from(host.max(0)).unwrap_or(u64::MAX)
    }

    /// The moment of ours at which the host's clock says `host` nanoseconds. Any number has one.
    pub(crate) fn instant(&self, host: u64) -> Instant {
        let since = i128::from(host) + i128::from(self.ahead) - i128::from(self.nanos);
        // At most 2^65: such moments exist, some 1,170 years from now; a library to which they do not is told of the nearest.
        let span = since.unsigned_abs();
        let span = Duration::new(
            u64::try_from(span / 1_000_000_000).unwrap_or(u64::MAX),
            (span % 1_000_000_000) as u32,
        );
        let moment = if since < 0 {
            self.instant.checked_sub(span)
        } else {
            self.instant.checked_add(span)
        };
        moment.unwrap_or(self.instant)
    }
}

/// The moment of ours at which the host's clock says `host` nanoseconds. `None`: this process cannot tell.
pub(crate) fn instant(host: u64) -> Option<Instant> {
    HostClock::here().ok().map(|clock| clock.instant(host))
}

/// Nanoseconds by which this process's monotonic clock is ahead of the host's.
fn ahead() -> io::Result<i64> {
    let space = |name: &str| match std::fs::read_link(format!("/proc/self/ns/{name}")) {
        Ok(space) => Ok(Some(space)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    // A kernel without time namespaces has neither, and one clock for all.
    let Some(ours) = space("time")? else {
        return Ok(0);
    };
    if space("time_for_children")?.is_some_and(|childrens| childrens != ours) {
        return Err(io::Error::other(
            "this process has unshared its time namespace, and only its children are in the new one: send and receive by deadline in a child, \
             or before unsharing",
        ));
    }
    match std::fs::read_to_string("/proc/self/timens_offsets") {
        Ok(text) => offset(&text)
            .ok_or_else(|| io::Error::other("/proc/self/timens_offsets is not as expected")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The monotonic clock's offset in nanoseconds, of the kernel's table: a name (a number in some kernels), seconds, nanoseconds.
fn offset(table: &str) -> Option<i64> {
    let line = table.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next()?, "monotonic" | "1").then_some(words)
    });
    let mut words = line?;
    let seconds: i64 = words.next()?.parse().ok()?;
    let nanos: i64 = words.next()?.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read() {
        let table = "monotonic           0         0\nboottime            7         0\n";
        assert_eq!(offset(table), Some(0));
        let table = "boottime 7 0\nmonotonic      -1000 500000000\n";
        assert_eq!(offset(table), Some(-999_500_000_000));
        assert_eq!(offset("1 1000 7"), Some(1_000_000_000_007));
        assert_eq!(offset("monotonic many few"), None);
        assert_eq!(offset(""), None);
    }

    #[test]
    fn moments_come_back_and_absurd_ones_have_a_place() {
        for ahead in [0, 1_000_000_000_000, -1_000_000_000_000, i64::MAX, i64::MIN] {
            let clock = HostClock::new(ahead);
            let now = Instant::now();
            let host = clock.host(now);
            if host != 0 && host != u64::MAX {
                assert_eq!(clock.instant(host), now, "{ahead}");
            }
            let (first, last) = (clock.instant(0), clock.instant(u64::MAX));
            assert!(first < last);
            assert_eq!((clock.host(first), clock.host(last)), (0, u64::MAX));
            assert_eq!(clock.host(now + Duration::from_secs(1 << 40)), u64::MAX);
        }
        let clock = HostClock::new(0);
        // However long this thread is interrupted in between.
        let (hour, second) = (3_600_000_000_000, 1_000_000_000);
        let before = cpu::nanos() + hour;
        let far = clock.host(Instant::now() + Duration::from_secs(3600));
        let after = cpu::nanos() + hour;
        assert!(far + second > before, "{before} {far}");
        assert!(far < after + second, "{far} {after}");
    }
}
