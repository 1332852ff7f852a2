//! The tasks end quietly when nobody reads what they print.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

#[test]
fn a_reader_that_goes_away_ends_the_task_without_a_word() {
    for words in [&["verify", "--list"][..], &["help"]] {
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        let mut task = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let ended = task
            .args(words)
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(writer))
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{words:?}");
        assert_eq!(ended.status.code(), Some(141), "{words:?}");
    }
}
