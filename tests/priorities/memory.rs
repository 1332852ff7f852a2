//! Several rings in a segment that is filled, locked, on huge pages or on a node: what was asked for holds for each of them.

use ringway::{Connection, ErrorKind};

use crate::pair::{soon, try_pair};
use crate::{both, with};

/// Fills and empties each lane both ways, so often that every page of every ring is gone through.
fn go_round(one: &mut Connection, other: &mut Connection, lanes: usize, capacity: usize) {
    let payload = vec![5; capacity / 8];
    exchange(one, other, lanes, &payload);
    exchange(other, one, lanes, &payload);
}

fn exchange(from: &mut Connection, to: &mut Connection, lanes: usize, payload: &[u8]) {
    for round in 0..20u8 {
        for priority in 0..lanes {
            let mut at = from.sender().at(priority).unwrap();
            at.send_deadline(payload, soon()).unwrap();
            at.send_deadline(&[round, priority as u8], soon()).unwrap();
        }
        for priority in 0..lanes {
            for expected in [payload, &[round, priority as u8]] {
                let frame = to.receiver().recv_deadline(soon()).unwrap();
                assert_eq!(frame.priority(), priority);
                assert!(frame.to_vec() == expected, "round {round}");
            }
        }
    }
}

/// Pages in memory, of every ring of both segments.
#[test]
fn memory_is_locked_and_filled_for_every_ring() {
    let config = with(4).prefault(true).lock_memory(true);
    let Ok((mut one, mut other)) = std::panic::catch_unwind(|| both("locked-lanes", &config))
    else {
        // `RLIMIT_MEMLOCK` forbids even this much here.
        return;
    };
    for priority in 0..4 {
        let mut at = one.sender().at(priority).unwrap();
        (0..30).for_each(|_| at.send(&[3; 100]).unwrap());
    }
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut locked, mut ours, mut size) = (0, false, 0);
    for line in maps.lines() {
        if let Some(number) = line.strip_prefix("Size:") {
            size = number.trim().trim_end_matches(" kB").parse().unwrap();
        } else if let Some(flags) = line.strip_prefix("VmFlags:") {
            locked += if ours && flags.contains(" lo") {
                size
            } else {
                0
            };
            ours = false;
        } else if line.contains("memfd:ringway (deleted)") {
            ours = true;
        }
    }
    // Two segments, each mapped by both ends: a page of control bytes, and each ring once.
    assert_eq!(locked, 4 * (4 + 4 * 4), "kB are locked");
    for _ in 0..120 {
        drop(other.receiver().recv_deadline(soon()).unwrap());
    }
}

fn free_huge_pages() -> usize {
    std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// The rings lie one behind the other on pages of 2 MiB, and each is mapped twice for itself.
#[test]
fn every_ring_lies_on_huge_pages() {
    const LANES: usize = 3;
    const CAPACITY: usize = 2 << 20;
    let config = with(LANES)
        .capacity(CAPACITY)
        .peer_capacity(CAPACITY)
        .huge_pages(true);
    let pair = try_pair("huge-lanes", &config, &config);
    // In each segment a page before the rings, and one for each ring.
    let needed = 2 * (1 + LANES);
    let (mut one, mut other) = match pair {
        Ok(both) => both,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
            let free = free_huge_pages();
            assert!(free < needed, "{free} are free: {error}");
            assert!(error.to_string().contains("vm.nr_hugepages"), "{error}");
            eprintln!(
                "skipped: lanes on huge pages: {needed} have to be free (sysctl vm.nr_hugepages={needed})"
            );
            return;
        }
    };
    go_round(&mut one, &mut other, LANES, CAPACITY);
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    // Other tests beside this one have segments on other pages.
    let (mut ours, mut size, mut huge) = (false, 0, 0);
    for line in maps.lines() {
        if line.contains("memfd:ringway (deleted)") {
            ours = true;
        } else if let Some(number) = line.strip_prefix("Size:") {
            size = number.trim().trim_end_matches(" kB").parse().unwrap();
        } else if let Some(page) = line.strip_prefix("KernelPageSize:") {
            huge += if ours && page.trim() == "2048 kB" {
                size
            } else {
                0
            };
            ours = false;
        }
    }
    // Two segments, each mapped by both ends: a page before the rings, and each ring twice.
    assert_eq!(
        huge,
        4 * (1 + 2 * LANES) * 2048,
        "kB are mapped by huge pages"
    );
}

/// All rings of both segments, and what lies before them.
#[test]
fn every_ring_lies_on_the_node_that_was_asked_for() {
    const LANES: usize = 4;
    let config = with(LANES).numa_node(0).prefault(true);
    let (mut one, mut other) = match try_pair("node-lanes", &config, &config) {
        Err(error) if error.kind() == ErrorKind::Resources => {
            eprintln!("skipped: lanes on a node: {error}");
            return;
        }
        pair => pair.unwrap(),
    };
    go_round(&mut one, &mut other, LANES, 4096);
    let maps = std::fs::read_to_string("/proc/self/numa_maps").unwrap();
    // A segment's policy is its own: whoever maps it, its pages are where who made it asked for. Other tests beside this one have segments without.
    let bound = maps
        .lines()
        .filter(|line| line.contains("memfd:ringway\\040") && line.contains(" bind:0 "));
    let pages: usize = bound
        .flat_map(|line| line.split(' '))
        .filter_map(|word| word.strip_prefix("N0=")?.parse::<usize>().ok())
        .sum();
    // Two segments, each mapped by both ends: a page of control bytes, and each ring twice.
    assert_eq!(pages, 4 * (1 + 2 * LANES), "{maps}");
}
