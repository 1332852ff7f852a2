//! Peers that break the rules, against the real library: a refusal or a typed error, and nothing else.

mod announce;
mod bells;
mod beside;
mod circle;
mod client;
mod expiry;
mod faults;
mod fences;
mod fuse;
mod gifts;
mod guards;
mod held;
mod lane;
mod lanes;
mod late;
mod noise;
mod nudge;
mod observer;
mod peer;
mod poison;
mod polling;
mod racing;
mod random;
#[path = "../record/mod.rs"]
mod record;
mod resume;
mod server;
mod storm;
mod tables;
mod taken_back;
mod welcome;
