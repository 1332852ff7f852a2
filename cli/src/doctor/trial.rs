//! The question that only a trial answers: can two endpoints meet by name here and exchange a frame?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway::{Config, Listener};

use super::Finding;

/// How long the trial may take before it counts as failed: others may have the processors.
const PATIENCE: Duration = Duration::from_secs(10);
/// What it sends.
const WORDS: &[u8] = b"ringway doctor";

/// Every check of this file, in the order of printing.
pub(super) fn all() -> Vec<Finding> {
    let name = format!("doctor-{}", std::process::id());
    let config = Config::new().handshake_timeout(PATIENCE);
    let listener = match config.bind(name.as_str()) {
        Ok(listener) => listener,
        Err(error) => {
            return vec![Finding::missing("directory", error.to_string(), mend())];
        }
    };
    vec![
        directory(listener.path()),
        connection(&config, listener, &name),
    ]
}

/// In place of the trial, where it must fail for want of descriptors.
pub(super) fn not_tried() -> Vec<Finding> {
    let found = "not tried: there are too few descriptors";
    vec![Finding::note(
        "connection",
        found,
        "mend RLIMIT_NOFILE above, then try again",
    )]
}

/// What to do about a directory that cannot be used. The error has said why.
fn mend() -> String {
    match std::env::var_os("RINGWAY_DIR").map(PathBuf::from) {
        Some(given) if given.is_absolute() && !given.exists() => format!(
            "the directory does not exist: create it with mode 0700, `mkdir -p -m 700 {}`",
            given.display()
        ),
        // Its mode is for those who use it: root could close the temp directory to everybody.
        Some(given) if given.is_absolute() && given.is_dir() => format!(
            "leave it to those who use it, and make one of your own with mode 0700, `mkdir -m 700 {0}`, then set RINGWAY_DIR to {0}",
            given
                .join(format!("ringway-{}", nix::unistd::geteuid()))
                .display()
        ),
        _ => "set RINGWAY_DIR to a directory of yours with mode 0700, at a short absolute path"
            .to_owned(),
    }
}

fn directory(socket: &Path) -> Finding {
    let directory = socket.parent().unwrap_or(socket).display();
    let chosen = if std::env::var_os("RINGWAY_DIR").is_some() {
        "by RINGWAY_DIR"
    } else {
        "by default"
    };
    Finding::ok(
        "directory",
        format!("{directory}, chosen {chosen}: ours, and nobody else can enter it"),
    )
}

fn connection(config: &Config, mut listener: Listener, name: &str) -> Finding {
    const NAME: &str = "connection";
    let began = Instant::now();
    let outcome = std::thread::scope(|scope| {
        let server = scope.spawn(move || -> Result<Vec<u8>, String> {
            let mut connection = listener
                .accept_deadline(began + PATIENCE)
                .map_err(|error| error.to_string())?;
            let frame = connection
                .receiver()
                .recv_deadline(began + PATIENCE)
                .map_err(|error| error.to_string())?;
            Ok(frame.to_vec())
        });
        let sent = config
            .connect(name)
            .map_err(|error| error.to_string())
            .and_then(|mut connection| {
                connection
                    .sender()
                    .send_deadline(WORDS, began + PATIENCE)
                    .map_err(|error| error.to_string())
            });
        let received = server
            .join()
            .unwrap_or_else(|_| Err("the listening side panicked".into()));
        sent.and(received)
    });
    match outcome {
        Ok(words) if words == WORDS => Finding::ok(
            NAME,
            format!(
                "made, and a frame exchanged, in {:.1} ms",
                began.elapsed().as_secs_f64() * 1e3
            ),
        ),
        Ok(_) => Finding::missing(
            NAME,
            "a frame arrived that differs from what was sent",
            "please report this",
        ),
        Err(error) => Finding::missing(
            NAME,
            error,
            "mend what is MISSING above first, then try again",
        ),
    }
}
