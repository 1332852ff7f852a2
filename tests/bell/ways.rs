//! By `io_uring` where it is permitted, by AIO where it is not, by the byte where neither is; and from one to the next when something is lacking, or a sandbox is closed
//! behind us. Which way is used the mappings of the process tell.

use std::thread;
use std::time::Duration;

use ringway::ErrorKind;

use super::forbid::forbid;
use super::process::{alone, holdings};
use super::{
    Asleep, LIMIT, config, forbid_bells, forbid_uring, is_woken, pair, path, two_processes,
};

/// What the kernel says when it is asked for an instance.
pub(super) fn uring_setup() -> Result<(), i32> {
    let mut parameters = [0u64; 15];
    // SAFETY: `parameters` has the size of `struct io_uring_params`, is valid for reads and writes, and zero.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    if made == -1 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap());
    }
    // SAFETY: it was just made, and nothing else owns it.
    unsafe { libc::close(made as i32) };
    Ok(())
}

/// Whether there is something to try.
fn is_permitted() -> bool {
    let permitted = uring_setup().is_ok();
    if !permitted {
        eprintln!("skipped: io_uring is not permitted here");
    }
    permitted
}

/// How many bells this process rings by `io_uring`, and whether it has a context for AIO.
fn used() -> (usize, bool) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let count = |name| maps.lines().filter(|line| line.contains(name)).count();
    (count("[io_uring]"), count("/[aio]") > 0)
}

/// The peer rings the receiver, which has to wake, and then the sender, and both are asleep again.
fn wakes_both(asleep: &mut Asleep) {
    asleep.send_to_receiver();
    assert!(is_woken(&asleep.receiver), "the receiver's wake is lost");
    asleep.again();
    asleep.make_room();
    assert!(is_woken(&asleep.sender), "the sender's wake is lost");
    asleep.again();
}

#[test]
fn by_io_uring_a_bell_costs_a_mapping_and_no_descriptor_and_no_wake_is_lost() {
    let name = "ways::by_io_uring_a_bell_costs_a_mapping_and_no_descriptor_and_no_wake_is_lost";
    alone(name, LIMIT, || {
        if !is_permitted() {
            return;
        }
        let mut asleep = Asleep::new("uring");
        let (descriptors, mappings, _) = holdings();
        assert_eq!(used(), (0, false), "who has never rung has nothing for it");
        for _ in 0..100 {
            wakes_both(&mut asleep);
        }
        assert_eq!(used(), (2, false), "one for each bell that was rung");
        let (more, more_mappings, _) = holdings();
        assert_eq!(more, descriptors);
        assert!(more_mappings <= mappings + 2, "{mappings}, {more_mappings}");
        drop(asleep);
        assert_eq!(used(), (0, false), "and both go with the connection");
        two_processes("uring-processes", 5_000, 5_000);
    });
}

#[test]
fn where_io_uring_is_forbidden_aio_rings_and_no_wake_is_lost() {
    let name = "ways::where_io_uring_is_forbidden_aio_rings_and_no_wake_is_lost";
    alone(name, LIMIT, || {
        forbid_uring();
        let mut asleep = Asleep::new("aio");
        for _ in 0..100 {
            wakes_both(&mut asleep);
        }
        assert_eq!(used(), (0, true));
        drop(asleep);
        two_processes("aio-processes", 5_000, 5_000);
    });
}

#[test]
fn where_both_are_forbidden_nothing_is_made() {
    alone(
        "ways::where_both_are_forbidden_nothing_is_made",
        LIMIT,
        || {
            forbid_bells(libc::ENOSYS);
            let mut asleep = Asleep::new("neither");
            wakes_both(&mut asleep);
            assert_eq!(used(), (0, false));
        },
    );
}

#[test]
fn a_goodbye_is_worth_no_instance_and_no_context() {
    let name = "ways::a_goodbye_is_worth_no_instance_and_no_context";
    alone(name, LIMIT, || {
        let Asleep {
            sender,
            receiver,
            peer,
        } = Asleep::new("goodbye");
        let (theirs, others) = peer.split();
        drop(theirs);
        assert!(is_woken(&receiver), "its wake is lost");
        assert_eq!(used(), (0, false));
        drop((sender, receiver, others));
    });
}

/// What the kernel lacks at the first ring it has later.
#[test]
fn what_is_lacking_for_an_instance_is_asked_for_again() {
    let name = "ways::what_is_lacking_for_an_instance_is_asked_for_again";
    alone(name, LIMIT, || {
        if !is_permitted() {
            return;
        }
        let mut asleep = Asleep::new("lacking");
        let poor = thread::spawn(move || {
            forbid(libc::SYS_io_uring_setup, libc::EMFILE);
            asleep.send_to_receiver();
            assert!(is_woken(&asleep.receiver), "its wake is lost");
            asleep.again();
            asleep
        });
        let mut asleep = poor.join().unwrap();
        assert_eq!(used(), (0, false), "it went by the byte");
        for _ in 0..17 {
            asleep.send_to_receiver();
            assert!(is_woken(&asleep.receiver), "its wake is lost");
            asleep.again();
        }
        assert_eq!(
            used(),
            (1, true),
            "AIO took its place until there was enough"
        );
    });
}

/// A no-op that is not taken, for now (`EAGAIN`, on a thread that is short of memory) or for good.
#[test]
fn a_ring_that_io_uring_does_not_take_goes_by_the_byte() {
    let name = "ways::a_ring_that_io_uring_does_not_take_goes_by_the_byte";
    alone(name, LIMIT, || {
        if !is_permitted() {
            return;
        }
        let Asleep {
            mut sender,
            mut receiver,
            peer,
        } = Asleep::new("untaken");
        let (mut theirs, mut others) = peer.split();
        theirs.send(b"by io_uring").unwrap();
        assert_eq!(used(), (1, false));
        let mut theirs = thread::scope(|scope| {
            let poor = scope.spawn(|| {
                forbid(libc::SYS_io_uring_enter, libc::EAGAIN);
                for _ in 0..10 {
                    while receiver.try_recv().is_ok() {}
                    for _ in 0..2 {
                        assert_eq!(sender.arm(56), Ok(ringway::Arm::Armed));
                        assert_eq!(receiver.arm(), Ok(ringway::Arm::Armed));
                    }
                    theirs.send(b"by the byte").unwrap();
                    assert!(is_woken(&receiver), "its wake is lost");
                    assert!(is_woken(&sender), "both watch the socket");
                }
                theirs
            });
            poor.join().unwrap()
        });
        let again = |sender: &mut ringway::Sender, receiver: &mut ringway::Receiver| {
            while receiver.try_recv().is_ok() {}
            for _ in 0..2 {
                assert_eq!(sender.arm(56), Ok(ringway::Arm::Armed));
                assert_eq!(receiver.arm(), Ok(ringway::Arm::Armed));
            }
        };
        again(&mut sender, &mut receiver);
        theirs.send(b"by io_uring").unwrap();
        assert!(is_woken(&receiver) && !is_woken(&sender), "it is back");
        forbid(libc::SYS_io_uring_enter, libc::EPERM);
        for _ in 0..10 {
            again(&mut sender, &mut receiver);
            theirs.send(b"by the byte").unwrap();
            assert!(is_woken(&receiver), "its wake is lost");
        }
        assert_eq!(used(), (0, false), "it is given up, and no context made");
        // A bell that was never rung by then has AIO.
        for _ in 0..16 {
            drop(others.try_recv().unwrap());
        }
        assert!(is_woken(&sender), "its wake is lost");
        assert_eq!(used(), (0, true));
    });
}

/// A child has nothing of its parent's, and rings by its own.
#[test]
fn a_child_of_one_that_has_rung_rings_by_its_own() {
    let name = "ways::a_child_of_one_that_has_rung_rings_by_its_own";
    alone(name, LIMIT, || {
        if !is_permitted() {
            return;
        }
        let mut asleep = Asleep::new("parent");
        wakes_both(&mut asleep);
        assert_eq!(used().0, 2);
        let mut child = super::process::fork(|| {
            assert_eq!(used().0, 0, "the parent's are not mapped here");
            let (ours, mut peer) = pair("child");
            let (_sender, mut receiver) = ours.split();
            for _ in 0..2 {
                assert_eq!(receiver.arm(), Ok(ringway::Arm::Armed));
            }
            peer.sender().send(b"wake").unwrap();
            assert!(is_woken(&receiver), "its wake is lost");
            assert_eq!(used().0, 1);
        });
        assert_eq!(child.reap(), 0);
        wakes_both(&mut asleep);
    });
}

/// Halves that move between threads take their means along.
#[test]
fn a_half_that_moves_to_another_thread_rings_there() {
    let name = "ways::a_half_that_moves_to_another_thread_rings_there";
    alone(name, LIMIT, || {
        let mut asleep = Asleep::new("threads");
        for _ in 0..50 {
            asleep = thread::spawn(move || {
                wakes_both(&mut asleep);
                asleep
            })
            .join()
            .unwrap();
        }
        if is_permitted() {
            assert_eq!(used(), (2, false));
        }
        thread::sleep(Duration::from_millis(1));
    });
}

/// What a process may not ask about the descriptors that it was given.
fn forbid_names() {
    #[cfg(target_arch = "x86_64")]
    forbid(libc::SYS_readlink, libc::EACCES);
    forbid(libc::SYS_readlinkat, libc::EACCES);
    assert!(std::fs::read_link("/proc/self/exe").is_err());
}

/// Without `/proc` a bell is told by what rings; where nothing does, that is said, and nobody is blamed for it.
#[test]
fn a_bell_is_told_without_proc_and_where_nothing_tells_it_that_is_said() {
    let name = "ways::a_bell_is_told_without_proc_and_where_nothing_tells_it_that_is_said";
    alone(name, LIMIT, || {
        forbid_names();
        let mut child = super::process::fork(|| {
            let (mut ours, mut peer) = pair("by io_uring");
            ours.sender().send(b"told").unwrap();
            assert_eq!(peer.receiver().recv().unwrap().to_vec(), b"told");
            forbid_uring();
            drop(pair("by AIO"));
        });
        assert_eq!(child.reap(), 0);
        forbid_bells(libc::ENOSYS);
        let path = path("by nothing");
        let mut listener = config().bind(path.as_path()).unwrap();
        let error = thread::scope(|scope| {
            let client = scope.spawn(|| config().connect(path.as_path()));
            while listener.refusals() == 0 {
                assert!(listener.try_accept().unwrap().is_none());
                thread::sleep(Duration::from_millis(1));
            }
            client.join().unwrap().map(drop).unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let refusal = listener.last_refusal().unwrap();
        assert_eq!(refusal.kind(), ErrorKind::Resources, "{refusal}");
        for text in [error.to_string(), refusal.to_string()] {
            for part in ["mount /proc", "Permission denied", "permit io_uring"] {
                assert!(text.contains(part), "{text:?} does not say {part:?}");
            }
        }
    });
}
