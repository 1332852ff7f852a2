//! What a connection is made with, drawn by both sides alike.

use std::time::{Duration, Instant};

use ringway::{Config, Wait};

use crate::process::Random;

/// How long one call waits. No machine is so slow.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The options of both sides.
pub(crate) struct Terms {
    pub(crate) server: Config,
    pub(crate) client: Config,
    /// Whether somebody spins, which takes the processor from all others: less is sent then.
    pub(crate) spins: bool,
}

/// What every connection has.
pub(crate) fn plain() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(60))
}

impl Terms {
    /// The same for both sides.
    pub(crate) fn same(config: Config) -> Self {
        Self {
            server: config.clone(),
            client: config,
            spins: false,
        }
    }

    /// Of a connection that has one lane, and room for frames of `large` bytes.
    pub(crate) fn draw(draw: &mut Random, large: usize) -> Self {
        let capacities = [4 << 10, 16 << 10, 128 << 10, 1 << 20];
        let mut capacity = || capacities[draw.below(4) as usize].max(large.next_power_of_two() * 2);
        let (to_server, to_client) = (capacity(), capacity());
        let (membarrier, resumable) = (draw.below(4) == 0, draw.below(8) == 0);
        let mut spins = false;
        let mut side = || {
            let wait = match draw.below(16) {
                0 => Wait::Spin,
                1..8 => Wait::Park,
                _ => Wait::Adaptive,
            };
            spins |= wait == Wait::Spin;
            let config = plain()
                .wait(wait)
                .membarrier(membarrier)
                .resumable(resumable)
                .alignment(if draw.below(4) == 0 { 64 } else { 8 })
                .few_descriptors(draw.below(3) == 0)
                .prefault(draw.below(8) == 0)
                .trust_peer(draw.below(4) == 0);
            match draw.below(4) {
                0 => config.spin_budget(Duration::from_millis(draw.below(20))),
                _ => config,
            }
        };
        let server = side();
        let client = side().capacity(to_server).peer_capacity(to_client);
        Self {
            server,
            client,
            spins,
        }
    }

    /// Other options, for both sides.
    pub(crate) fn with(mut self, with: impl Fn(Config) -> Config) -> Self {
        self.server = with(self.server);
        self.client = with(self.client);
        self
    }
}
