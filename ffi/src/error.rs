//! Why a call failed: the status that it returns, and the words that the thread keeps.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};

use ringway::schema::{DecodeError, EncodeError};
use ringway::{Error, ErrorKind, RecvError, SendError};

use crate::config::ringway_option;
use crate::status::ringway_status;

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: ringway_status,
    text: Cow<'static, CStr>,
}

thread_local! {
    static LAST: RefCell<Cow<'static, CStr>> = const { RefCell::new(Cow::Borrowed(c"")) };
}

impl Failure {
    pub(crate) fn new(status: ringway_status, text: impl Into<String>) -> Self {
        Self {
            status,
            text: Cow::Owned(text_of(text.into())),
        }
    }

    /// One that is frequent, and whose words are known.
    pub(crate) fn plain(status: ringway_status) -> Self {
        Self {
            status,
            text: Cow::Borrowed(status.text()),
        }
    }

    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::new(ringway_status::RINGWAY_INVALID_ARGUMENT, text)
    }

    pub(crate) fn turn(text: &'static CStr) -> Self {
        Self {
            status: ringway_status::RINGWAY_OUT_OF_TURN,
            text: Cow::Borrowed(text),
        }
    }

    pub(crate) fn poisoned() -> Self {
        let text = "a call on this handle met a fault of the library: free it";
        Self::new(ringway_status::RINGWAY_PANICKED, text)
    }

    pub(crate) fn forked() -> Self {
        RecvError::Forked.into()
    }

    /// Keeps the words for this thread, and tells the status.
    #[cold]
    #[inline(never)]
    pub(crate) fn told(self) -> ringway_status {
        // A call that finds its shortest way closed mostly succeeds by another one: what the thread was told before may still be looked at.
        if self.status != ringway_status::RINGWAY_NOT_AT_ONCE {
            // While the thread ends there is nobody to ask for them.
            let _ = LAST.try_with(|last| *last.borrow_mut() = self.text);
        }
        self.status
    }
}

/// The library's words for C, where `Config::lanes` is the option `RINGWAY_LANES`.
fn in_c(text: &str) -> String {
    let mut parts = text.split("Config::");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        let named = match name {
            "alignment" => "RINGWAY_ALIGNMENT_MOST".to_owned(),
            name => format!("RINGWAY_{}", name.to_ascii_uppercase()),
        };
        // Another name than Rust's is none of C's.
        let is_option = ringway_option::ALL.iter().any(|(_, known)| *known == named);
        told.push_str(if is_option { &named } else { "Config::" });
        // A truth value is the argument of a method, which C has not.
        let rest = rest.strip_prefix("(true)").unwrap_or(rest);
        told.push_str(if is_option { rest } else { part });
    }
    told
}

/// What words there are can be told without the zeros that may be in them.
pub(crate) fn text_of(mut text: String) -> CString {
    text.retain(|letter| letter != '\0');
    CString::new(text).unwrap_or_default()
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        use ringway_status as S;
        let status = match error {
            SendError::Full => return Self::plain(S::RINGWAY_FULL),
            SendError::TimedOut => S::RINGWAY_TIMED_OUT,
            SendError::Expired => S::RINGWAY_EXPIRED,
            SendError::QueueTooLong => S::RINGWAY_QUEUE_TOO_LONG,
            SendError::Clock => S::RINGWAY_CLOCK,
            SendError::Interrupted => S::RINGWAY_INTERRUPTED,
            SendError::TooLarge { .. } => S::RINGWAY_TOO_LARGE,
            SendError::Alignment { .. } => S::RINGWAY_ALIGNMENT,
            SendError::Priority { .. } => S::RINGWAY_PRIORITY,
            SendError::Closed => S::RINGWAY_CLOSED,
            SendError::PeerClosed => S::RINGWAY_PEER_CLOSED,
            SendError::PeerDied => S::RINGWAY_PEER_DIED,
            SendError::Protocol(_) => S::RINGWAY_PROTOCOL,
            SendError::Forked => S::RINGWAY_FORKED,
            _ => S::RINGWAY_OTHER,
        };
        Self::new(status, in_c(&error.to_string()))
    }
}

impl From<RecvError> for Failure {
    fn from(error: RecvError) -> Self {
        use ringway_status as S;
        let status = match error {
            RecvError::Empty => {
                return Self {
                    status: S::RINGWAY_EMPTY,
                    text: Cow::Borrowed(c"no frame is waiting"),
                };
            }
            RecvError::TimedOut => S::RINGWAY_TIMED_OUT,
            RecvError::Interrupted => S::RINGWAY_INTERRUPTED,
            RecvError::Truncated { .. } => S::RINGWAY_TRUNCATED,
            RecvError::Closed => S::RINGWAY_CLOSED,
            RecvError::PeerClosed => S::RINGWAY_PEER_CLOSED,
            RecvError::PeerDied => S::RINGWAY_PEER_DIED,
            RecvError::Protocol(_) => S::RINGWAY_PROTOCOL,
            RecvError::Forked => S::RINGWAY_FORKED,
            RecvError::Unheld => S::RINGWAY_OUT_OF_TURN,
            _ => S::RINGWAY_OTHER,
        };
        Self::new(status, in_c(&error.to_string()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        use ringway_status as S;
        let status = match error.kind() {
            ErrorKind::InvalidConfig => S::RINGWAY_INVALID_CONFIG,
            ErrorKind::InvalidName => S::RINGWAY_INVALID_NAME,
            ErrorKind::NameTooLong => S::RINGWAY_NAME_TOO_LONG,
            ErrorKind::NameTaken => S::RINGWAY_NAME_TAKEN,
            ErrorKind::NotFound => S::RINGWAY_NOT_FOUND,
            ErrorKind::Directory => S::RINGWAY_DIRECTORY,
            ErrorKind::UidRefused => S::RINGWAY_UID_REFUSED,
            ErrorKind::Version => S::RINGWAY_VERSION,
            ErrorKind::Feature => S::RINGWAY_FEATURE,
            ErrorKind::Malformed => S::RINGWAY_MALFORMED,
            ErrorKind::Descriptors => S::RINGWAY_DESCRIPTORS,
            ErrorKind::Segment => S::RINGWAY_SEGMENT,
            ErrorKind::Geometry => S::RINGWAY_GEOMETRY,
            ErrorKind::Resources => S::RINGWAY_RESOURCES,
            ErrorKind::Schema => S::RINGWAY_SCHEMA,
            ErrorKind::Busy => S::RINGWAY_BUSY,
            ErrorKind::TimedOut => S::RINGWAY_TIMED_OUT,
            ErrorKind::PeerGone => S::RINGWAY_PEER_GONE,
            ErrorKind::PeerLives => S::RINGWAY_PEER_LIVES,
            ErrorKind::Unread => S::RINGWAY_UNREAD,
            ErrorKind::Forked => S::RINGWAY_FORKED,
            ErrorKind::Clock => S::RINGWAY_CLOCK,
            ErrorKind::Io => S::RINGWAY_IO,
            _ => S::RINGWAY_OTHER,
        };
        Self::new(status, in_c(&error.to_string()))
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::new(ringway_status::RINGWAY_SCHEMA, error.to_string())
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(ringway_status::RINGWAY_SCHEMA, error.to_string())
    }
}

/// What the last call of this thread that failed has to say: a line for people, such as what differs, and what to do about it. Never NULL; empty, if none has failed. The text is there
/// until the thread's next call that fails, but with `RINGWAY_NOT_AT_ONCE`, which leaves it as it is. Another thread has its own.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}

/// Words for a status, without the details. Never NULL; there for as long as the program runs. May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_status_text(status: c_int) -> *const c_char {
    let known = ringway_status::ALL
        .iter()
        .find(|known| **known as c_int == status);
    known
        .map_or(c"no status of this version", |known| known.text())
        .as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_the_names_of_the_header() {
        let text = SendError::Priority { asked: 3, there: 1 }.to_string();
        assert!(text.contains("Config::lanes"), "{text}");
        assert!(in_c(&text).contains("see RINGWAY_LANES, which both sides set"));
        assert_eq!(
            in_c("see Config::alignment. Config::observe is none"),
            "see RINGWAY_ALIGNMENT_MOST. Config::observe is none"
        );
        assert_eq!(in_c("`Config::codec`"), "`RINGWAY_CODEC`");
        assert_eq!(
            in_c("with Config::resumable(true)"),
            "with RINGWAY_RESUMABLE"
        );
    }
}
