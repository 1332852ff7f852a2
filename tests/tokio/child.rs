//! A process of its own that plays a part: this test binary, executed anew.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringway::hostile;

use crate::scene::patient;

const PART: &str = "RINGWAY_TOKIO_PART";

/// Plays a part at a path. Dropping it kills and reaps.
pub(crate) struct Player {
    child: Child,
    /// Open to its end: what it says then must not fail.
    output: BufReader<ChildStdout>,
}

/// Starts a process that plays `part`, once it says that it is ready.
pub(crate) fn play(part: &str, path: &Path) -> Player {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::plays_its_part", "--nocapture"])
        .env(PART, format!("{part}:{}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut player = Player { child, output };
    player.says("ready");
    player
}

impl Player {
    /// Waits until it says `word`.
    pub(crate) fn says(&mut self, word: &str) {
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(word)), "never {word}");
    }

    /// Kills it, and returns once it has ended: one whose socket is closed long before its process has ended is not known to have died.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn pid(&self) -> libc::pid_t {
        self.child.id().try_into().unwrap()
    }

    /// Stops it, and returns once it stands still.
    pub(crate) fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let mut status = 0;
        let pid = self.pid();
        // SAFETY: `status` is valid for writes.
        let stopped = unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) };
        assert!(stopped == pid && libc::WIFSTOPPED(status), "{status:#x}");
    }

    pub(crate) fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: i32) {
        // SAFETY: no memory is passed; the child is not reaped.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    pub(crate) fn succeeds(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process that is started by `play` does. By itself it is no test.
#[test]
fn plays_its_part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let (part, path) = part.split_once(':').unwrap();
    let path = PathBuf::from(path);
    let wait = || std::thread::sleep(Duration::from_secs(60));
    match part {
        // Sends ten frames, reads nothing, and waits to be killed.
        "sends ten" => {
            println!("ready");
            let mut client = patient().connect(path).unwrap();
            for n in 0..10u8 {
                client.sender().send(&[n]).unwrap();
            }
            wait();
        }
        // Sends back what comes, on each of two connections.
        "echoes twice" => {
            println!("ready");
            let clients = [(); 2].map(|()| patient().connect(&*path).unwrap());
            let echoes = clients.map(|client| {
                std::thread::spawn(move || {
                    let (mut sender, mut receiver) = client.split();
                    while let Ok(frame) = receiver.recv().map(|frame| frame.to_vec()) {
                        sender.send(&frame).unwrap();
                    }
                })
            });
            for echo in echoes {
                echo.join().unwrap();
            }
        }
        // Says Hello and nothing more.
        "says hello" => {
            let line = hostile::dial(&path).unwrap();
            hostile::send(&line, &hostile::hello().0, &[]);
            println!("ready");
            wait();
        }
        // Takes a client that has said Hello, and does not answer.
        "takes and is silent" => {
            let listener = hostile::listen(&path);
            println!("ready");
            let line = hostile::accept(&listener);
            hostile::wait_readable(&line);
            println!("taken");
            wait();
        }
        "crowd" => {
            println!("ready");
            crate::crowd::clients(&path);
        }
        other => panic!("{other} is no part"),
    }
}
