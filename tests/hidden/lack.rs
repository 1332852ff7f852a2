//! A process that has no descriptor, for a moment, by which to hear of its peer's death.

use std::thread;

use ringway::ErrorKind;

use super::forbid::{forbid, forbid_with};
use super::process::alone;
use super::{LIMIT, path, patient, soon};

/// To go without would be for good: of a peer whose child has a copy of the socket nobody would ever hear that it has died.
#[test]
fn a_lack_of_a_descriptor_for_the_peer_s_process_is_told_and_passes() {
    const SO_PASSPIDFD: u32 = 76;
    let name = "lack::a_lack_of_a_descriptor_for_the_peer_s_process_is_told_and_passes";
    alone(name, LIMIT, || {
        // As before Linux 6.5: it is opened by the peer's number.
        forbid_with(libc::SYS_setsockopt, 2, SO_PASSPIDFD, libc::ENOPROTOOPT);
        let path = path("lack");
        let mut listener = patient().bind(path.as_path()).unwrap();
        let mut lacks = 0;
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM] {
            for of_client in [true, false] {
                lacks += 1;
                // Each in a thread of its own: what is forbidden there is so until it ends.
                thread::scope(|scope| {
                    let connects = scope.spawn(|| {
                        if of_client {
                            forbid(libc::SYS_pidfd_open, errno);
                        }
                        patient().connect(path.as_path()).map(drop).unwrap_err()
                    });
                    scope.spawn(|| {
                        if !of_client {
                            forbid(libc::SYS_pidfd_open, errno);
                        }
                        while listener.refusals() < lacks {
                            assert!(listener.try_accept().unwrap().is_none());
                            thread::yield_now();
                        }
                    });
                    let error = connects.join().unwrap();
                    assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
                });
                let why = listener.last_refusal().unwrap();
                assert_eq!(why.kind(), ErrorKind::Resources, "{why}");
            }
        }
        thread::scope(|scope| {
            let connects = scope.spawn(|| patient().connect(path.as_path()).map(drop));
            listener.accept_deadline(soon()).unwrap();
            connects.join().unwrap().unwrap();
        });
    });
}
