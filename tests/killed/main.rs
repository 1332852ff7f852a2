//! A process kills itself (`SIGKILL`) at the n-th passage of a labelled step of the library, for each label that the sources have, as client and as server: the survivor gets all that was
//! committed, unbroken and once, and then the end; it keeps nothing, and serves the next one.
//!
//! `RINGWAY_LABEL_KILLS` sets how many kills there are at each label (120 unless told, and never less than 100). Each test runs in a process of its own with a watchdog.
#![cfg(feature = "chaos")]

#[path = "../crash/process.rs"]
mod process;
mod scene;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use process::{Random, alone, holdings, threads_were_there};
use scene::{Role, Scene, World};

/// What each label is hit at least.
const LEAST: u64 = 100;
/// How many tests share the labels, and run beside each other.
const SHARES: usize = 4;
/// A role in which a label was never hit so often does not come to it.
const PATIENCE: u64 = 8;

/// The labels in the library's sources: one that is new there is killed at without being named here.
fn labels() -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(in_text(&text));
            }
        }
    }
    found.into_iter().collect()
}

fn in_text(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("step!(\"")
        .skip(1)
        .filter_map(|rest| Some(format!("ringway.{}", rest.split_once('"')?.0)))
}

fn wanted() -> u64 {
    let wanted = std::env::var("RINGWAY_LABEL_KILLS");
    wanted.map_or(120, |text| text.parse::<u64>().unwrap().max(LEAST))
}

/// Kills at one label until there were enough, and returns how many there were.
fn kill_at(label: &str, world: &mut World, random: &mut Random) -> u64 {
    // Of each role; `most` is the last passage that is worth a try: a handshake has each label once.
    let (mut hits, mut tries, mut most) = ([0; 2], [0; 2], [5; 2]);
    while hits[0] + hits[1] < wanted() {
        let comes = |role: usize| hits[role] > 0 || tries[role] < PATIENCE;
        let round = tries[0] + tries[1];
        assert!(
            round < 5 * wanted() && (comes(0) || comes(1)),
            "{label} was hit {hits:?} times in {tries:?} processes that were to die there, as client and as server"
        );
        let turn = usize::from(round % 2 == 1);
        let role = if comes(turn) { turn } else { 1 - turn };
        tries[role] += 1;
        let scene = Scene {
            role: [Role::Client, Role::Server][role],
            label,
            passage: 1 + random.below(most[role]),
            seed: random.next(),
        };
        if world.run(&scene) {
            hits[role] += 1;
        } else {
            most[role] = (scene.passage - 1).max(1);
        }
    }
    println!("{label}: {} as client, {} as server", hits[0], hits[1]);
    hits[0] + hits[1]
}

/// A share of the labels, in a process of its own.
fn kills(name: &str, share: usize) {
    alone(name, Duration::from_secs(600), || {
        let mut world = World::new(share);
        let mut random = Random::new(share as u64);
        let labels = labels();
        assert!(labels.len() > SHARES, "{labels:?}");
        let mine = || labels.iter().skip(share).step_by(SHARES);
        // What is made once in a process is there before it is counted.
        for role in [Role::Client, Role::Server] {
            for label in mine() {
                world.run(&Scene {
                    role,
                    label,
                    passage: 1,
                    seed: 1,
                });
            }
        }
        threads_were_there();
        let before = holdings();
        let mut all = 0;
        for label in mine() {
            let count = kill_at(label, &mut world, &mut random);
            assert!(count >= LEAST, "{label}: {count}");
            all += count;
        }
        settles_at(before);
        world.end();
        println!("{all} kills");
    });
}

/// Some descriptors are closed on another thread, a moment later.
fn settles_at(before: (usize, usize, usize)) {
    let until = Instant::now() + Duration::from_secs(20);
    while holdings() != before {
        assert!(
            Instant::now() < until,
            "descriptors, mappings or shared mappings leak: {before:?}, and {:?} now",
            holdings()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_at_every_label_first_share() {
    kills("killed_at_every_label_first_share", 0);
}

#[test]
fn killed_at_every_label_second_share() {
    kills("killed_at_every_label_second_share", 1);
}

#[test]
fn killed_at_every_label_third_share() {
    kills("killed_at_every_label_third_share", 2);
}

#[test]
fn killed_at_every_label_fourth_share() {
    kills("killed_at_every_label_fourth_share", 3);
}

#[test]
fn labels_are_found_in_sources() {
    let found: Vec<_> = in_text("step!(\"one\"); x(); step!(\"two\");").collect();
    assert_eq!(found, ["ringway.one", "ringway.two"]);
    assert!(labels().contains(&"ringway.commit-after".to_owned()));
}
