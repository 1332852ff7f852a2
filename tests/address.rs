//! Where a name leads to in each environment, and directories that are not safe. The environment belongs to the whole process, so each
//! look is a process of its own: this binary started again, in a role.

mod role;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringway::{Address, Config, Listener};
use role::play;

/// What `/run` is to the role: its own, `ro` or `rw`, or the host's.
const RUN: &str = "RINGWAY_TEST_RUN";
const AS_NOBODY: &str = "RINGWAY_TEST_AS_NOBODY";
/// The uid of the stranger: nobody's.
const NOBODY: u32 = 65_534;

fn uid() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() }
}

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else {
        return;
    };
    if let Ok(mode) = std::env::var(RUN) {
        own_run(mode == "ro");
    }
    if std::env::var_os(AS_NOBODY).is_some() {
        // SAFETY: no memory is passed.
        unsafe {
            assert_eq!(libc::setgid(NOBODY), 0);
            assert_eq!(libc::setuid(NOBODY), 0);
        }
    }
    let config = Config::new().handshake_timeout(Duration::from_secs(10));
    match role.as_str() {
        "bind" => match Listener::bind("meet") {
            Ok(listener) => println!("[at {}]", listener.path().display()),
            Err(error) => println!("[{:?}: {error}]", error.kind()),
        },
        "names" => match Address::names() {
            Ok(names) if names.is_empty() => println!("[none]"),
            Ok(names) => println!("[{}]", names.join(", ")),
            Err(error) => println!("[{:?}: {error}]", error.kind()),
        },
        "serve" => {
            let mut listener = config.bind("meet").unwrap();
            let soon = Instant::now() + Duration::from_secs(10);
            listener.accept_deadline(soon).unwrap();
            println!("[served]");
        }
        "connect" => match config.connect("meet") {
            Ok(_) => println!("[connected]"),
            Err(error) => println!("[{:?}: {error}]", error.kind()),
        },
        other => panic!("no role {other}"),
    }
}

/// Gives this process a `/run` that nobody else sees, with a directory of nobody's in it where that is asked for.
fn own_run(read_only: bool) {
    let flags = if read_only { libc::MS_RDONLY } else { 0 };
    let null = core::ptr::null();
    // SAFETY: every pointer is a NUL-terminated string or null where the call allows it.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let done = libc::mount(null, c"/".as_ptr(), null, private, null.cast());
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        let kind = c"tmpfs".as_ptr();
        let mode = c"mode=755".as_ptr().cast();
        let done = libc::mount(kind, c"/run".as_ptr(), kind, flags, mode);
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
    if std::env::var(RUN).is_ok_and(|mode| mode == "with-nobody's") {
        let theirs = format!("/run/ringway-{NOBODY}");
        fs::DirBuilder::new().mode(0o700).create(&theirs).unwrap();
        std::os::unix::fs::chown(&theirs, Some(NOBODY), None).unwrap();
    }
}

/// Whether a process may have a `/run` of its own; says so where it may not.
fn can_have_its_own_run() -> bool {
    // SAFETY: no memory is passed; the child does nothing else.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above, and `_exit` runs nothing.
        unsafe { libc::_exit(i32::from(libc::unshare(libc::CLONE_NEWNS) != 0)) };
    }
    let mut status = 1;
    // SAFETY: `status` is valid for writes.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if status != 0 {
        eprintln!("skipped: a /run of its own needs the right to make a mount namespace");
    }
    status == 0
}

/// A role, without any of the variables that lead to a directory, and with those that are given.
fn role(role: &str, variables: &[(&str, &Path)]) -> Command {
    let mut command = role::process(role);
    command
        .env_remove("RINGWAY_DIR")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("TMPDIR")
        .envs(variables.iter().copied());
    command
}

/// What a role says between its brackets.
fn said(command: &mut Command) -> String {
    let text = play(command);
    let (_, rest) = text.split_once('[').expect("an answer");
    rest.split_once(']').expect("an answer").0.to_owned()
}

/// A directory that ends with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ringway-address-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        // Others may pass, as through any temp directory.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Self(path)
    }

    fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn at(directory: &Path) -> String {
    format!("at {}", directory.join("meet").display())
}

#[test]
fn the_first_variable_that_is_set_decides() {
    let place = Place::new("first");
    let (own, runtime) = (place.directory("own"), place.directory("runtime"));
    let both: [(&str, &Path); 2] = [("RINGWAY_DIR", &own), ("XDG_RUNTIME_DIR", &runtime)];
    assert_eq!(said(&mut role("bind", &both)), at(&own));
    let made = runtime.join("ringway");
    assert!(!made.exists(), "what does not decide is left alone");
    let empty: [(&str, &Path); 2] = [("RINGWAY_DIR", Path::new("")), both[1]];
    for variables in [&both[1..], &empty] {
        assert_eq!(said(&mut role("bind", variables)), at(&made));
    }
    let mode = fs::metadata(&made).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700, "the directory is private");
    assert_eq!(fs::read_dir(&made).unwrap().count(), 0, "no socket is left");
}

#[test]
fn two_processes_of_one_environment_meet() {
    let place = Place::new("two");
    let variables: [(&str, &Path); 1] = [("XDG_RUNTIME_DIR", &place.0)];
    let server = role("serve", &variables)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let told = loop {
        let told = said(&mut role("connect", &variables));
        if !told.starts_with("NotFound: nobody listens") || Instant::now() > until {
            break told;
        }
    };
    assert_eq!(told, "connected");
    assert!(server.wait_with_output().unwrap().status.success());
}

#[test]
fn without_any_variable_run_decides_and_then_the_temp_directory() {
    if !can_have_its_own_run() {
        return;
    }
    let place = Place::new("without");
    let temp: [(&str, &Path); 1] = [("TMPDIR", &place.0)];
    let run = |mode: &str, nobody: bool| {
        let mut command = role("bind", &temp);
        if nobody {
            command.env(AS_NOBODY, "1");
        }
        said(command.env(RUN, mode))
    };
    let ours = format!("ringway-{}", uid());
    let theirs = format!("ringway-{NOBODY}");
    // Who may write there, and whose directory is there already.
    assert_eq!(run("rw", false), at(&Path::new("/run").join(&ours)));
    assert_eq!(
        run("with-nobody's", true),
        at(&Path::new("/run").join(&theirs))
    );
    // Everybody else.
    assert_eq!(run("ro", false), at(&place.0.join(&ours)));
    assert_eq!(run("rw", true), at(&place.0.join(&theirs)));
    // A relative path would mean another place to each process: it does not count.
    let relative: [(&str, &Path); 2] = [temp[0], ("XDG_RUNTIME_DIR", Path::new("here"))];
    let told = said(role("bind", &relative).env(RUN, "ro"));
    assert_eq!(told, at(&place.0.join(&ours)));
}

/// Makes the directory of names unsafe in every way, and has both sides refuse it with words that say how to mend it. `variable` leads
/// to `parent`, in which the directory is called `name`.
fn unsafe_ones_are_refused(
    variable: &str,
    parent: &Path,
    name: &str,
    set_up: impl Fn(&mut Command),
) {
    let directory = parent.join(name);
    let ask = |what: &str| {
        let mut command = role(what, &[(variable, parent)]);
        set_up(&mut command);
        said(&mut command)
    };
    let refused = |words: &[&str]| {
        for what in ["bind", "connect"] {
            let told = ask(what);
            assert!(told.starts_with("Directory: "), "{what}: {told}");
            let shown = directory.display().to_string();
            for word in words.iter().copied().chain([shown.as_str(), "RINGWAY_DIR"]) {
                assert!(told.contains(word), "{what}: {told:?} lacks {word:?}");
            }
        }
    };
    // Nothing there is nobody there, and to look makes nothing.
    assert!(ask("connect").starts_with("NotFound: nobody listens"));
    assert!(!directory.exists());
    fs::create_dir(&directory).unwrap();
    for mode in [0o755, 0o711, 0o770, 0o702, 0o1777] {
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let alone = if mode == 0o1777 {
            "leave it as it is"
        } else {
            "chmod 700 it if"
        };
        refused(&[
            "others can enter",
            &format!("{mode:o}"),
            alone,
            "mkdir -m 700",
        ]);
    }
    if uid() == 0 {
        std::os::unix::fs::chown(&directory, Some(NOBODY), None).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        refused(&["belongs to uid 65534", "a directory of your own"]);
        std::os::unix::fs::chown(&directory, Some(0), None).unwrap();
    } else {
        eprintln!("skipped: a directory of another uid needs root");
    }
    // As mended as the words said.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ask("bind"), at(&directory));
    // A link, even to a directory that would do, and a file.
    let good = parent.join("good");
    fs::rename(&directory, &good).unwrap();
    symlink(&good, &directory).unwrap();
    refused(&["is a symbolic link, not a directory", "of your own"]);
    fs::remove_file(&directory).unwrap();
    fs::write(&directory, "in the way").unwrap();
    refused(&["is a file, not a directory", "of your own"]);
    fs::remove_file(&directory).unwrap();
    fs::remove_dir(&good).unwrap();
}

#[test]
fn an_unsafe_directory_below_the_runtime_directory_is_refused() {
    let place = Place::new("runtime");
    unsafe_ones_are_refused("XDG_RUNTIME_DIR", &place.0, "ringway", |_| ());
}

#[test]
fn an_unsafe_directory_in_the_shared_temp_directory_is_refused() {
    if can_have_its_own_run() {
        let place = Place::new("temp");
        let name = format!("ringway-{}", uid());
        unsafe_ones_are_refused("TMPDIR", &place.0, &name, |command| {
            command.env(RUN, "ro");
        });
    }
}

/// It may be there under another environment, whether or not there is a directory here.
#[test]
fn who_finds_nobody_under_a_name_is_told_what_has_to_be_the_same() {
    let place = Place::new("same");
    for is_there in [false, true] {
        if is_there {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(place.0.join("ringway"))
                .unwrap();
        }
        let told = said(&mut role("connect", &[("XDG_RUNTIME_DIR", &place.0)]));
        let words = "start the listener first, with RINGWAY_DIR and XDG_RUNTIME_DIR as they are";
        assert!(
            told.starts_with("NotFound: ") && told.contains(words),
            "{told}"
        );
    }
}

#[test]
fn a_parent_that_is_not_there_is_named() {
    let missing = std::env::temp_dir().join(format!("ringway-missing-{}", std::process::id()));
    let variables: [(&str, &Path); 1] = [("XDG_RUNTIME_DIR", &missing)];
    let told = said(&mut role("bind", &variables));
    assert!(told.starts_with("Directory: "), "{told}");
    let shown = missing.display().to_string();
    assert!(
        told.contains(&shown) && told.contains("RINGWAY_DIR"),
        "{told}"
    );
    let told = said(&mut role("connect", &variables));
    assert!(told.starts_with("NotFound: nobody listens"), "{told}");
}

#[test]
fn a_given_directory_that_is_not_there_is_to_be_created() {
    let missing = std::env::temp_dir().join(format!("ringway-given-{}/names", std::process::id()));
    let variables: [(&str, &Path); 1] = [("RINGWAY_DIR", &missing)];
    let told = said(&mut role("bind", &variables));
    assert!(told.starts_with("Directory: RINGWAY_DIR names"), "{told}");
    let mend = format!("mkdir -p -m 700 {}", missing.display());
    assert!(
        told.contains("does not exist") && told.contains(&mend),
        "{told}"
    );
    assert!(!told.contains("set RINGWAY_DIR"), "it is set: {told}");
}

/// Neither is it there, nor can it be created: another reason than the usual one.
#[test]
fn a_directory_that_the_kernel_refuses_is_refused_with_its_words() {
    let within_a_file = std::env::current_exe().unwrap().join("names");
    let variables: [(&str, &Path); 1] = [("RINGWAY_DIR", &within_a_file)];
    for what in ["bind", "connect"] {
        let told = said(&mut role(what, &variables));
        assert!(told.starts_with("Directory: "), "{what}: {told}");
        for word in [
            &*within_a_file.to_string_lossy(),
            "cannot be used",
            "Not a directory",
        ] {
            assert!(told.contains(word), "{what}: {told:?} lacks {word:?}");
        }
    }
}

#[test]
fn a_relative_directory_is_refused_by_both_sides() {
    let name = format!("ringway-relative-names-{}", std::process::id());
    let variables: [(&str, &Path); 1] = [("RINGWAY_DIR", Path::new(&name))];
    for what in ["bind", "connect"] {
        let told = said(&mut role(what, &variables));
        assert!(told.starts_with("Directory: "), "{what}: {told}");
        for word in [name.as_str(), "relative", "an absolute path"] {
            assert!(told.contains(word), "{what}: {told:?} lacks {word:?}");
        }
    }
    assert!(!Path::new(&name).exists(), "nothing is made");
}

#[test]
fn the_names_at_which_somebody_listens_are_told_in_order() {
    let place = Place::new("names");
    let missing = place.0.join("missing");
    let names = |at: &Path| said(&mut role("names", &[("RINGWAY_DIR", at)]));
    assert_eq!(names(&missing), "none");
    let directory = place.directory("own");
    assert_eq!(names(&directory), "none");
    let within_a_file = std::env::current_exe().unwrap().join("names");
    assert!(names(&within_a_file).starts_with("Directory: "));
    let listens = |name: &str| UnixListener::bind(directory.join(name)).unwrap();
    let _sockets = ["zeta", "alpha", ".hidden", "no name"].map(listens);
    fs::write(directory.join("file"), "no socket").unwrap();
    assert_eq!(names(&directory), "alpha, zeta");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(names(&directory).starts_with("Directory: "));
}

#[test]
fn a_socket_of_another_program_is_not_taken_for_a_listener() {
    let place = Place::new("foreign");
    let directory = place.directory("own");
    let _socket = UnixListener::bind(directory.join("meet")).unwrap();
    for (what, kind) in [("bind", "NameTaken: "), ("connect", "Io: ")] {
        let told = said(&mut role(what, &[("RINGWAY_DIR", &directory)]));
        assert!(told.starts_with(kind), "{told}");
        assert!(told.contains("another program's"), "{told}");
    }
}
