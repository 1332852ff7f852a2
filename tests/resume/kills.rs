//! Servers under load that are killed at random moments, one after the other.

use std::path::Path;
use std::time::Duration;

use ringway::typed::Messages;
use ringway::{Config, RecvError, Wait};

use super::client::Client;
use super::process::{Page, Random, alone, fork};
use super::record::{self, KILLED, Record};
use super::server::{BOUND, Host, Request, SERVING, Way, serve};

/// Word of the page: so many connections the client has had.
const CONNECTIONS: usize = 2;
/// Microseconds within which one is killed that is at work.
const AT_WORK: u64 = 3_000;

fn config(lanes: usize, wait: Wait) -> Config {
    Config::new()
        .resumable(true)
        .lanes(lanes)
        .wait(wait)
        .capacity(8192)
        .peer_capacity(8192)
        .handshake_timeout(Duration::from_secs(20))
}

/// Starts servers, one after the other, and kills each but the last.
fn host_all(way: Way, config: &Config, path: &Path, pipe: &std::fs::File, page: &Page, kills: u64) {
    let mut random = Random::new(kills ^ ((way as u64) << 8));
    for number in 0..=kills {
        let connections = page.get(CONNECTIONS);
        let mut child = fork(|| {
            let host = Host { number, pipe, page };
            let end = serve(way, config, path, &host);
            assert_eq!(end, RecvError::Closed, "server {number}");
        });
        if number == kills {
            assert_eq!(child.reap(), 0, "the last one ends well");
            return;
        }
        // Most are killed at work, some before they have done anything, and some while they shake hands, or before.
        let (word, most) = match number % 5 {
            1 => (SERVING, 100),
            3 => (BOUND, 1_000),
            _ => (SERVING, AT_WORK),
        };
        page.until(word, number + 1);
        // Of one at work the client knows, however late it gets its processor.
        while most == AT_WORK && page.get(CONNECTIONS) == connections {
            std::thread::sleep(Duration::from_micros(50));
        }
        let delay = random.below(most);
        std::thread::sleep(Duration::from_micros(delay));
        let record = Record {
            server: KILLED,
            lane: 0,
            number,
            position: 0,
            redelivery: 0,
            at: record::now(),
        };
        record.write(pipe);
        child.signal(libc::SIGKILL);
        child.reap_killed();
    }
}

fn kills(name: &str, way: Way, lanes: usize, wait: Wait) {
    alone(name, Duration::from_secs(300), || {
        let kills: u64 = std::env::var("RINGWAY_RESUMES").map_or(60, |text| text.parse().unwrap());
        let mut config = config(lanes, wait);
        if way == Way::Typed {
            let schema = Request::SCHEMA;
            config = config.sends(schema.clone()).expects(schema.clone());
        }
        // One of its own: whoever binds locks the directory for a moment.
        let folder = std::env::temp_dir().join(format!("ringway-resume-{}", std::process::id()));
        // One that was killed may have had this number, and left it.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("server");
        let page = Page::new();
        let (read, write) = record::pipe();
        // Before there is a thread.
        let mut hosts = fork(|| host_all(way, &config, &path, &write, &page, kills));
        drop(write);
        let reader = std::thread::spawn(move || record::read_all(read));
        let mut client = Client::new(lanes, 7 ^ way as u64, way == Way::Typed);
        client.run(&config, &path, |resumed| {
            page.set(CONNECTIONS, u64::from(resumed) + 1);
            page.get(SERVING) > kills
        });
        assert_eq!(hosts.reap(), 0);
        std::fs::remove_dir_all(&folder).unwrap();
        let summary = record::check(&reader.join().unwrap(), &client.sent);
        assert!(summary.servers > kills / 2);
        // A server that is killed when it has just accepted is not resumed with.
        assert!((kills / 2..=kills).contains(&u64::from(client.resumed)));
        assert!(summary.again <= client.in_doubt);
        // Else it has shown nothing.
        assert!(client.unseen > 0 && client.in_doubt > 0);
        assert!(summary.unseen > 0, "{summary:?}");
        let mut gaps = summary.gaps;
        gaps.sort();
        let at = |part: usize| gaps[(gaps.len() - 1) * part / 100];
        println!(
            "{way:?}, {lanes} lanes, {wait:?}: {kills} kills, {} frames, sent again {} unseen and {} in doubt, of which {} were handled twice; from a kill to the next server's first frame: median {:?}, p90 {:?}, longest {:?}",
            client.sent.iter().sum::<u64>(),
            client.unseen,
            client.in_doubt,
            summary.again,
            at(50),
            at(90),
            at(100),
        );
        // The line belongs to who counts them: libtest has begun one with the test's name.
        println!("\n{kills} kills");
    });
}

#[test]
fn frames_one_by_one() {
    kills("kills::frames_one_by_one", Way::Frames, 1, Wait::Adaptive);
}

#[test]
fn frames_that_are_copied() {
    kills("kills::frames_that_are_copied", Way::Copied, 1, Wait::Park);
}

#[test]
fn batches() {
    kills("kills::batches", Way::Batches, 1, Wait::Adaptive);
}

#[test]
fn frames_that_are_held() {
    kills("kills::frames_that_are_held", Way::Held, 1, Wait::Park);
}

#[test]
fn a_poller() {
    kills("kills::a_poller", Way::Polled, 1, Wait::Adaptive);
}

#[test]
fn messages() {
    kills("kills::messages", Way::Typed, 1, Wait::Adaptive);
}

#[test]
fn several_lanes() {
    kills("kills::several_lanes", Way::Frames, 3, Wait::Park);
}

#[test]
fn several_lanes_of_a_poller() {
    kills(
        "kills::several_lanes_of_a_poller",
        Way::Polled,
        4,
        Wait::Adaptive,
    );
}

#[test]
fn both_spin() {
    kills("kills::both_spin", Way::Frames, 2, Wait::Spin);
}
