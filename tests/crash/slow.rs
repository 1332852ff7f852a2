//! A process that is slow to die: its sockets are closed, and the kernel does not tell of its end for longer than a survivor waits for that.

use std::hint::spin_loop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use ringway::{RecvError, SendError};

use super::process::{Child, Page, alone, fork, with_child};
use super::{path, patient, soon};

const LIMIT: Duration = Duration::from_secs(300);
const READY: usize = 0;
/// Behind the end of a socket, a close of each of these has the kernel wait for something.
const WATCHES: usize = 30;
/// So many rounds for the sake of one.
const ROUNDS: u32 = 60;

/// The last processor that we may have.
fn last() -> CpuSet {
    let ours = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let last = (0..CpuSet::count()).rfind(|cpu| ours.is_set(*cpu).unwrap());
    let mut only = CpuSet::new();
    only.set(last.unwrap()).unwrap();
    only
}

/// Has the processor that a process would need which runs when nobody else wants to.
fn in_the_way(cpu: &CpuSet) -> Child {
    fork(|| {
        sched_setaffinity(Pid::from_raw(0), cpu).unwrap();
        loop {
            spin_loop();
        }
    })
}

/// From now on this process runs when nobody else wants to.
fn idle(cpu: &CpuSet) {
    sched_setaffinity(Pid::from_raw(0), cpu).unwrap();
    // SAFETY: all-zero is a valid `sched_param`, and the one that this policy takes.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: `parameters` is valid for reads.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
    assert_eq!(set, 0);
}

/// What watches a folder, if there can be one more.
fn watch() -> Option<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
    // SAFETY: the kernel has just returned `fd`, and nothing else owns it.
    let watch = (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })?;
    // SAFETY: the path ends with a NUL.
    let added =
        unsafe { libc::inotify_add_watch(watch.as_raw_fd(), c"/proc".as_ptr(), libc::IN_ATTRIB) };
    (added >= 0).then_some(watch)
}

#[test]
fn a_death_is_one_however_long_it_takes() {
    alone("slow::a_death_is_one_however_long_it_takes", LIMIT, || {
        let cpu = last();
        let _in_the_way = in_the_way(&cpu);
        let mut longest = Duration::ZERO;
        for _ in 0..ROUNDS {
            let page = Page::new();
            // Lower than its socket, and so closed behind it.
            let watches: Vec<_> = (0..WATCHES).filter_map(|_| watch()).collect();
            let (mut ours, mut child) =
                with_child(&path("slow"), &patient(), soon(), |_connection| {
                    idle(&cpu);
                    page.set(READY, 1);
                    loop {
                        std::thread::sleep(LIMIT);
                    }
                });
            drop(watches);
            page.until(READY, 1);
            child.signal(libc::SIGKILL);
            let end = (ours.receiver().recv_deadline(Instant::now() + LIMIT)).map(drop);
            let told = Instant::now();
            assert_eq!(end, Err(RecvError::PeerDied));
            assert_eq!(ours.sender().check(), Err(SendError::PeerDied));
            child.reap_killed();
            longest = longest.max(told.elapsed());
            page.unmap();
            // It was told without the kernel's word, and rightly.
            if longest > Duration::from_millis(20) {
                println!("told {longest:?} ahead of the kernel");
                return;
            }
        }
        println!("not run: no process here is slow enough to die ({longest:?} at most)");
    });
}
