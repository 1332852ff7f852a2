//! The command that is tormented: a process that leads a group of its own, of which nothing is left behind.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::stat::fstat;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::exit::{self, Code, Failure};
use crate::fault::signal;

/// What tells a program where to ask at its labelled steps: the number of a descriptor, and its inode.
const VARIABLE: &str = "RINGWAY_CHAOS";
/// The longest label, and a byte for a line's end.
const LONGEST: usize = 256;

/// Has the kernel tell of children that end, and keep their numbers until they were waited for: it does neither where whoever started us ignores `SIGCHLD`, which outlives `exec`.
pub(super) fn ends_are_told() -> Result<(), Failure> {
    let usual = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler of ours is installed; what was there before `exec` is a disposition and no function.
    unsafe { sigaction(Signal::SIGCHLD, &usual) }
        .map(drop)
        .map_err(|error| Failure::new(Code::Failed, error))
}

/// The command, once started. Dropping it ends it, and whatever it has started.
#[derive(Debug)]
pub(super) struct Running {
    pid: i32,
    /// Where it asks at its steps; `None` when nobody can ask any more.
    line: Option<OwnedFd>,
}

impl Running {
    /// Starts it, with `mask` as the signals that it does not get.
    pub(super) fn start(words: &[OsString], mask: SigSet) -> Result<Self, Failure> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Failure::new(Code::Usage, "no command was given"));
        };
        // Whoever leaves its group and loses its parent becomes our child, and is found at the end.
        set_child_subreaper(true).map_err(|error| Failure::new(Code::Failed, error))?;
        let (line, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|error| exit::no_descriptor("no socket for labelled steps", &error.into()))?;
        let prepared = fcntl(&line, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        let inode = prepared
            .and_then(|_| fstat(&theirs))
            .map_err(|error| Failure::new(Code::Failed, error))?
            .st_ino;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(VARIABLE, format!("{}:{inode}", theirs.as_raw_fd()))
            .process_group(0);
        if io::stdin().is_terminal() {
            // A group in the background that reads the terminal is stopped, and would be for ever.
            command.stdin(Stdio::null());
        }
        let kept = move || {
            // In the child: its copy of the socket stays open across `exec`, and it does not outlive us.
            fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
            set_pdeathsig(Signal::SIGKILL)?;
            // What we hold back is held back from us alone.
            mask.thread_set_mask()?;
            Ok(())
        };
        // SAFETY: the closure makes three system calls and neither allocates nor locks.
        unsafe { command.pre_exec(kept) };
        let child = command.spawn().map_err(|error| {
            let name = program.to_string_lossy();
            Failure::new(Code::Failed, format!("{name} cannot be started: {error}"))
        })?;
        let pid = i32::try_from(child.id()).map_err(|error| Failure::new(Code::Failed, error))?;
        Ok(Self {
            pid,
            line: Some(line),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal to its group.
    pub(super) fn signal(&self, what: Signal) {
        signal(-self.pid, what);
        if what == Signal::SIGKILL {
            // It may have gone into another group, as a shell does that controls jobs.
            signal(self.pid, what);
        }
    }

    /// An error where its user is one whose processes we may not signal.
    pub(super) fn reach(&self) -> Result<(), Failure> {
        if is_reached(self.pid) {
            return Ok(());
        }
        let pid = self.pid;
        let words = format!(
            "process {pid} runs as another user, and cannot be signalled: it is left as it is; run ringway chaos as that user"
        );
        Err(Failure::new(Code::Failed, words))
    }

    /// Takes the ends of those that have lost their parent, and so are our children: whoever started one may wait for its number to be gone.
    pub(super) fn bury(&self) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, flags) {
            match status.pid() {
                Some(pid) if pid.as_raw() != self.pid => {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                _ => break,
            }
        }
    }

    /// How it ended, if it has; its number stays its own.
    pub(super) fn ended(&self) -> Result<Option<WaitStatus>, Failure> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(Pid::from_raw(self.pid)), flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => Ok(None),
            Ok(status) => Ok(Some(status)),
            Err(error) => {
                let words = format!("how the command ended cannot be known: {error}");
                Err(Failure::new(Code::Failed, words))
            }
        }
    }

    /// Where it asks.
    pub(super) fn line(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(AsFd::as_fd)
    }

    /// The label of somebody who has come to a step.
    pub(super) fn asked(&mut self) -> Option<String> {
        let mut bytes = [0; LONGEST];
        let line = self.line.as_ref()?;
        match recv(line.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            Ok(0) => {
                // An empty label, or the last one to hold the other end is gone. Neither gets an answer, which is as good as "go on".
                self.line = None;
                None
            }
            Ok(length) => {
                let text = String::from_utf8_lossy(&bytes[..length]);
                // It goes to a terminal.
                let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
                Some(text.trim_end_matches('\n').chars().map(plain).collect())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Err(_) => {
                self.line = None;
                None
            }
        }
    }

    /// Lets one go on.
    pub(super) fn answer(&self) {
        if let Some(line) = &self.line {
            // Somebody who has asked and is gone needs none.
            let _ = send(line.as_raw_fd(), b"+", MsgFlags::MSG_NOSIGNAL);
        }
    }
}

impl Drop for Running {
    /// Its group, and the rest of those that have ended.
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if is_reached(self.pid) {
            let _ = waitpid(Pid::from_raw(self.pid), None);
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
}

/// The children that we had before the command: a shell's, which then became us by `exec`.
#[derive(Debug)]
pub(super) struct Inherited(Vec<i32>);

impl Inherited {
    /// As it is now.
    pub(super) fn look() -> Self {
        Self(children())
    }

    /// Ends whoever else has become our child, out of its group and without its parent, and those that become so by that.
    pub(super) fn sweep(&self) {
        loop {
            let mut children = children();
            children.retain(|child| !self.0.contains(child) && is_reached(*child));
            if children.is_empty() {
                break;
            }
            for child in children {
                // Nobody else waits for it, so the number is still its own.
                signal(child, Signal::SIGKILL);
                let _ = waitpid(Pid::from_raw(child), None);
            }
        }
    }
}

/// Whether we may signal a child of ours.
fn is_reached(child: i32) -> bool {
    kill(Pid::from_raw(child), None) != Err(Errno::EPERM)
}

/// The processes whose parent we are.
fn children() -> Vec<i32> {
    let us = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|number| {
            let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            // Behind the name in parentheses, which may hold anything, come the state and the parent.
            let behind = stat.rsplit_once(')').map(|(_, behind)| behind);
            behind.and_then(|behind| behind.split_whitespace().nth(1)) == Some(us.as_str())
        })
        .collect()
}
