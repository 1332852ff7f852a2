//! A pair of processes that do one piece of work. The process that measures is neither of them: it sleeps while they
//! run, so it can end a pair that hangs, and its own death ends them.

use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::Failure;
use super::kit::{Kit, Side};
use super::meter::{Sample, waited};
use super::peer::{Order, Spec};
use super::placement::Placement;
use super::task::Task;
use super::work::Pass;
use crate::ourselves::{self, Tied};

/// The hidden subcommand that a member of a crew runs.
pub(crate) const PEER_COMMAND: &str = "bench-peer";

/// No order takes longer than this, or the pair hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of our own in which pairs of processes meet.
#[derive(Debug)]
pub(crate) struct Meeting {
    directory: PathBuf,
    next: u32,
}

impl Meeting {
    /// Makes the directory; nobody else may enter it.
    pub(crate) fn new() -> std::io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("ringway-bench-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self { directory, next: 0 })
    }

    /// An address that no pair has had.
    pub(crate) fn address(&mut self) -> PathBuf {
        self.next += 1;
        self.directory.join(self.next.to_string())
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Two processes, ready for orders.
#[derive(Debug)]
pub(crate) struct Crew {
    members: [Member; 2],
    /// A third one, who reads along what they say.
    tap: Option<Member>,
    /// Operations of one batch.
    count: u64,
}

/// Who waits for a processor for more than this share of the time is disturbed.
pub(crate) const DISTURBED: f64 = 0.1;

/// One finished batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) count: u64,
    /// The lead's measurement.
    pub(crate) lead: Sample,
    /// Processor time of both, in nanoseconds.
    pub(crate) cpu_nanos: f64,
    /// Time that either was ready to run and did not, in nanoseconds.
    pub(crate) waited_nanos: f64,
}

impl Batch {
    /// Processor time of both in percent of one processor: 200 where neither left its own.
    pub(crate) fn cpu_percent(&self) -> f64 {
        100.0 * self.cpu_nanos / self.lead.wall_nanos
    }

    /// Whether others had the processors for a good part of the time.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.waited_nanos > DISTURBED * self.lead.wall_nanos
    }

    /// Nanoseconds per operation.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn nanos(&self) -> f64 {
        self.lead.nanos / self.count as f64
    }
}

impl Crew {
    /// Starts both processes and waits until they have set up their work.
    pub(crate) fn start(task: Task, placement: Placement, address: &Path) -> Result<Self, Failure> {
        let kit = Kit::new()?;
        let member = |task: Task, side: Side| {
            Member::start(
                &kit,
                &Spec {
                    task,
                    side,
                    cpu: placement.cpus[side.index()],
                    descriptors: kit.numbers(),
                    address: address.to_owned(),
                },
            )
        };
        let mut crew = Self {
            members: [member(task, Side::Lead)?, member(task, Side::Follow)?],
            tap: None,
            count: 64,
        };
        crew.answers()?;
        if task == Task::Tapped {
            let mut tap = member(Task::Tap, Side::Lead)?;
            tap.answer()?;
            crew.tap = Some(tap);
        }
        Ok(crew)
    }

    /// The number of operations that [`size_batches`](Self::size_batches) tries first.
    pub(crate) fn begin_with(&mut self, count: u64) {
        self.count = count;
    }

    /// Finds how many operations take about `time`.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "counts and their ratios are positive and bounded"
    )]
    pub(crate) fn size_batches(&mut self, time: Duration, pass: Pass) -> Result<(), Failure> {
        let wanted = time.as_secs_f64() * 1e9;
        for _ in 0..8 {
            let nanos = self.run(pass, self.count)?.lead.nanos.max(1.0);
            let factor = (wanted / nanos).min(64.0);
            self.count = ((self.count as f64 * factor) as u64).clamp(8, 1 << 32);
            if factor < 2.0 {
                break;
            }
        }
        Ok(())
    }

    /// One batch, or `1 / part` of one.
    pub(crate) fn batch(&mut self, pass: Pass, part: u64) -> Result<Batch, Failure> {
        self.run(pass, (self.count / part).max(8))
    }

    /// Runs `count` operations.
    pub(crate) fn run(&mut self, pass: Pass, count: u64) -> Result<Batch, Failure> {
        let pids = self.pids();
        let waited = || pids.into_iter().map(waited).sum::<Duration>();
        let before = waited();
        let [lead, follow] = self.order(Order::Run { count, pass })?;
        Ok(Batch {
            count,
            lead,
            cpu_nanos: lead.cpu_nanos + follow.cpu_nanos,
            waited_nanos: waited().saturating_sub(before).as_secs_f64() * 1e9,
        })
    }

    /// Of the lead and of the other one.
    pub(crate) fn pids(&self) -> [u32; 2] {
        [self.members[0].child.id(), self.members[1].child.id()]
    }

    /// Frames that the one who reads along has seen and lost so far, if there is one.
    pub(crate) fn tapped(&mut self) -> Result<Option<[u64; 2]>, Failure> {
        let Some(tap) = &mut self.tap else {
            return Ok(None);
        };
        let (count, pass) = (0, Pass::Check);
        tap.order(Order::Run { count, pass })?;
        Ok(Some(tap.answer()?.tapped))
    }

    /// Gives both the same parameter.
    pub(crate) fn tune(&mut self, choice: u32) -> Result<(), Failure> {
        self.order(Order::Tune { choice }).map(drop)
    }

    /// Lets both wait for a message that does not come, and calls `watch` meanwhile.
    pub(crate) fn idle<T>(
        &mut self,
        time: Duration,
        watch: impl FnOnce([u32; 2]) -> T,
    ) -> Result<T, Failure> {
        self.command(Order::Idle {
            millis: u64::try_from(time.as_millis())?,
        })?;
        let seen = watch(self.pids());
        self.answers()?;
        Ok(seen)
    }

    fn order(&mut self, order: Order) -> Result<[Sample; 2], Failure> {
        self.command(order)?;
        self.answers()
    }

    fn command(&mut self, order: Order) -> Result<(), Failure> {
        let mut members = self.members.iter_mut().rev();
        members.try_for_each(|member| member.order(order))
    }

    fn answers(&mut self) -> Result<[Sample; 2], Failure> {
        let deadline = Instant::now() + PATIENCE;
        // Either may fail first, and then the other never answers.
        let mut samples = [None; 2];
        while samples.iter().any(Option::is_none) {
            let waiting: Vec<usize> = (0..2).filter(|&index| samples[index].is_none()).collect();
            for index in ready(
                &waiting
                    .iter()
                    .map(|&i| self.members[i].output.get_ref().as_fd())
                    .collect::<Vec<_>>(),
                deadline,
            )? {
                let member = waiting[index];
                samples[member] = Some(self.members[member].answer()?);
            }
        }
        Ok([
            samples[0].unwrap_or_default(),
            samples[1].unwrap_or_default(),
        ])
    }
}

/// Which of `descriptors` can be read, at the latest at `deadline`.
fn ready(descriptors: &[BorrowedFd<'_>], deadline: Instant) -> Result<Vec<usize>, Failure> {
    let mut polled: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN))
        .collect();
    let left = deadline.saturating_duration_since(Instant::now());
    if poll(&mut polled, PollTimeout::try_from(left)?)? == 0 {
        return Err(format!("no answer within {} s: the pair hangs", PATIENCE.as_secs()).into());
    }
    Ok((0..polled.len())
        .filter(|&index| polled[index].any() == Some(true))
        .collect())
}

#[derive(Debug)]
struct Member {
    child: Tied,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Member {
    fn start(kit: &Kit, spec: &Spec) -> Result<Self, Failure> {
        let mut command = ourselves::again(PEER_COMMAND);
        command.arg(serde_json::to_string(spec)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let numbers = kit.numbers();
        let inherit = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            for number in &numbers {
                // SAFETY: the parent keeps the kit open until both processes have started.
                let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
                fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure only makes system calls; it allocates nothing and takes no lock.
        unsafe { command.pre_exec(inherit) };
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = child.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            child: Tied(child),
            input,
            output: BufReader::new(output),
        })
    }

    fn order(&mut self, order: Order) -> Result<(), Failure> {
        let line = serde_json::to_string(&order)? + "\n";
        let written = self.input.write_all(line.as_bytes());
        Ok(written.map_err(|error| format!("a peer has gone: {error}"))?)
    }

    fn answer(&mut self) -> Result<Sample, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(format!("a peer ended early: {status}").into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}
