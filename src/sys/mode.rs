//! The mode of our socket at a path, and of nothing else that lies there by now: whoever may change the directory can lay a link to any file of ours in its place, or a second name of it, and a mode that is set by
//! a path goes where that leads.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::credentials::effective_uid;
use super::lock::parent;

/// What lies at a path.
#[derive(Debug)]
pub(crate) struct Place {
    file: File,
    status: Metadata,
}

impl Place {
    /// A link is not followed.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)?;
        let status = file.metadata()?;
        Ok(Self { file, status })
    }

    /// Of a socket that we have just made there: nothing else, and nothing that has another name, which would be older.
    pub(crate) fn of_new_socket(path: &Path) -> io::Result<Self> {
        let place = Self::at(path)?;
        if !place.status.file_type().is_socket() || place.status.nlink() > 1 {
            return Err(io::Error::other("something else lies there by now"));
        }
        Ok(place)
    }

    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.status.dev(), self.status.ino())
    }

    pub(crate) fn mode(&self) -> u32 {
        self.status.mode() & 0o7777
    }

    /// Sets its mode. `path`: where it was found.
    pub(crate) fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        // The kernel changes no mode by such a descriptor, but by the name that it has for it.
        let name = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match fs::set_permissions(name, Permissions::from_mode(mode)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => by_path(path, mode),
            set => set,
        }
    }
}

/// Where there is no `/proc`: if nobody else can lay anything there.
fn by_path(path: &Path, mode: u32) -> io::Result<()> {
    let folder = fs::metadata(parent(path))?;
    let ours = [0, effective_uid()].contains(&folder.uid());
    let shut = folder.mode() & 0o022 == 0 || folder.mode() & libc::S_ISVTX != 0;
    if !(ours && shut) {
        let text =
            "others may change the directory, and without /proc it cannot be said what is meant";
        return Err(io::Error::other(text));
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    /// Of a directory of our own, in which another uid may change what lies there.
    #[test]
    fn no_mode_but_that_of_our_socket_is_set() {
        let folder = std::env::temp_dir().join(format!("ringway-mode-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let (path, secret) = (folder.join("socket"), folder.join("secret"));
        let set = |wanted| Place::of_new_socket(&path)?.set_mode(&path, wanted);
        fs::write(&secret, "secret").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        symlink(&secret, &path).unwrap();
        assert!(set(0o666).is_err(), "a link");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&secret, &path).unwrap();
        assert!(set(0o666).is_err(), "a file");
        assert_eq!(mode(&secret), 0o600);
        fs::remove_file(&path).unwrap();
        let _another = UnixListener::bind(secret.with_extension("socket")).unwrap();
        let before = mode(&secret.with_extension("socket"));
        fs::hard_link(secret.with_extension("socket"), &path).unwrap();
        assert!(set(0o666).is_err(), "another socket of ours");
        assert_eq!(mode(&path), before);
        fs::remove_file(&path).unwrap();
        let _ours = UnixListener::bind(&path).unwrap();
        for wanted in [0o666, 0o1600] {
            set(wanted).unwrap();
            assert_eq!(mode(&path), wanted);
            assert_eq!(Place::at(&path).unwrap().mode(), wanted);
        }
        assert!(by_path(&path, 0o666).is_err(), "anybody's directory");
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        by_path(&path, 0o644).unwrap();
        assert_eq!(mode(&path), 0o644);
        fs::remove_dir_all(&folder).unwrap();
    }
}
