//! Errors of setting up: listening, connecting, the handshake. What a transfer can answer is in `connection::outcome`.

use core::fmt;

/// What kind of thing went wrong, for programs. The text of the [`Error`] is for people and says what to do. `docs/RELIABILITY.md` has a table of who says which, and behind which it makes sense to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option or an argument is out of range, options contradict each other or do not let that be done, or a [`Handshake`](crate::Handshake) goes on that is over.
    InvalidConfig,
    /// A name has a character that names cannot have, or is empty; or a path has a NUL byte, or ends in no name.
    InvalidName,
    /// A name or path is longer than a socket address can hold.
    NameTooLong,
    /// A live listener has the name, or another program's socket.
    NameTaken,
    /// Nobody listens under the name; or a name that is taken back leads elsewhere.
    NotFound,
    /// The directory for named sockets is unsafe or cannot be made, or the one of a path to listen at does not exist.
    Directory,
    /// The other side's uid is not allowed, here or there, or the mode of the socket or of its directory does not let us in.
    UidRefused,
    /// No protocol version is spoken by both sides; or counters are of a version that is not known here.
    Version,
    /// A feature that one side requires is missing on the other, or not allowed there.
    Feature,
    /// The peer sent something that is not a message of the handshake, or, to a tap, broke a rule of the lane.
    Malformed,
    /// The peer sent too few, too many or the wrong kind of descriptors; or a socket that was given is of the wrong kind.
    Descriptors,
    /// The peer's segment is unsealed, sparse, of the wrong size or no memory file.
    Segment,
    /// A ring has a size, step, alignment or start that the rules forbid, or is too small for its alignment or for what has to be sent again.
    Geometry,
    /// A limit is reached, of this process, the other one or the host, or what a listener grants a uid: descriptors, memory, huge pages, connections; but of handshakes: [`Busy`](Self::Busy).
    Resources,
    /// The two sides disagree about what the bytes of their frames mean: the schema of one direction, or the codec.
    Schema,
    /// The listener takes no more clients, or has as many handshakes of our uid under way as it grants, or was handed over and has none left.
    Busy,
    /// The deadline passed.
    TimedOut,
    /// The peer went away during the handshake.
    PeerGone,
    /// This endpoint was made by a process of which we are a forked child.
    Forked,
    /// A connection cannot be resumed, since its peer lives and has not closed it.
    PeerLives,
    /// A connection cannot be resumed before its last frames have been received.
    Unread,
    /// This process cannot tell the host's clock, by which frames expire.
    Clock,
    /// There is no runtime of tokio here that we could wait in, or it has no I/O or no timer.
    Runtime,
    /// Anything else that the system answered.
    Io,
}

/// Why a listener or a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: ErrorKind,
    text: String,
    #[source]
    source: Option<std::io::Error>,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)?;
        match &self.source {
            Some(source) => write!(out, ": {source}"),
            None => Ok(()),
        }
    }
}

/// What a lack of descriptors is called here, and what the other side is told of it.
const OUR_LACK: &str = "this process has no descriptor left; raise `ulimit -n`";
const THEIR_LACK: &str = "no descriptor is left over there; raise `ulimit -n` for that process";

const NO_MEMORY: &str = "not enough memory, or address space (`ulimit -v`), or huge pages (vm.nr_hugepages); use smaller rings";

/// An error's text as the other side is told of it: what is "this process" here is another one there.
pub(crate) fn told(text: &str) -> String {
    text.replace(OUR_LACK, THEIR_LACK)
}

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            source: None,
        }
    }

    /// What belongs to the process that forked this one does nothing here.
    pub(crate) fn forked(what: &str) -> Self {
        let text = format!("the {what} belongs to the process that forked this one");
        Self::new(ErrorKind::Forked, text)
    }

    /// An error of this kind, with what it comes from.
    pub(crate) fn caused(kind: ErrorKind, doing: &str, source: std::io::Error) -> Self {
        Self {
            kind,
            text: doing.to_owned(),
            source: Some(source),
        }
    }

    /// A system's answer, with what we were doing. Limits are recognised and say what to raise.
    pub(crate) fn io(doing: &str, source: std::io::Error) -> Self {
        let (kind, text) = match source.raw_os_error() {
            Some(libc::EMFILE) => (ErrorKind::Resources, format!("{doing}: {OUR_LACK}")),
            Some(libc::ENFILE) => (
                ErrorKind::Resources,
                format!("{doing}: the host has no descriptor left; raise fs.file-max"),
            ),
            Some(libc::ENOMEM) => (ErrorKind::Resources, format!("{doing}: {NO_MEMORY}")),
            // What epoll says too.
            Some(libc::ENOSPC) => (
                ErrorKind::Resources,
                format!(
                    "{doing}: {NO_MEMORY}; or this user has as many descriptors watched by epoll as it may (fs.epoll.max_user_watches)"
                ),
            ),
            Some(libc::EFBIG) => (
                ErrorKind::Resources,
                format!(
                    "{doing}: the limit on a file's size (RLIMIT_FSIZE), which holds for memory files too, is lower; raise `ulimit -f`, or use smaller rings"
                ),
            ),
            _ => (ErrorKind::Io, doing.to_owned()),
        };
        Self {
            kind,
            text,
            source: Some(source),
        }
    }
}

/// For who has nothing but errors of `std::io`: the kind that comes nearest, and this error as its source.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind {
            ErrorKind::NotFound | ErrorKind::Directory => Io::NotFound,
            ErrorKind::NameTaken => Io::AddrInUse,
            ErrorKind::InvalidConfig | ErrorKind::InvalidName | ErrorKind::NameTooLong => {
                Io::InvalidInput
            }
            ErrorKind::UidRefused => Io::PermissionDenied,
            ErrorKind::Busy => Io::ConnectionRefused,
            ErrorKind::TimedOut => Io::TimedOut,
            ErrorKind::PeerGone => Io::ConnectionReset,
            ErrorKind::Malformed
            | ErrorKind::Descriptors
            | ErrorKind::Segment
            | ErrorKind::Geometry => Io::InvalidData,
            _ => Io::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_io_has_the_nearest_kind_and_says_the_same() {
        let nobody = Error::new(ErrorKind::NotFound, "nobody listens");
        let told = std::io::Error::from(nobody);
        assert_eq!(told.kind(), std::io::ErrorKind::NotFound);
        assert_eq!(told.to_string(), "nobody listens");
        let source = told.get_ref().and_then(|source| source.downcast_ref());
        assert_eq!(source.map(Error::kind), Some(ErrorKind::NotFound));
    }

    #[test]
    fn the_other_side_is_not_told_of_itself() {
        let lack = std::io::Error::from_raw_os_error(libc::EMFILE);
        let error = Error::io("making a bell", lack);
        assert!(error.to_string().contains("this process"), "{error}");
        let told = told(&error.to_string());
        assert!(!told.contains("this process"), "{told}");
        assert!(told.starts_with("making a bell: no descriptor"), "{told}");
    }
}
