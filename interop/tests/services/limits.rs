//! What a server lacks, and whom it refuses.

use ringway::ErrorKind;
use ringway::tokio::any::{self, Listener, Targets};

use super::moving::answered_by;
use super::role;
use super::scene::{self, Process, channel, free_tcp, path, run, targets};

/// A uid that nobody has.
const NOBODY: u32 = 65_532;

#[test]
fn a_server_without_descriptors_goes_on_when_it_has_some_again() {
    for (target, by) in targets().iter().zip(["ring", "unix", "tcp"]) {
        let _server = Process::play(&format!("poor {target}"));
        run(async {
            let wanted: Targets = target.parse().unwrap();
            let mut held = Vec::new();
            let mut refused = 0;
            for _ in 0..60 {
                match any::connect_with(&scene::config(), &wanted).await {
                    Ok(stream) => held.push(stream),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
                        refused += 1;
                    }
                }
            }
            // A socket's clients are connected before they are accepted.
            assert_eq!(refused > 0, by == "ring");
            drop(held);
            assert_eq!(answered_by(&channel(target)).await, by);
        });
    }
}

/// The role of a server that may have few descriptors.
pub(crate) fn poor(target: &str) {
    let limit = libc::rlimit {
        rlim_cur: 40,
        rlim_max: 40,
    };
    // SAFETY: the limit is a valid one, which is only read.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(set, 0);
    scene::serve(target);
}

#[test]
fn a_stranger_is_refused_and_does_not_come_in_by_the_next_target() {
    // SAFETY: no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        println!("SKIPPED: only root can become somebody else");
        return;
    }
    for allowed in [false, true] {
        run(async {
            let (ring, tcp) = (path(), free_tcp());
            let config = scene::config().allow_uid(if allowed { NOBODY - 1 } else { 0 });
            let targets = format!("ring:{ring}, {tcp}");
            let mut listener = Listener::bind_with(&config, &targets.parse().unwrap()).unwrap();
            let role = format!("stranger {targets}");
            let stranger =
                tokio::task::spawn_blocking(move || role::play(&mut role::process(&role)));
            tokio::select! {
                told = stranger => assert!(told.unwrap().contains("refused by the ring")),
                accepted = listener.accept() => panic!("{accepted:?}"),
            }
        });
    }
}

/// The role of somebody of another uid.
pub(crate) fn stranger(targets: &str) {
    // SAFETY: no preconditions.
    assert_eq!(unsafe { libc::setuid(NOBODY) }, 0);
    let error = run(async { any::connect_with(&scene::config(), &targets.parse().unwrap()).await })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UidRefused, "{error}");
    assert_eq!(error.tried().len(), 1, "{error}");
    println!("refused by the ring: {error}");
}
