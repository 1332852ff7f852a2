//! Runs the real binary in a directory of its own, under a watchdog.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long any single wait of a test may take: what hangs goes on for longer, and nothing else does on a busy machine.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(120);

/// Options for a connection of a test: its peer may get its processor late.
pub(crate) fn config() -> ringway::Config {
    ringway::Config::new().handshake_timeout(Duration::from_secs(20))
}

/// A directory for names and files; it and what runs in it end with the test.
pub(crate) struct Place {
    path: PathBuf,
}

impl Place {
    /// Makes one.
    pub(crate) fn new() -> Self {
        // Tests run side by side, each on a thread of its own, and each makes its places one after the other.
        let thread = format!("{:?}", thread::current().id());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970")
            .as_nanos();
        let number: String = thread.chars().filter(char::is_ascii_digit).collect();
        let path =
            std::env::temp_dir().join(format!("ringway-cli-{}-{number}-{now}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .expect("a directory of our own");
        Self { path }
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The binary, with its names in this directory; input and output closed, messages kept in `LABEL.txt`.
    pub(crate) fn command(&self, label: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
        let words = File::create(self.file(&format!("{label}.txt"))).expect("a file for messages");
        command
            .args(arguments)
            .env("RINGWAY_DIR", &self.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        command
    }

    /// The same through a shell that changes something first, as in `>&-` or `ulimit`: `script` ends with `exec "$@"`.
    pub(crate) fn in_shell(&self, label: &str, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        let words = File::create(self.file(&format!("{label}.txt"))).expect("a file for messages");
        command
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_ringway")])
            .args(arguments)
            .env("RINGWAY_DIR", &self.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        command
    }

    /// Starts a receiver under `name` that writes to `out`, and waits until it listens.
    pub(crate) fn receiver(&self, name: &str, out: Stdio) -> Running {
        self.listening(self.command("recv", &["recv", name]).stdout(out))
    }

    /// Starts a receiver and waits until it listens. Where a sender waits for it already, it may have listened and ended before we look.
    pub(crate) fn listening(&self, command: &mut Command) -> Running {
        let mut running = Running::start(command);
        until("the receiver listens", || {
            self.somebody_listens() || matches!(running.child.try_wait(), Ok(Some(_)))
        });
        running
    }

    /// Whether somebody listens in the directory: a socket lies there a moment before that.
    fn somebody_listens(&self) -> bool {
        const LISTENS: &str = "00010000";
        let sockets = fs::read_to_string("/proc/net/unix").expect("the kernel's sockets");
        sockets.lines().any(|line| {
            let mut fields = line.split_whitespace();
            fields.nth(3) == Some(LISTENS)
                && fields
                    .nth(3)
                    .is_some_and(|path| Path::new(path).starts_with(&self.path))
        })
    }

    /// Starts a sender to `name`.
    pub(crate) fn sender(&self, name: &str, input: Stdio) -> Running {
        Running::start(self.command("send", &["send", name]).stdin(input))
    }

    /// What the process started with `label` said.
    pub(crate) fn words(&self, label: &str) -> String {
        fs::read_to_string(self.file(&format!("{label}.txt"))).unwrap_or_default()
    }

    /// The sockets that are left.
    pub(crate) fn sockets(&self) -> usize {
        fs::read_dir(&self.path)
            .expect("our directory")
            .flatten()
            .filter(|entry| is_socket(&entry.path()))
            .count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::symlink_metadata(path).is_ok_and(|status| status.file_type().is_socket())
}

/// A process that does not outlive its test.
pub(crate) struct Running {
    /// The process.
    pub(crate) child: Child,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self {
            child: command.spawn().expect("the binary starts"),
        }
    }

    /// Waits for it to end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            assert!(began.elapsed() < WATCHDOG, "the watchdog: it did not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for it to end by itself and returns its code.
    pub(crate) fn code(&mut self) -> i32 {
        let status = self.end();
        status
            .code()
            .unwrap_or_else(|| panic!("ended by signal {:?}", status.signal()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that do not repeat and differ by `seed` (xorshift).
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// Waits until `file` has at least `bytes` bytes.
pub(crate) fn wait_for_bytes(file: &Path, bytes: u64) {
    let what = format!("{} has {bytes} bytes", file.display());
    until(&what, || {
        fs::metadata(file).map_or(0, |status| status.len()) >= bytes
    });
}

/// Waits for something that is to happen.
pub(crate) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < WATCHDOG, "the watchdog: never so: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Writes to the input of a process.
pub(crate) fn feed(running: &mut Running, bytes: &[u8]) {
    running
        .child
        .stdin
        .as_mut()
        .expect("a piped input")
        .write_all(bytes)
        .expect("it reads");
}
