//! Zombies, and programs that were given a dead process's descriptors on purpose.

use std::process::Command;

use ringway::{Config, Connection, Event, Listener, Poller, RecvError, SendError};

use super::process::{Child, Page, alone, fork};
use super::{LIMIT, path, patient, soon};

const LISTENS: usize = 0;
const HEIR: usize = 1;

/// Waits until a child has ended, and leaves it a zombie.
fn until_zombie(child: &Child) {
    let state = || {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", child.pid)).unwrap();
        let (_, rest) = text.rsplit_once(") ").unwrap();
        rest.as_bytes()[0]
    };
    while state() != b'Z' {
        std::thread::yield_now();
    }
}

/// A child that listens at `name`, has said something to whoever connected, and waits to be killed; and our end.
fn served(name: &str, page: &Page, then: impl FnOnce(&mut Connection)) -> (Connection, Child) {
    let path = path(name);
    page.set(LISTENS, 0);
    let child = fork(|| {
        let mut listener = patient().bind(path.as_path()).unwrap();
        page.set(LISTENS, 1);
        let mut connection = listener.accept().unwrap();
        connection.sender().send(b"last words").unwrap();
        then(&mut connection);
        page.set(LISTENS, 2);
        loop {
            std::thread::park();
        }
    });
    page.until(LISTENS, 1);
    let ours = patient().connect(path.as_path()).unwrap();
    page.until(LISTENS, 2);
    (ours, child)
}

/// Whoever waits for it hears, its name is free, and all that before anybody has asked how it ended.
#[test]
fn a_zombie_is_dead_and_holds_no_name() {
    alone("heirs::a_zombie_is_dead_and_holds_no_name", LIMIT, || {
        let page = Page::new();
        let (mut ours, child) = served("zombie", &page, |_| {});
        child.signal(libc::SIGKILL);
        until_zombie(&child);
        let (sender, receiver) = ours.halves();
        assert_eq!(
            receiver.recv_deadline(soon()).unwrap().to_vec(),
            b"last words"
        );
        assert_eq!(
            receiver.recv_deadline(soon()).err(),
            Some(RecvError::PeerDied)
        );
        assert_eq!(sender.check(), Err(SendError::PeerDied));
        drop(Listener::bind(path("zombie").as_path()).unwrap());
        until_zombie(&child);
    });
}

/// Clears the flag of every descriptor that would close it on exec: what a program may do by mistake, or by a library that knows nothing of us.
fn leave_everything_open() {
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse())
        .collect::<Result<_, _>>()
        .unwrap();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: no memory is passed; one of them was the directory's, and is closed by now.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    }
}

/// Another program has the socket, the listening one too, the bells and the segments. It is not the peer, and does not keep it alive.
#[test]
fn a_program_that_was_given_every_descriptor_does_not_hide_a_death() {
    let name = "heirs::a_program_that_was_given_every_descriptor_does_not_hide_a_death";
    alone(name, LIMIT, || {
        for polls in [false, true] {
            let page = Page::new();
            let (mut ours, mut child) = served("given", &page, |_| {
                leave_everything_open();
                #[expect(clippy::zombie_processes, reason = "it outlives us: the test ends it")]
                let heir = Command::new("sleep").arg("50").spawn().unwrap();
                page.set(HEIR, u64::from(heir.id()));
            });
            let heir = page.get(HEIR) as libc::pid_t;
            assert_eq!(
                ours.receiver().recv_deadline(soon()).unwrap().to_vec(),
                b"last words"
            );
            child.signal(libc::SIGKILL);
            child.reap_killed();
            if polls {
                let mut poller: Poller = Poller::new().unwrap();
                poller.add(ours).unwrap();
                let end = loop {
                    match poller.event_deadline(soon()).unwrap() {
                        Some(Event::Ended(ended)) => break ended.end,
                        Some(_) => {}
                        None => panic!("no end was told"),
                    }
                };
                assert_eq!(end, RecvError::PeerDied);
            } else {
                let end = ours.receiver().recv_deadline(soon()).err();
                assert_eq!(end, Some(RecvError::PeerDied));
            }
            let count = |what: &str| {
                let open = std::fs::read_dir(format!("/proc/{heir}/fd")).unwrap();
                let links = open.filter_map(|it| std::fs::read_link(it.unwrap().path()).ok());
                links
                    .filter(|link| link.to_string_lossy().contains(what))
                    .count()
            };
            assert!(
                count("socket:") >= 2,
                "it was to hold both sockets until now"
            );
            let mut next = Config::new().bind(path("given").as_path()).unwrap();
            assert!(next.try_accept().unwrap().is_none());
            // SAFETY: no memory is passed; it is the program that we have had started, and it sleeps.
            assert_eq!(unsafe { libc::kill(heir, libc::SIGKILL) }, 0);
        }
    });
}
