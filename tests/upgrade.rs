//! A server is replaced under load, again and again, in order and by a kill: the example does it, and says by a panic what went wrong. Here it is
//! run through more replacements, in each order of the two.
//!
//! `RINGWAY_REPLACED` sets how many (7 unless told).

use std::time::Duration;

#[path = "crash/process.rs"]
mod process;
#[path = "../examples/upgrade.rs"]
#[allow(dead_code, reason = "its `main` is not ours")]
mod upgrade;

use upgrade::How::{ByCrash, InOrder};

/// No frame is lost, none is handled twice without having been called in doubt, and replies come in order. The time without an answer is printed, not judged.
#[test]
fn a_server_is_replaced_under_load_and_nothing_is_lost_or_doubled() {
    let name = "a_server_is_replaced_under_load_and_nothing_is_lost_or_doubled";
    let wanted = std::env::var("RINGWAY_REPLACED").map_or(7, |text| text.parse().unwrap());
    process::alone(name, Duration::from_secs(300 + 3 * wanted), || {
        // Each order of the two, over and over.
        let order = [
            InOrder, InOrder, ByCrash, ByCrash, InOrder, ByCrash, InOrder,
        ];
        let ways: Vec<_> = (0..wanted as usize).map(|at| order[at % 7]).collect();
        // A client that has all of its answers early ends it early: where the other one, or this thread, is stalled for seconds, before anything is killed.
        let both = (0..5).any(|_| {
            let done = upgrade::run(&ways).unwrap();
            let kills = ways[..done].iter().filter(|way| **way == ByCrash).count();
            println!("\n{kills} kills in {done} replacements of {wanted}");
            kills > 0 && kills < done
        });
        assert!(both, "none was killed, or all were");
    });
}
