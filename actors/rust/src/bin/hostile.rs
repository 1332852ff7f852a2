//! A side that keeps no rule: `hostile SERVE|CONNECT CASE ADDRESS`. It shakes hands in order, lies in its own segment as the case has it, and waits until the other side is gone.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringway::hostile::{self, FRAME, Hostile, Word};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [role, case, address] = words[..] else {
        eprintln!("usage: hostile SERVE|CONNECT CASE ADDRESS");
        return ExitCode::FAILURE;
    };
    let path = Path::new(address);
    let peer = if role == "SERVE" {
        hostile::serve(&hostile::listen(path))
    } else {
        while hostile::try_dial(path).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        hostile::join(path)
    };
    lie(&peer, case);
    if let Err(error) = std::fs::write(format!("{address}.sent"), "") {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let began = Instant::now();
    while !hostile::is_gone(&peer.line) {
        if began.elapsed() > Duration::from_secs(30) {
            eprintln!("the other side stays");
            return ExitCode::FAILURE;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    ExitCode::SUCCESS
}

fn lie(peer: &Hostile, case: &str) {
    match case {
        // A frame that reaches past the ring.
        "lie-frame" => peer.own.ring(0, FRAME | 0xFFFF),
        // A header with a flag that nobody agreed on.
        "lie-flags" => peer.own.ring(0, FRAME | 1 << 62 | 8),
        // More was read than was ever sent.
        "lie-released" => peer.own.say(Word::Released(0), 1 << 40),
        _ => panic!("there is no case `{case}`"),
    }
    // As if the receiver had to be woken: it looks again.
    peer.own.say(Word::ReceiverEpoch, 7);
}
