//! Processes for tests: re-execution with a watchdog, children by fork, kills by timer, and a page that survives its writer.

#![allow(
    dead_code,
    reason = "several test binaries share this file, and none needs all of it"
)]

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ringway::{Config, Connection};

const INSIDE: &str = "RINGWAY_TEST_INSIDE";

/// Runs `body` in a process of its own, which is killed after `limit`: the test binary executes itself for the one test `name`.
pub(crate) fn alone(name: &str, limit: Duration, body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        watchdog(limit);
        body();
        return;
    }
    let itself = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--include-ignored"]);
        command
    };
    // Where nothing has that name nothing runs, and that is a success.
    let listed = itself().arg("--list").output().unwrap().stdout;
    assert!(
        String::from_utf8_lossy(&listed).contains(&format!("{name}: test")),
        "there is no test `{name}`"
    );
    let status = itself()
        .args(["--nocapture", "--test-threads=1"])
        .env(INSIDE, name)
        .status()
        .unwrap();
    assert!(
        status.success(),
        "{name}: {status} (signal 14 is the watchdog)"
    );
}

/// SIGALRM ends this process after `limit`: a hang becomes a failure.
pub(crate) fn watchdog(limit: Duration) {
    // SAFETY: no memory is passed.
    unsafe { libc::alarm(u32::try_from(limit.as_secs()).unwrap_or(u32::MAX).max(1)) };
}

/// A forked child. Dropping it kills and reaps.
pub(crate) struct Child {
    pub(crate) pid: libc::pid_t,
    reaped: bool,
}

/// Forks. The child runs `body` and exits with 0, or with 101 after a panic; it dies with its parent.
pub(crate) fn fork(body: impl FnOnce()) -> Child {
    // SAFETY: the process runs one test on one thread (`alone`), so no lock is held by a thread that the child lacks.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: no memory is passed.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        // SAFETY: ends the process and runs nothing of the parent's.
        unsafe { libc::_exit(if outcome.is_ok() { 0 } else { 101 }) };
    }
    Child { pid, reaped: false }
}

/// A child that connects to us at `path` and runs `body`, and our connection to it, which is there before `deadline`.
pub(crate) fn with_child(
    path: &Path,
    config: &Config,
    deadline: Instant,
    body: impl FnOnce(Connection),
) -> (Connection, Child) {
    let mut listener = config.bind(path).unwrap();
    let child = fork(|| body(config.connect(path).unwrap()));
    (listener.accept_deadline(deadline).unwrap(), child)
}

impl Child {
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: no memory is passed; the pid is ours until it is reaped.
        let sent = unsafe { libc::kill(self.pid, signal) };
        assert_eq!(sent, 0);
    }

    /// Stops it, and returns once it stands still. `SIGCONT` has it go on.
    pub(crate) fn stop(&self) {
        self.signal(libc::SIGSTOP);
        self.until_it_stops();
    }

    /// Waits until it has stopped, by whomever.
    pub(crate) fn until_it_stops(&self) {
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        let stopped = unsafe { libc::waitpid(self.pid, &raw mut status, libc::WUNTRACED) };
        assert!(
            stopped == self.pid && libc::WIFSTOPPED(status),
            "{status:#x}"
        );
    }

    /// Waits for the end and returns the wait status.
    pub(crate) fn reap(&mut self) -> i32 {
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        let ended = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        assert_eq!(ended, self.pid);
        self.reaped = true;
        status
    }

    /// Whether it has ended, by SIGKILL. Reaps it then.
    pub(crate) fn has_been_killed(&mut self) -> bool {
        if self.reaped {
            return true;
        }
        // SAFETY: all-zero is a valid `siginfo_t`.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let pid = libc::id_t::try_from(self.pid).unwrap();
        // SAFETY: `info` is valid for writes; the pid is ours until it is reaped.
        let asked = unsafe { libc::waitid(libc::P_PID, pid, &raw mut info, flags) };
        assert_eq!(asked, 0);
        // SAFETY: `waitid` has filled it, or left it zero.
        let ended = unsafe { info.si_pid() } == self.pid;
        if ended {
            self.reap_killed();
        }
        ended
    }

    /// Waits for the end, which must be by SIGKILL.
    pub(crate) fn reap_killed(&mut self) {
        let status = self.reap();
        assert!(
            libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL,
            "the child ended by itself: status {status:#x}"
        );
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: no memory is passed; the child is not reaped, so the pid is still its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.reap();
        }
    }
}

/// The kernel sends this process SIGKILL after `delay`, wherever it is then.
pub(crate) fn die_after(delay: Duration) {
    // SAFETY: all-zero is a valid `sigevent`.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGKILL;
    let mut timer: libc::timer_t = std::ptr::null_mut();
    // SAFETY: `event` is valid for reads, `timer` for writes.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    assert_eq!(made, 0, "timer_create: {}", std::io::Error::last_os_error());
    let nanoseconds = delay.as_nanos().max(1);
    let zero = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let time = libc::itimerspec {
        it_interval: zero,
        it_value: libc::timespec {
            tv_sec: (nanoseconds / 1_000_000_000) as i64,
            tv_nsec: (nanoseconds % 1_000_000_000) as i64,
        },
    };
    // SAFETY: `time` is valid for reads; no old value is asked for.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const time, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// A page shared with the children forked later: words that outlive their writer.
pub(crate) struct Page(*mut u64);

impl Page {
    pub(crate) fn new() -> Self {
        // SAFETY: a fresh anonymous mapping overlaps nothing.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        Self(page.cast())
    }

    pub(crate) fn get(&self, index: usize) -> u64 {
        assert!(index < 512);
        // SAFETY: in bounds of the page, which is never unmapped; one aligned word, written whole by one process.
        unsafe { self.0.add(index).read_volatile() }
    }

    pub(crate) fn set(&self, index: usize, value: u64) {
        assert!(index < 512);
        // SAFETY: as for `get`.
        unsafe { self.0.add(index).write_volatile(value) };
    }

    /// Gives it up. Nobody else in this process has it.
    pub(crate) fn unmap(self) {
        // SAFETY: mapped by `new`, and `self` is the only handle.
        unsafe { libc::munmap(self.0.cast(), 4096) };
    }

    /// Waits until a word is `value`; the watchdog bounds it.
    pub(crate) fn until(&self, index: usize, value: u64) {
        while self.get(index) != value {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// What names this thread to [`until_it_sleeps`].
pub(crate) fn this_thread() -> libc::pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() }
}

/// Waits until a thread of this process sleeps in an epoll instance; the watchdog bounds it.
pub(crate) fn until_it_sleeps(thread: libc::pid_t) {
    until_asleep(&format!("/proc/self/task/{thread}/syscall"));
}

/// The same of a child's first thread.
pub(crate) fn until_child_sleeps(child: libc::pid_t) {
    until_asleep(&format!("/proc/{child}/syscall"));
}

fn until_asleep(place: &str) {
    let waits = [
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait,
    ];
    loop {
        let line = std::fs::read_to_string(place).unwrap();
        let call = line.split_whitespace().next().unwrap_or_default().parse();
        if call.is_ok_and(|call: libc::c_long| waits.contains(&call)) {
            return;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Drops `value` while the thread unwinds.
pub(crate) fn drop_by_panic<T: Send>(value: T) {
    let panicked = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _value = value;
            // Past the hook: no report is wanted of a panic that is meant.
            std::panic::resume_unwind(Box::new("the test's own panic"));
        });
        thread.join()
    });
    assert!(panicked.is_err());
}

/// Has several threads at once, which end: what the C library keeps of a thread for the next one (its stack, and an arena of `malloc`: four mappings) is there then before it is counted, where the library under
/// test may have a second thread beside its first one only when the machine is busy.
pub(crate) fn threads_were_there() {
    let all = std::sync::Arc::new(std::sync::Barrier::new(4));
    let threads = [(); 4].map(|()| {
        let all = std::sync::Arc::clone(&all);
        std::thread::spawn(move || {
            drop(std::hint::black_box(vec![1_u8; 1000]));
            all.wait();
        })
    });
    // To its very end: a scope would wait for what it does only, and not until it has given back what it had besides.
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Descriptors and mappings of this process.
pub(crate) fn holdings() -> (usize, usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps
        .lines()
        .filter(|line| line.contains("memfd:") || line.contains("rw-s"))
        // One for the whole process, from its first ring by AIO on.
        .filter(|line| !line.contains("/[aio]"))
        .count();
    (
        std::fs::read_dir("/proc/self/fd").unwrap().count(),
        maps.lines().count(),
        shared,
    )
}

/// Fails if there stays more than `before`, of what `look` finds. Some descriptors are closed on another thread, a moment later: of what was there before, too, so that there may be less.
pub(crate) fn no_more_than(
    before: (usize, usize, usize),
    look: impl Fn() -> (usize, usize, usize),
) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let now = look();
        if now.0 <= before.0 && now.1 <= before.1 && now.2 <= before.2 {
            return;
        }
        assert!(
            Instant::now() < until,
            "descriptors, mappings or shared mappings leak: {before:?}, and {now:?} now"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// xorshift64*: random numbers that a seed repeats, together with `RINGWAY_SEED`, which each lap of a soak sets to another.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        static LAP: OnceLock<u64> = OnceLock::new();
        let lap = LAP.get_or_init(|| {
            let lap = std::env::var("RINGWAY_SEED").map(|lap| lap.parse().expect("a number"));
            lap.unwrap_or(0)
        });
        Self(mix(seed ^ mix(*lap)) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Spreads every bit of `x` over the result.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The frames of one stream: the receiver can predict every byte from the seed and the sequence number.
pub(crate) struct Frames {
    sizes: Random,
    table: Vec<u8>,
    seed: u64,
    most: usize,
    pub(crate) sequence: u64,
}

impl Frames {
    /// Frames of 1 to `most` bytes, with sizes that are uniform in their logarithm.
    pub(crate) fn new(seed: u64, most: usize) -> Self {
        let mut random = Random::new(1);
        let table = (0..most / 8 + 512)
            .flat_map(|_| random.next().to_ne_bytes())
            .collect();
        Self {
            sizes: Random::new(seed),
            table,
            seed,
            most,
            sequence: 0,
        }
    }

    /// Writes the next frame: sequence number, checksum of seed, sequence number and length, and bytes of a random table; a short
    /// frame has the beginning of that.
    pub(crate) fn next(&mut self, frame: &mut Vec<u8>) {
        let bits = u64::from(self.most.ilog2());
        let power = 1usize << self.sizes.below(bits + 1);
        let length = (power + self.sizes.below(power as u64) as usize).min(self.most);
        let start = (mix(self.sequence ^ self.seed) % 4000) as usize;
        frame.clear();
        frame.extend_from_slice(&self.table[start..start + length]);
        let checksum = mix(self.seed ^ mix(self.sequence) ^ length as u64);
        let head = [checksum.to_ne_bytes(), self.sequence.to_ne_bytes()].concat();
        let part = length.min(head.len());
        frame[..part].copy_from_slice(&head[..part]);
        self.sequence += 1;
    }
}
