//! Names and paths.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::sys::{directory, socket};

/// Where a listener can be found: a name in the private directory of this uid, or a path that the caller chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// 1 to 64 letters, digits, `.`, `_` or `-`, not beginning with a dot.
    Name(String),
    /// A path of at most 107 bytes, in a directory that the caller has made.
    Path(PathBuf),
}

impl From<&str> for Address {
    /// Whatever contains a slash is a path, anything else a name.
    fn from(text: &str) -> Self {
        if text.contains('/') {
            Self::Path(text.into())
        } else {
            Self::Name(text.to_owned())
        }
    }
}

impl From<&String> for Address {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_path_buf())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

/// How long another server may hold the directory's lock while it replaces a stale socket.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(1);

impl Address {
    /// The socket's path. `listening` makes the directory for names.
    pub(crate) fn resolve(&self, listening: bool) -> Result<PathBuf, Error> {
        let path = match self {
            Self::Path(path) => path.clone(),
            Self::Name(name) => {
                check_name(name)?;
                let directory = directory::choose();
                let outcome = if listening {
                    directory::prepare(&directory)
                } else {
                    directory::verify(&directory)
                };
                outcome.map_err(|unfit| explain(&directory, &unfit, listening))?;
                directory.join(name)
            }
        };
        let length = path.as_os_str().len();
        if length > socket::MAX_PATH {
            let text = format!(
                "the socket path {} has {length} bytes, {} are allowed: use a shorter name, or a shorter RINGWAY_DIR",
                path.display(),
                socket::MAX_PATH
            );
            return Err(Error::new(ErrorKind::NameTooLong, text));
        }
        if path.file_name().is_none() {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("{} is no path for a socket", path.display()),
            ));
        }
        Ok(path)
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > 64 {
        return Err(Error::new(
            ErrorKind::NameTooLong,
            format!("a name has at most 64 bytes, this one {}", name.len()),
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        let text = format!(
            "{name:?} is no name: use letters, digits, '.', '_' and '-', not beginning with a dot"
        );
        return Err(Error::new(ErrorKind::InvalidName, text));
    }
    Ok(())
}

fn explain(directory: &Path, unfit: &directory::Unfit, listening: bool) -> Error {
    let shown = directory.display();
    let text = match unfit {
        directory::Unfit::Io(error)
            if !listening && error.kind() == std::io::ErrorKind::NotFound =>
        {
            return Error::new(
                ErrorKind::NotFound,
                format!("nobody listens: there is no directory {shown}"),
            );
        }
        directory::Unfit::Owner(uid) => {
            format!(
                "{shown} belongs to uid {uid}, not to us: set RINGWAY_DIR to a directory of your own"
            )
        }
        directory::Unfit::Mode(mode) => {
            format!("others can enter {shown} (mode {mode:o}): chmod 700 it, or set RINGWAY_DIR")
        }
        directory::Unfit::NotADirectory => {
            format!("{shown} is a link or no directory: remove it, or set RINGWAY_DIR")
        }
        directory::Unfit::Io(error) => format!("{shown} cannot be used ({error}): set RINGWAY_DIR"),
    };
    Error::new(ErrorKind::Directory, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_paths_are_told_from_names() {
        for bad in ["", ".hidden", "a b", "ä", "a\0"] {
            assert_eq!(
                check_name(bad).unwrap_err().kind(),
                ErrorKind::InvalidName,
                "{bad:?}"
            );
        }
        assert_eq!(
            check_name(&"x".repeat(65)).unwrap_err().kind(),
            ErrorKind::NameTooLong
        );
        assert_eq!(Address::from("a/b"), Address::Path("a/b".into()));
        let long = Address::from(format!("/{}", "x".repeat(200)));
        assert_eq!(
            long.resolve(true).unwrap_err().kind(),
            ErrorKind::NameTooLong
        );
    }
}
