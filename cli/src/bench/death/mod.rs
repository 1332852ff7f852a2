//! `ringway bench death` and `ringway bench next-client`: how soon a kill is heard of, and how soon a server whose client was killed serves the next one.
//!
//! Each kill has a new process. Ringway and the same by hand over a Unix socket come by turns, kill by kill, since most of the time is the kernel's: it has
//! to take the process apart before anybody can know. A time is taken from just before the call of `kill`.

mod confine;
mod member;
mod next;
mod report;
mod survivor;

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::crew::Meeting;
use super::placement::{self, Placement, pin};
use super::{Failure, exit};
use crate::exit::Code;
use crate::ourselves::{self, Tied};

use self::member::Role;
use self::report::{Line, print, print_heading};

pub(crate) use self::member::{RoleArgs, run as run_role};

/// Their names on the command line.
pub(crate) const DEATH: &str = "death";
pub(crate) const NEXT: &str = "next-client";
/// What they are, for `--list`.
pub(crate) const ABOUT_DEATH: &str = "from a peer's SIGKILL to the error of who waits for it, in each way to wait, beside a Unix socket by hand; target: p99 within 10 ms";
pub(crate) const ABOUT_NEXT: &str = "from a client's SIGKILL to the first answer for the next one, who was trying already, beside a Unix socket by hand; target: p99 within 100 ms";

/// The hidden subcommand of their processes.
const ROLE_COMMAND: &str = "bench-death";

/// How it is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Of each way, by Ringway and by hand.
    pub(crate) kills: usize,
    pub(crate) json: bool,
    pub(crate) check: bool,
}

/// What one kill showed.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// From just before the kill to what was waited for.
    time: Duration,
    /// Processor time of who waited, and for how long it did.
    cpu: Duration,
    wall: Duration,
}

/// Measures every way to wait.
pub(crate) fn run_death(
    effort: Effort,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    measure(effort, output, |placement, output| {
        let mut lines = Vec::new();
        for wait in survivor::ALL {
            let mut pair = survivor::Pair::new(meeting, wait, placement)?;
            let most = wait.is_promised().then_some(Duration::from_millis(10));
            let mut line = Line::new(DEATH, wait.name(), most);
            for _ in 0..effort.kills {
                line.count(pair.ours()?, pair.by_hand()?);
            }
            print(&line, effort.json, output)?;
            lines.push(line);
        }
        Ok(lines)
    })
}

/// Measures both kinds of server.
pub(crate) fn run_next(
    effort: Effort,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    measure(effort, output, |placement, output| {
        let (mut lines, most) = (Vec::new(), Some(Duration::from_millis(100)));
        for serving in next::ALL {
            let mut pair = next::Pair::new(meeting, serving, placement)?;
            let mut line = Line::new(NEXT, serving.name(), most);
            for _ in 0..effort.kills {
                line.count(pair.ours()?, pair.by_hand()?);
            }
            print(&line, effort.json, output)?;
            lines.push(line);
        }
        Ok(lines)
    })
}

fn measure<W: Write>(
    effort: Effort,
    output: &mut W,
    lines: impl FnOnce(Placement, &mut W) -> Result<Vec<Line>, Failure>,
) -> Result<(), exit::Failure> {
    let failed = |error: &dyn std::fmt::Display| exit::Failure::new(Code::Failed, error);
    let placement = Placement::insist_on_two_cores().map_err(|why| failed(&why))?;
    let [waits, dies] = placement.cpus;
    if !effort.json {
        let put = format!(
            "who waits is pinned to cpu {waits}, who is killed and who kills to cpu {dies}; {} kills of each",
            effort.kills
        );
        placement::print_heading(output, &put)?;
        print_heading(output)?;
        output.flush()?;
    }
    pin(dies).map_err(|error| failed(&error))?;
    let lines = lines(placement, output).map_err(|error| failed(&error))?;
    let missed = lines.iter().filter(|line| !line.met()).count();
    let targets = lines.iter().filter(|line| line.has_target()).count();
    let verdict = format!("{missed} of {targets} targets missed");
    if !effort.json {
        writeln!(output, "{verdict}")?;
    }
    if effort.check && missed > 0 {
        return Err(exit::Failure::new(Code::Missed, verdict));
    }
    Ok(())
}

/// A process of ours, which does not outlive us.
#[derive(Debug)]
struct Member(Tied);

impl Member {
    fn start(role: &Role) -> Result<Self, Failure> {
        let mut command = ourselves::again(ROLE_COMMAND);
        command
            .arg(serde_json::to_string(role)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Ok(Self(Tied(command.spawn()?)))
    }

    /// Waits until it says that it has come as far as it will.
    fn ready(&mut self) -> Result<(), Failure> {
        let mut byte = [0];
        let output = self.0.stdout.as_mut().ok_or("it has no output")?;
        std::io::Read::read_exact(output, &mut byte)
            .map_err(|_| "a process of the benchmark ended early".into())
    }

    /// Kills it, and says when that began.
    fn kill(&mut self) -> Result<Instant, Failure> {
        let began = Instant::now();
        self.0.kill()?;
        Ok(began)
    }
}

/// Lets whoever waits fall asleep; each time a little longer, so that no kill keeps step with anything else.
fn settle(count: &mut u32) {
    *count = (*count + 1) % 16;
    std::thread::sleep(Duration::from_micros(4000 + 130 * u64::from(*count)));
}
