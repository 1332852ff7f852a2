//! A process of its own that plays a part: this test binary, executed anew.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringway::{Config, hostile};

const PART: &str = "RINGWAY_TOKIO_PART";

/// Plays a part at a path. Dropping it kills and reaps.
pub(crate) struct Player {
    child: Child,
    /// What it says at its end must not fail.
    _says: BufReader<ChildStdout>,
}

/// Starts a process that plays `part`, once it says that it is ready.
pub(crate) fn play(part: &str, path: &Path) -> Player {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::plays_its_part", "--nocapture"])
        .env(PART, format!("{part}:{}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(child.stdout.take().unwrap());
    let mut lines = says.by_ref().lines().map_while(Result::ok);
    let ready = lines.any(|line| line.contains("ready"));
    assert!(ready, "{part} did not get ready");
    Player { child, _says: says }
}

impl Player {
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
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
            let mut client = Config::new().connect(path).unwrap();
            for n in 0..10u8 {
                client.sender().send(&[n]).unwrap();
            }
            wait();
        }
        // Says Hello and nothing more.
        "says hello" => {
            let line = hostile::dial(&path).unwrap();
            hostile::send(&line, &hostile::hello().0, &[]);
            println!("ready");
            wait();
        }
        // Takes a client and does not answer.
        "takes and is silent" => {
            let listener = hostile::listen(&path);
            println!("ready");
            let _line = hostile::accept(&listener);
            wait();
        }
        "crowd" => {
            println!("ready");
            crate::crowd::clients(&path);
        }
        other => panic!("{other} is no part"),
    }
}
