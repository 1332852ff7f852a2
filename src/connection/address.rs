//! Names and paths.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::sys::{directory, socket};

/// Where a listener can be found: a name in the private directory of this uid, or a path that the caller chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// 1 to 64 letters, digits, `.`, `_` or `-`, not beginning with a dot.
    Name(String),
    /// A path of at most 107 bytes, in a directory that the caller has made. A listener makes a relative one absolute, unless it is longer than that then: its working directory may change, and
    /// that of a successor is another.
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

/// How long another server of ours may hold the lock while it replaces a stale socket.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(1);

impl Address {
    /// The names at which somebody of this uid listens, or did when it was killed, in alphabetical order. Whoever listens at a path of
    /// its own choice is not among them.
    ///
    /// # Errors
    /// A directory for names that is unsafe, or cannot be read. Where there is none, nobody listens.
    pub fn names() -> Result<Vec<String>, Error> {
        let directory = directory::choose();
        match directory::verify(&directory) {
            Err(directory::Unfit::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Vec::new());
            }
            outcome => outcome.map_err(|unfit| explain(&directory, &unfit, false))?,
        }
        let unreadable = |error| Error::io(&format!("reading {}", directory.display()), error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
            let name = entry.file_name().into_string();
            names.extend(name.ok().filter(|name| socket && check_name(name).is_ok()));
        }
        names.sort();
        Ok(names)
    }

    /// The socket's path, at which there is a socket or nothing. `listening` makes the directory for names.
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
        if path.as_os_str().as_bytes().contains(&0) {
            let shown = path.to_string_lossy();
            let text = format!("{shown:?} contains a NUL byte, which no path of a socket can");
            return Err(Error::new(ErrorKind::InvalidName, text));
        }
        let length = path.as_os_str().len();
        if length > socket::MAX_PATH {
            let shorter = match self {
                Self::Name(_) => "use a shorter name, or a shorter RINGWAY_DIR",
                Self::Path(_) => "use a shorter path",
            };
            let text = format!(
                "the socket path {} has {length} bytes, {} are allowed: {shorter}",
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
        look(&path, listening)?;
        if listening && path.is_relative() {
            let absolute = std::path::absolute(&path).ok();
            let fits = absolute.filter(|path| path.as_os_str().len() <= socket::MAX_PATH);
            return Ok(fits.unwrap_or(path));
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

/// Refuses a path at which something lies that is no socket. Whose it is and what it is good for we cannot know, so nobody is told to
/// remove it; and whoever tries until somebody listens there would try for ever.
fn look(path: &Path, listening: bool) -> Result<(), Error> {
    // The kernel follows a link to connect, and refuses it to bind.
    let status = if listening {
        std::fs::symlink_metadata(path)
    } else {
        std::fs::metadata(path)
    };
    // What cannot be looked at, the kernel answers for in a moment.
    let Ok(status) = status else { return Ok(()) };
    if status.file_type().is_socket() {
        return Ok(());
    }
    let text = format!(
        "{} is {}, not a socket: use another name or path",
        path.display(),
        directory::what(status.file_type())
    );
    Err(Error::new(ErrorKind::Io, text))
}

fn explain(directory: &Path, unfit: &directory::Unfit, listening: bool) -> Error {
    let shown = directory.display();
    let text = match unfit {
        directory::Unfit::Io(error)
            if !listening && error.kind() == std::io::ErrorKind::NotFound =>
        {
            return Error::new(
                ErrorKind::NotFound,
                format!(
                    "nobody listens: there is no directory {shown}; start the listener first{}",
                    directory::SAME
                ),
            );
        }
        // We make the directory, but not those above it.
        directory::Unfit::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if directory::is_given() {
                format!(
                    "RINGWAY_DIR names {shown}, which does not exist, and neither does the directory above it: create it with mode 700, `mkdir -p -m 700 {shown}`"
                )
            } else {
                let above = directory.parent().unwrap_or(directory).display();
                format!(
                    "{shown} cannot be made, {above} does not exist: create that, or set RINGWAY_DIR to a directory of your own"
                )
            }
        }
        directory::Unfit::Owner(uid) => {
            format!(
                "{shown} belongs to uid {uid}, not to us: set RINGWAY_DIR to a directory of your own, as `mkdir -m 700 {}` makes it where you may",
                directory::within(directory).display()
            )
        }
        // Nobody who is root may be told to close what all others use, such as the temp directory: the host would break.
        directory::Unfit::Mode(mode) => {
            let own = directory::within(directory);
            let alone = if directory::is_shared(*mode) {
                "leave it as it is, and "
            } else {
                "chmod 700 it if nobody else uses it, or "
            };
            format!(
                "others can enter {shown} (mode {mode:o}): {alone}make one of your own in it, `mkdir -m 700 {0}`, and set RINGWAY_DIR to {0}",
                own.display()
            )
        }
        directory::Unfit::NotADirectory(what) => {
            format!(
                "{shown} is {what}, not a directory: set RINGWAY_DIR to a directory of your own"
            )
        }
        directory::Unfit::Relative => {
            format!(
                "the directory for names, {shown}, is a relative path, which means another place in every working directory: set RINGWAY_DIR to an absolute path"
            )
        }
        directory::Unfit::Io(error) => match directory::full(error) {
            Some(full) => {
                let text = format!("making {shown}: {full} (RINGWAY_DIR)");
                return Error::new(ErrorKind::Resources, text);
            }
            None => {
                format!(
                    "{shown} cannot be used ({error}): set RINGWAY_DIR to a directory of your own"
                )
            }
        },
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
        assert!(check_name(&"x".repeat(64)).is_ok());
        assert_eq!(
            check_name(&"x".repeat(65)).unwrap_err().kind(),
            ErrorKind::NameTooLong
        );
        assert_eq!(Address::from("a/b"), Address::Path("a/b".into()));
        let long = Address::from(format!("/{}", "x".repeat(200)));
        let error = long.resolve(true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTooLong);
        let text = error.to_string();
        assert!(text.contains("shorter path"), "{text}");
        assert!(!text.contains("RINGWAY_DIR"), "{text}");
    }

    #[test]
    fn a_path_with_a_nul_byte_is_told_so() {
        for listening in [true, false] {
            let error = Address::from("/a\0b").resolve(listening).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{error}");
            assert!(error.to_string().contains("NUL byte"), "{error}");
        }
    }

    #[test]
    fn nobody_is_told_to_close_a_directory_that_others_use() {
        use directory::Unfit;
        let told = |unfit| explain(Path::new("/tmp"), &unfit, true).to_string();
        for unfit in [Unfit::Mode(0o1777), Unfit::Owner(0)] {
            let text = told(unfit);
            assert!(!text.contains("chmod"), "{text}");
            assert!(text.contains("mkdir -m 700 /tmp/ringway-"), "{text}");
        }
        let text = told(Unfit::Mode(0o755));
        assert!(text.contains("chmod 700 it if nobody else"), "{text}");
        assert!(text.contains("mkdir -m 700 /tmp/ringway-"), "{text}");
    }

    #[test]
    fn what_is_no_socket_is_named_and_nobody_is_told_to_remove_it() {
        let place = std::env::temp_dir().join(format!("ringway-look-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("file"), "precious").unwrap();
        std::os::unix::fs::symlink(place.join("file"), place.join("link")).unwrap();
        std::os::unix::fs::symlink(place.join("nothing"), place.join("dangling")).unwrap();
        let told = |name: &str, listening| {
            let error = Address::from(place.join(name)).resolve(listening);
            error.map_err(|error| (error.kind(), error.to_string()))
        };
        for (name, listening, what) in [
            ("file", true, "is a file, not a socket"),
            ("file", false, "is a file, not a socket"),
            (".", true, "is a directory, not a socket"),
            ("link", true, "is a symbolic link, not a socket"),
            ("link", false, "is a file, not a socket"),
            ("dangling", true, "is a symbolic link, not a socket"),
            ("/dev/null", true, "is a device, not a socket"),
            ("/dev/null", false, "is a device, not a socket"),
        ] {
            let (said, text) = told(name, listening).unwrap_err();
            assert_eq!(said, ErrorKind::Io, "{text}");
            assert!(text.contains(what), "{text:?} lacks {what:?}");
            assert!(text.contains("another name or path"), "{text}");
            assert!(!text.contains("remove"), "{text}");
        }
        assert!(told("nothing", true).is_ok() && told("nothing", false).is_ok());
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn the_longest_path_that_the_kernel_takes_is_a_path() {
        let most = Address::from(format!("/{}", "x".repeat(socket::MAX_PATH - 1)));
        let more = Address::from(format!("/{}", "x".repeat(socket::MAX_PATH)));
        for listening in [true, false] {
            let path = most.resolve(listening).unwrap();
            assert_eq!(path.as_os_str().len(), socket::MAX_PATH);
            let error = more.resolve(listening).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NameTooLong, "{error}");
        }
    }

    /// A listener's path means the same place to a successor elsewhere; a client uses its own at once, and is told of it by the words that it gave.
    #[test]
    fn a_relative_path_is_made_absolute_for_a_listener_alone() {
        let address = Address::from("nowhere/ringway-relative");
        let given = Path::new("nowhere/ringway-relative");
        assert_eq!(address.resolve(false).unwrap(), given);
        let absolute = std::env::current_dir().unwrap().join(given);
        if absolute.as_os_str().len() <= socket::MAX_PATH {
            assert_eq!(address.resolve(true).unwrap(), absolute);
        }
    }
}
