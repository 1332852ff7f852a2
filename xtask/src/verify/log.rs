//! What the processes of one step print, in a file.
//!
//! A file and not a pipe: a process that somebody leaves behind could hold a pipe open for ever.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::output::{draw, say};

/// The last lines that a failure shows; the file has the rest.
const SHOWN: usize = 400;

pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// How much has been shown already.
    shown: u64,
}

impl Log {
    pub(super) fn create(directory: &Path, name: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{name}.log"));
        File::create(&path)?;
        // Append, for two writers at once: the standard output and the standard error of a process.
        let file = OpenOptions::new().append(true).read(true).open(&path)?;
        Ok(Self {
            path,
            file,
            shown: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn note(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.file, "{line}")
    }

    /// Sends both outputs of `command` here.
    pub(super) fn attach(&self, command: &mut Command) -> io::Result<()> {
        command
            .stdout(Stdio::from(self.file.try_clone()?))
            .stderr(Stdio::from(self.file.try_clone()?));
        Ok(())
    }

    /// Where the log ends now: to look later at what came after it.
    pub(super) fn end(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Everything from `start` on.
    pub(super) fn since(&self, start: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut bytes)
        });
        if let Err(error) = read {
            return format!("the log cannot be read: {error}");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Shows what has come since the last time, up to the last whole line.
    pub(super) fn follow(&mut self) {
        let news = self.since(self.shown);
        let Some(end) = news.rfind('\n') else { return };
        draw!("{}", &news[..=end]);
        self.shown += end as u64 + 1;
    }

    /// Shows the end of the log.
    pub(super) fn show_end(&self) {
        let text = self.since(0);
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > SHOWN {
            say!("(the last {SHOWN} of {} lines)", lines.len());
        }
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            say!("{line}");
        }
    }
}
