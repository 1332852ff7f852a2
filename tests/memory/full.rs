//! A file system without room for a socket's name, and a host without huge pages: each is told by name, leaves nothing behind, and is over when there is room again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, ErrorKind};

use super::process::{alone, fork, holdings, no_more_than, threads_were_there};
use super::soon;

const LIMIT: Duration = Duration::from_secs(60);
/// Of a tmpfs, whose own folder is one.
const INODES: usize = 6;

/// Mounts a small tmpfs there, for this process alone. It must have one thread.
fn mount(folder: &Path) -> io::Result<()> {
    let done = |result: libc::c_int| {
        let failed = || Err(io::Error::last_os_error());
        if result == 0 { Ok(()) } else { failed() }
    };
    // SAFETY: no preconditions.
    let uid = unsafe { libc::geteuid() };
    let users = if uid == 0 { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: no memory is passed.
    done(unsafe { libc::unshare(libc::CLONE_NEWNS | users) })?;
    if users != 0 {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    }
    let folder = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
    let options = std::ffi::CString::new(format!("size=64k,nr_inodes={INODES},mode=700")).unwrap();
    let (none, kind) = (std::ptr::null(), c"tmpfs".as_ptr());
    // SAFETY: the strings live during the calls.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        done(libc::mount(none, c"/".as_ptr(), none, private, none.cast()))?;
        done(libc::mount(
            kind,
            folder.as_ptr(),
            kind,
            0,
            options.as_ptr().cast(),
        ))
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// Makes files until there is no room for one more.
fn fill(folder: &Path) {
    for number in 0.. {
        match fs::write(folder.join(format!("file-{number}")), "") {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(names(folder).len(), INODES - 1);
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// What this process has once those threads are gone on which the library closes a socket with something unread in it: there are `few` without them.
fn settled(few: usize) -> (usize, usize, usize) {
    let until = soon();
    while threads() > few {
        assert!(Instant::now() < until, "{} threads", threads());
        thread::sleep(Duration::from_millis(1));
    }
    holdings()
}

/// What whoever wants to listen is told; nothing was made.
fn refused(folder: &Path, listens: impl Fn() -> Option<ringway::Error>) {
    let before = (names(folder), settled(1));
    let error = listens().expect("there is no room");
    assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
    let text = error.to_string();
    let tells = text.contains("no inode") && text.contains(folder.to_str().unwrap());
    assert!(tells && !text.contains("rings"), "{text}");
    println!("{text}");
    assert_eq!(names(folder), before.0);
    no_more_than(before.1, || settled(1));
}

fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

/// A client comes in, and says something. The name has its room until each socket that was accepted by it is closed, which may be on other threads.
fn exchanges(path: &Path) {
    let mut listener = patient().bind(path).unwrap();
    let mut client = fork(|| {
        let mut connection = patient().connect(path).unwrap();
        connection.sender().send(b"there is room").unwrap();
    });
    let mut server = listener.accept_deadline(soon()).unwrap();
    let frame = server.receiver().recv_deadline(soon()).unwrap().to_vec();
    assert_eq!(frame, b"there is room");
    assert_eq!(client.reap(), 0);
    drop((listener, server));
    assert!(!path.exists());
    settled(1);
}

#[test]
fn a_full_file_system_is_told_by_name_and_over_when_there_is_room() {
    let name = "full::a_full_file_system_is_told_by_name_and_over_when_there_is_room";
    alone(name, LIMIT, || {
        let folder = super::path("full");
        // One that was killed here may have had the same number.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        // In a child, so that nothing of it is left here.
        let mut child = fork(|| match mount(&folder) {
            Ok(()) => full(&folder),
            Err(error) => println!("SKIPPED: no file system can be mounted here: {error}"),
        });
        let status = child.reap();
        fs::remove_dir(&folder).unwrap();
        assert_eq!(status, 0);
    });
}

fn full(folder: &Path) {
    let (path, other) = (folder.join("socket"), folder.join("other"));
    // The folder for names, which is made.
    // SAFETY: this process has one thread yet.
    unsafe { std::env::set_var("RINGWAY_DIR", folder.join("names")) };
    // What a process has once it has at the first attempt.
    threads_were_there();
    exchanges(&path);
    fill(folder);
    refused(folder, || Config::new().bind(path.as_path()).err());
    refused(folder, || Config::new().bind("name").err());
    fs::remove_file(folder.join("file-0")).unwrap();
    exchanges(&path);
    let kept = patient().bind(path.as_path()).unwrap();
    refused(folder, || Config::new().bind(other.as_path()).err());
    drop(kept);
    // A name that a dead one has left takes its own room again.
    let mut dies = fork(|| {
        std::mem::forget(patient().bind(path.as_path()).unwrap());
    });
    assert_eq!(dies.reap(), 0);
    assert!(path.exists());
    exchanges(&path);
    // Bytes are another matter: a name needs none, and rings lie elsewhere.
    let bytes = vec![1; 1 << 20];
    let error = fs::write(folder.join("file-1"), bytes).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    exchanges(&path);
}

/// Huge pages that there are, or that the kernel would make.
fn huge_pages() -> usize {
    let number = |text: &str| text.trim().parse::<usize>().unwrap();
    let info = fs::read_to_string("/proc/meminfo").unwrap();
    let free = info
        .lines()
        .find_map(|line| line.strip_prefix("HugePages_Free:"));
    let more = fs::read_to_string("/proc/sys/vm/nr_overcommit_hugepages");
    free.map_or(0, number) + more.map_or(0, |text| number(&text))
}

#[test]
fn huge_pages_that_are_not_there_are_refused_by_name() {
    const RING: usize = 64 << 20;
    let name = "full::huge_pages_that_are_not_there_are_refused_by_name";
    alone(name, LIMIT, || {
        if huge_pages() >= RING >> 21 {
            println!("SKIPPED: there are huge pages here");
            return;
        }
        let (path, few) = (super::path("huge"), threads());
        let rings = super::rings(RING).huge_pages(true);
        let mut server = fork(|| {
            let mut listener = rings.bind(path.as_path()).unwrap();
            // Nobody comes in.
            let _ = listener.accept_deadline(soon());
        });
        // What a process has once it has behind the first attempt.
        threads_were_there();
        super::refused(&rings, &path);
        let before = settled(few);
        let error = super::refused(&rings, &path);
        assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
        assert!(error.to_string().contains("vm.nr_hugepages"), "{error}");
        println!("{error}");
        no_more_than(before, || settled(few));
        server.signal(libc::SIGKILL);
        server.reap_killed();
        let _ = fs::remove_file(path);
    });
}
