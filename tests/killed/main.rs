//! A process kills itself (`SIGKILL`) at the n-th passage of a labelled step of the library, for each label that the sources have, as client and as server: the survivor gets all that was
//! committed, unbroken and once, and then the end; it keeps nothing, and serves the next one. If the connection can be resumed, the next server handles what the dead one had not finished with,
//! and nothing twice that was not said to be in doubt.
//!
//! `RINGWAY_LABEL_KILLS` sets how many kills there are at each label of a client, and of a server, where it comes by there as such (100 unless told, and never less). Each test runs in a process of its own with a watchdog.
#![cfg(feature = "chaos")]

mod exchange;
mod handed;
mod lanes;
#[path = "../crash/process.rs"]
mod process;
#[path = "../resume/record.rs"]
#[allow(
    dead_code,
    reason = "what is handled here is read as a whole, and no gap is measured"
)]
mod record;
mod resumed;
mod world;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use process::{Random, alone, holdings, no_more_than, threads_were_there};
use world::{Role, Scene, World};

/// What each label is hit at least, in each role that comes by it.
const LEAST: u64 = 100;
/// How many tests share the labels, and run beside each other.
const SHARES: usize = 4;
/// So many processes are asked whether they come by a label; and so many where none of a role does that has to.
const ASKED: u64 = 2;
const ASKED_AGAIN: u64 = 60;
/// Labels that only a client comes by, and only a server. By each other one both do: whoever was asked at the wrong moments must not pass without a kill.
const OF_CLIENTS: &[&str] = &[
    "attach-sent",
    "hello-before",
    "hello-sent",
    "ready-received",
    "resume-after",
    "resume-before",
    "resume-carried",
    "resume-connected",
    "welcome-received",
];
const OF_SERVERS: &[&str] = &[
    "attach-received",
    "bind-after",
    "bind-before",
    "bind-removed",
    "hand-over-after",
    "hand-over-before",
    "hello-received",
    "inherit-after",
    "inherit-before",
    "listen",
    "ready-sent",
    "take-back",
    "taken-after",
    "taken-before",
    "unbind-after",
    "unbind-before",
    "welcome-sent",
];
/// Where it is passed seldom, other scenes are taken, after so many tries.
const PATIENCE: u64 = 8;

/// A scene, and who dies in it.
struct Play {
    role: Role,
    /// Returns whether it died there; else it has ended well.
    run: fn(&mut World, &Scene<'_>) -> bool,
}

const PLAYS: [Play; 7] = [
    play(Role::Client, exchange::run),
    play(Role::Server, exchange::run),
    play(Role::Client, lanes::run),
    play(Role::Server, lanes::run),
    play(Role::Client, resumed::client),
    play(Role::Server, resumed::server),
    play(Role::Server, handed::run),
];

const fn play(role: Role, run: fn(&mut World, &Scene<'_>) -> bool) -> Play {
    Play { role, run }
}

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
    wanted.map_or(LEAST, |text| text.parse::<u64>().unwrap().max(LEAST))
}

/// The roles that come by a label.
fn roles(label: &str) -> &'static [Role] {
    let name = label.trim_start_matches("ringway.");
    if OF_CLIENTS.contains(&name) {
        &[Role::Client]
    } else if OF_SERVERS.contains(&name) {
        &[Role::Server]
    } else {
        &[Role::Client, Role::Server]
    }
}

/// The plays that come by a label.
fn plays_at(label: &str, world: &mut World) -> Vec<&'static Play> {
    let mut comes = |play: &Play, mut seeds: RangeInclusive<u64>| {
        seeds.any(|seed| {
            let scene = Scene {
                role: play.role,
                label,
                passage: 1,
                seed,
            };
            (play.run)(world, &scene)
        })
    };
    // As who sleeps at once, and not.
    let mut plays: Vec<_> = PLAYS.iter().filter(|it| comes(it, 1..=ASKED)).collect();
    for role in roles(label) {
        if plays.iter().all(|it| it.role != *role) {
            // Whether anybody has to be waited for, or to be woken, is a matter of the moment.
            let mut others = PLAYS.iter().filter(|it| it.role == *role);
            plays.extend(others.find(|it| comes(it, ASKED + 1..=ASKED_AGAIN)));
        }
    }
    plays
}

/// Kills at one label in some plays until there were enough, and returns how many there were.
fn kill_at(label: &str, plays: &[&Play], world: &mut World, random: &mut Random) -> u64 {
    let count = plays.len();
    // Of each play; `most` is the last passage that is worth a try: a handshake has each label once.
    let (mut hits, mut tries, mut most) = (vec![0; count], vec![0; count], vec![5; count]);
    for round in 0.. {
        let all: u64 = hits.iter().sum();
        if all >= wanted() {
            break;
        }
        assert!(
            (round as u64) < 40 * wanted(),
            "{label} was hit {hits:?} times in {tries:?} processes that were to die there"
        );
        let at = round % count;
        // One play is as good as another, and the first one always has its turn.
        if at > 0 && tries[at] >= PATIENCE && 3 * hits[at] < tries[at] {
            continue;
        }
        let scene = Scene {
            role: plays[at].role,
            label,
            passage: 1 + random.below(most[at]),
            seed: random.next(),
        };
        tries[at] += 1;
        if (plays[at].run)(world, &scene) {
            hits[at] += 1;
        } else {
            most[at] = (scene.passage - 1).max(1);
        }
    }
    hits.iter().sum()
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
        let plays: Vec<_> = mine().map(|label| plays_at(label, &mut world)).collect();
        threads_were_there();
        let before = holdings();
        let mut all = 0;
        for (label, plays) in mine().zip(plays) {
            let hits = [Role::Client, Role::Server].map(|role| {
                let plays: Vec<_> = plays.iter().copied().filter(|it| it.role == role).collect();
                let comes = !plays.is_empty();
                assert_eq!(comes, roles(label).contains(&role), "{label} as {role:?}");
                if comes {
                    kill_at(label, &plays, &mut world, &mut random)
                } else {
                    0
                }
            });
            println!("{label}: {} as client, {} as server", hits[0], hits[1]);
            all += hits.iter().sum::<u64>();
        }
        no_more_than(before, holdings);
        world.end();
        println!("{all} kills");
    });
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
fn every_label_is_told_to_those_who_name_them() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command.md");
    let page = std::fs::read_to_string(page).unwrap();
    for label in labels() {
        let name = label.trim_start_matches("ringway.");
        assert!(page.contains(&format!("`{name}`")), "{label}");
    }
}

#[test]
fn labels_of_one_role_are_there() {
    for name in OF_CLIENTS.iter().chain(OF_SERVERS) {
        assert!(labels().contains(&format!("ringway.{name}")), "{name}");
    }
}

#[test]
fn labels_are_found_in_sources() {
    let found: Vec<_> = in_text("step!(\"one\"); x(); step!(\"two\");").collect();
    assert_eq!(found, ["ringway.one", "ringway.two"]);
    for label in [
        "commit-after",
        "taken-before",
        "resume-carried",
        "poller-sleep",
    ] {
        assert!(labels().contains(&format!("ringway.{label}")), "{label}");
    }
}
