//! The directory that named sockets live in: only its owner can enter it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::credentials::{effective_uid, is_own};
use super::mode::Place;

/// Why a directory cannot hold named sockets.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It belongs to another uid.
    Owner(u32),
    /// Others may enter or change it; the value is its mode.
    Mode(u32),
    /// It is this instead: a link, which is not followed, or no directory.
    NotADirectory(&'static str),
    /// It is a relative path, which means another place in every working directory.
    Relative,
    /// It cannot be made or looked at.
    Io(io::Error),
}

/// A variable of the environment that says something.
fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Whether it is `RINGWAY_DIR` that says where named sockets live.
pub(crate) fn is_given() -> bool {
    set("RINGWAY_DIR").is_some()
}

/// Where named sockets live: `RINGWAY_DIR`, else `$XDG_RUNTIME_DIR/ringway`, else `/run/ringway-UID` where `/run` can be
/// written, else `ringway-UID` in the temp directory.
pub(crate) fn choose() -> PathBuf {
    if let Some(chosen) = set("RINGWAY_DIR") {
        return chosen;
    }
    // The XDG specification has relative paths ignored: they would mean another place in every working directory.
    if let Some(runtime) = set("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()) {
        return runtime.join("ringway");
    }
    let name = format!("ringway-{}", effective_uid());
    let run = Path::new("/run").join(&name);
    // A directory that already exists decides, so that two processes never disagree; else whoever may write to `/run` uses it. Of what the kernel cannot tell now (a lack of
    // memory) the next call says so: another directory would be one where nobody is.
    let is_there = fs::symlink_metadata(&run).map_or_else(|error| !is_no(&error), |_| true);
    let may_be_there =
        || access("/run", AccessFlags::W_OK).map_or_else(|no| !is_no(&no.into()), |()| true);
    if is_there || may_be_there() {
        return run;
    }
    std::env::temp_dir().join(name)
}

/// To whoever finds nobody under a name: who listens may have another environment, as a service of the system has than a login.
pub(crate) const SAME: &str = ", with RINGWAY_DIR and XDG_RUNTIME_DIR as they are here";

/// The same where `path` is that of a name, else nothing. Without a look at any directory: a sandbox may let its process connect to a path and no more.
pub(crate) fn agreement(path: &Path) -> &'static str {
    let Some(parent) = path.parent() else {
        return "";
    };
    let runtime = set("XDG_RUNTIME_DIR").map(|runtime| runtime.join("ringway"));
    let mut said = [set("RINGWAY_DIR"), runtime].into_iter().flatten();
    let is_own = parent.ends_with(format!("ringway-{}", effective_uid()));
    if is_own || said.any(|directory| directory == parent) {
        SAME
    } else {
        ""
    }
}

/// Whether it says that something is not there, or not for us. A lack of memory says nothing of it.
fn is_no(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
    )
}

/// A directory of our own that could be made in `directory`, for advice.
pub(crate) fn within(directory: &Path) -> PathBuf {
    directory.join(format!("ringway-{}", effective_uid()))
}

/// Whether a directory of this mode is there for everybody: the sticky bit is for nothing else.
pub(crate) fn is_shared(mode: u32) -> bool {
    mode & libc::S_ISVTX != 0
}

/// Makes `path` (mode 0700) unless it exists, and checks that it is a real directory that only we can enter.
pub(crate) fn prepare(path: &Path) -> Result<(), Unfit> {
    if path.is_relative() {
        return Err(Unfit::Relative);
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Unfit::Io(error)),
    }
    verify(path)
}

/// What to say where a file system has no room for one more name. A name takes no memory of ours, so smaller rings would not help.
pub(crate) fn full(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::ENOSPC => Some(
            "the file system has no room for one more name, or no inode (`df -i`): make room, or choose another directory",
        ),
        libc::EDQUOT => {
            Some("our quota on that file system is used up: make room, or choose another directory")
        }
        _ => None,
    }
}

/// The checks of [`prepare`] without making anything.
pub(crate) fn verify(path: &Path) -> Result<(), Unfit> {
    if path.is_relative() {
        return Err(Unfit::Relative);
    }
    // Not `metadata`: a link that somebody planted in a shared temp directory must not be followed.
    let status = fs::symlink_metadata(path).map_err(Unfit::Io)?;
    if !status.is_dir() {
        return Err(Unfit::NotADirectory(what(status.file_type())));
    }
    if !is_own(status.uid()) {
        return Err(Unfit::Owner(status.uid()));
    }
    if status.mode() & 0o077 != 0 {
        return Err(Unfit::Mode(status.mode() & 0o7777));
    }
    Ok(())
}

/// The bit of a socket's mode which says that whoever made it has handed it to nobody (the sticky bit, which means nothing for a socket). When that process has ended, nobody serves there.
pub(crate) const KEPT: u32 = libc::S_ISVTX;

/// Whether it says so of the socket at `path`, and is ours, so that nobody else can have said it.
pub(crate) fn is_kept(path: &Path) -> bool {
    let status = fs::symlink_metadata(path);
    status.is_ok_and(|it| it.file_type().is_socket() && it.mode() & KEPT != 0 && is_own(it.uid()))
}

/// Takes the bit back, before the socket is handed over, and for good: nobody can tell later whether another one has it. `identity`: what the path led to when we made it. A path that leads nowhere by now leads nobody to the socket either.
pub(crate) fn keep_no_more(path: &Path, identity: (u64, u64)) -> io::Result<()> {
    match Place::at(path) {
        Ok(place) if place.identity() == identity => place.set_mode(path, place.mode() & !KEPT),
        Ok(_) => Ok(()),
        // Two say so: a mark that stays on a socket which another one has would have its name taken.
        Err(error) if error.kind() == io::ErrorKind::NotFound && self::identity(path).is_none() => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What a file is, in words.
pub(crate) fn what(kind: fs::FileType) -> &'static str {
    if kind.is_file() {
        "a file"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// The identity of what is at a path, device and inode; `None`: there is nothing.
pub(crate) fn found(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::symlink_metadata(path) {
        Ok(status) => Ok(Some((status.dev(), status.ino()))),
        Err(error) if is_gone(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_gone(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The same; `None` too where it cannot be asked.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    found(path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("ringway-directory-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn ours_is_made_private_and_accepted_again() {
        let path = scratch("ours");
        prepare(&path).unwrap();
        prepare(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn an_open_mode_a_link_and_a_file_are_refused() {
        let path = scratch("open");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(prepare(&path), Err(Unfit::Mode(0o755))));
        let link = scratch("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(
            prepare(&link),
            Err(Unfit::NotADirectory("a symbolic link"))
        ));
        fs::remove_file(&link).unwrap();
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn a_lack_is_no_answer() {
        let is_no = |errno| is_no(&io::Error::from_raw_os_error(errno));
        for errno in [
            libc::ENOENT,
            libc::EACCES,
            libc::EPERM,
            libc::EROFS,
            libc::ENOTDIR,
        ] {
            assert!(is_no(errno), "{errno}");
        }
        for errno in [
            libc::ENOMEM,
            libc::EIO,
            libc::EMFILE,
            libc::EINTR,
            libc::ELOOP,
        ] {
            assert!(!is_no(errno), "{errno}");
        }
    }

    #[test]
    fn a_relative_path_is_refused_and_not_made() {
        let name = format!("ringway-relative-{}", std::process::id());
        let path = Path::new(&name);
        assert!(matches!(prepare(path), Err(Unfit::Relative)));
        assert!(matches!(verify(path), Err(Unfit::Relative)));
        assert!(!path.exists());
    }
}
