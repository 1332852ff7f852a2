//! Processes that have one core. What such a ladder does is tested where it is (`wake/ladder`); here, that a connection gets it.

use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::pair::pair;
use crate::connection::{Config, Connection};
use crate::sys::{apart, cpu};
use crate::wake::ladder::Wait;

/// Whether the four halves of two ends spin at first, and whether a poller would look at them.
fn spinning(ends: &mut (Connection, Connection)) -> Vec<(bool, bool)> {
    let mut found = Vec::new();
    for end in [&mut ends.0, &mut ends.1] {
        let (sender, receiver) = end.halves();
        for rest in [sender.resting(), receiver.resting()] {
            found.push((rest.spins(), rest.may_look()));
        }
    }
    found
}

/// [`apart::is_apart`] for the tests of this file.
fn is_apart(name: &str) -> bool {
    apart::is_apart(&format!("connection::rest::one_core::{name}"))
}

fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    set
}

/// The CPUs that there are. Both threads of this process are kept on the first one.
fn pinned_to_the_first() -> Vec<usize> {
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpus: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| all.is_set(cpu).unwrap())
        .collect();
    for thread in [Pid::this(), Pid::from_raw(0)] {
        sched_setaffinity(thread, &only(cpus[0])).unwrap();
    }
    cpus
}

/// A process of its own: the masks of all its threads are what its peers see.
#[test]
fn a_process_of_one_core_never_spins() {
    if !is_apart("a_process_of_one_core_never_spins") {
        return;
    }
    pinned_to_the_first();
    let mut ends = pair("pinned", &Config::new());
    assert_eq!(spinning(&mut ends), [(false, false); 4]);
    assert!(!ends.0.receiver().resting().overlaps());
    let (mut server, mut client) = ends;
    let answers = thread::spawn(move || {
        for n in 0..100u8 {
            assert_eq!(server.receiver().recv().unwrap().to_vec(), [n]);
            server.sender().send(&[n]).unwrap();
        }
    });
    for n in 0..100u8 {
        client.sender().send(&[n]).unwrap();
        assert_eq!(client.receiver().recv().unwrap().to_vec(), [n]);
    }
    answers.join().unwrap();
    assert_eq!(
        spinning(&mut pair("again", &Config::new())),
        [(false, false); 4]
    );
}

/// Threads that are pinned after their connection is made, to other CPUs than the one that it was made on, spin from their first wait on, and
/// no more once they share one.
#[test]
fn a_half_that_moves_to_a_core_of_its_own_spins() {
    if !is_apart("a_half_that_moves_to_a_core_of_its_own_spins") {
        return;
    }
    let cpus = pinned_to_the_first();
    if cpus.len() < 2 || cpu::is_rationed() {
        return;
    }
    for wait in [Wait::Adaptive, Wait::Spin] {
        let (server, mut client) = pair("moved", &Config::new().wait(wait));
        let spins = |client: &mut Connection| {
            // Over at once, so that nothing is learned of how long waits are.
            let now = Instant::now();
            assert!(client.receiver().recv_deadline(now).is_err());
            let rest = client.receiver().resting();
            (rest.spins(), rest.may_look())
        };
        assert_eq!(spins(&mut client), (false, false));
        sched_setaffinity(Pid::from_raw(0), &only(cpus[1])).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while spins(&mut client) != (true, true) {
            assert!(Instant::now() < end, "it does not notice that it moved");
        }
        sched_setaffinity(Pid::from_raw(0), &only(cpus[0])).unwrap();
        while spins(&mut client) != (false, false) {
            assert!(
                Instant::now() < end,
                "it does not notice that it moved back"
            );
        }
        drop(server);
    }
}

/// With more to run on the default spins at first; a budget is counted from the first look on, and parking never looks again.
#[test]
fn where_there_are_cores_the_options_decide() {
    let cores = thread::available_parallelism().unwrap().get() > 1 && !cpu::is_rationed();
    let spins = |name, config: Config| spinning(&mut pair(name, &config));
    assert_eq!(spins("default", Config::new()), [(cores, cores); 4]);
    let budget = Config::new().spin_budget(Duration::from_millis(50));
    assert_eq!(spins("budget", budget), [(false, false); 4]);
    let whole = Config::new().spin_budget(Duration::from_secs(1));
    assert_eq!(spins("whole", whole), [(cores, cores); 4]);
    let park = Config::new().wait(Wait::Park);
    assert_eq!(spins("park", park), [(false, false); 4]);
}
