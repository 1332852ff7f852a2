//! A user namespace in which some users have no uid: to whoever is in it they all have the same one, 65534, and so has it itself where it was given none.

use std::path::Path;
use std::time::Duration;

use ringway::{Config, Error, ErrorKind, Limits};

use super::process::{Page, alone, fork};
use super::space::{can, unshare};
use super::{LIMIT, path, soon};

const EVERYBODY: u32 = 65_534;
const SOMEBODY: u32 = 4242;

const STEP: usize = 0;
const SAID: usize = 1;

/// What an outcome is called in the page.
fn number(outcome: &Result<(), Error>) -> u64 {
    match outcome.as_ref().map_err(Error::kind) {
        Ok(()) => 1,
        Err(ErrorKind::UidRefused) => 2,
        Err(ErrorKind::Resources) => 3,
        Err(kind) => panic!("{kind:?}: {outcome:?}"),
    }
}

/// What an attempt to be let in, or to read along, ends with in a child that is `uid`, or what we are.
fn attempt(path: &Path, uid: Option<u32>, taps: bool, config: &Config) -> u64 {
    let page = Page::new();
    let mut child = fork(|| {
        if let Some(uid) = uid {
            // SAFETY: no memory is passed.
            assert_eq!(unsafe { libc::setresuid(uid, uid, uid) }, 0);
        }
        let outcome = if taps {
            config.tap(path).map(drop)
        } else {
            config.connect(path).map(drop)
        };
        if let Err(error) = &outcome {
            println!("uid {uid:?}, taps: {taps}: {error}");
            let everybody = error.kind() == ErrorKind::UidRefused && !taps;
            assert!(
                !everybody || error.to_string().contains("every user"),
                "{error}"
            );
        }
        page.set(SAID, number(&outcome));
    });
    assert_eq!(child.reap(), 0);
    page.get(SAID)
}

/// A listener in a user namespace in which we have no uid, while `body` runs out here; and what of it the listener refused.
fn with_listener_inside(name: &str, config: &Config, body: impl FnOnce(&Path)) {
    let (page, path) = (Page::new(), path(name));
    let mut server = fork(|| {
        unshare(libc::CLONE_NEWUSER, None).unwrap();
        // SAFETY: no preconditions.
        assert_eq!(unsafe { libc::geteuid() }, EVERYBODY);
        let mut listener = config.bind(path.as_path()).unwrap();
        let mut kept = Vec::new();
        page.set(STEP, 1);
        while page.get(STEP) == 1 {
            let short = std::time::Instant::now() + Duration::from_millis(5);
            kept.extend(listener.accept_deadline(short));
        }
    });
    page.until(STEP, 1);
    body(&path);
    page.set(STEP, 2);
    assert_eq!(server.reap(), 0);
    assert!(!path.exists());
}

fn patient() -> Config {
    // SAFETY: no preconditions. Whoever becomes another user still trusts our servers.
    let own = unsafe { libc::geteuid() };
    let config = Config::new().handshake_timeout(Duration::from_secs(10));
    if own == EVERYBODY {
        config
    } else {
        config.allow_uid(own)
    }
}

/// Another uid, if this process may take it.
fn somebody() -> Option<u32> {
    // SAFETY: no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        println!("SKIPPED: another uid needs root");
    }
    root.then_some(SOMEBODY)
}

/// To the listener they have its own uid, all of them. The kernel cannot tell it who they are, so it admits none, and lets none read along.
#[test]
fn who_has_no_uid_here_is_not_taken_for_ourselves() {
    let name = "users::who_has_no_uid_here_is_not_taken_for_ourselves";
    alone(name, LIMIT, || {
        if !can(libc::CLONE_NEWUSER, None) {
            return;
        }
        // The socket is open to all users of the host, since somebody is admitted.
        let config = patient().allow_uid(7).allow_tap(true);
        with_listener_inside("own", &config, |path| {
            for uid in [None, somebody()] {
                let told = [false, true].map(|taps| attempt(path, uid, taps, &patient()));
                assert_eq!(told, [2, 2], "{uid:?} was taken for ourselves");
            }
        });
    });
}

/// Whoever says so admits them, all of them and as one: what one of them has, the others lack. None reads along.
#[test]
fn who_admits_the_uid_of_everybody_grants_it_to_all_of_them_together() {
    let name = "users::who_admits_the_uid_of_everybody_grants_it_to_all_of_them_together";
    alone(name, LIMIT, || {
        if !can(libc::CLONE_NEWUSER, None) {
            return;
        }
        let limits = Limits::new().connections(1);
        let config = patient()
            .allow_uid(EVERYBODY)
            .allow_tap(true)
            .limits(limits);
        with_listener_inside("everybody", &config, |path| {
            let first = patient().connect(path).unwrap();
            for uid in [None, somebody()] {
                assert_eq!(attempt(path, uid, false, &patient()), 3, "{uid:?}");
                assert_eq!(attempt(path, uid, true, &patient()), 2, "{uid:?}");
            }
            drop(first);
        });
    });
}

/// The same of a client inside: whose server it is, the kernel cannot tell it.
#[test]
fn a_client_without_a_uid_trusts_no_server_as_its_own() {
    let name = "users::a_client_without_a_uid_trusts_no_server_as_its_own";
    alone(name, LIMIT, || {
        if !can(libc::CLONE_NEWUSER, None) {
            return;
        }
        let path = path("client");
        let mut listener = patient().bind(path.as_path()).unwrap();
        let page = Page::new();
        let mut client = fork(|| {
            unshare(libc::CLONE_NEWUSER, None).unwrap();
            let refused = attempt(&path, None, false, &patient());
            let admits = patient().allow_uid(EVERYBODY);
            let admitted = attempt(&path, None, false, &admits);
            page.set(SAID, 10 * refused + admitted);
        });
        let accepted = listener.accept_deadline(soon()).unwrap();
        assert_eq!(client.reap(), 0);
        assert_eq!(page.get(SAID), 21);
        drop(accepted);
    });
}
