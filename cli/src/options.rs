//! The options that `send` and `recv` share, and what becomes of them.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ringway::{Address, Config, Wait};

/// How this side waits.
#[derive(Clone, Copy, Debug, ValueEnum, serde::Serialize, serde::Deserialize)]
pub(crate) enum WaitMode {
    /// Never sleep: fastest, and takes a whole CPU.
    Spin,
    /// Spin a little, then sleep.
    Adaptive,
    /// Sleep at once: spares the CPU.
    Park,
}

impl WaitMode {
    /// What the library calls it.
    pub(crate) fn wait(self) -> Wait {
        match self {
            WaitMode::Spin => Wait::Spin,
            WaitMode::Adaptive => Wait::Adaptive,
            WaitMode::Park => Wait::Park,
        }
    }
}

/// Where to meet and what the connection is made of.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// Where to meet: a name, or the path of a socket if it contains a slash.
    #[arg(value_name = "NAME")]
    address: String,
    /// How this side waits when it cannot go on.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = WaitMode::Adaptive)]
    wait_mode: WaitMode,
    /// Also meet processes of this user id, which must allow ours too (may be given again; our own is always allowed).
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    allow_uid: Vec<u32>,
    /// No progress bar (there is none either where standard error is not a terminal).
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// The ring that carries nothing but the answer at the end.
const ANSWER_RING: usize = 4096;
/// The largest ring that there is: whoever may connect may also choose the size.
pub(crate) const LARGEST_RING: usize = 1 << 30;

impl ConnectionArgs {
    /// Where to meet.
    pub(crate) fn address(&self) -> Address {
        Address::from(self.address.as_str())
    }

    /// The name as it was given, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.address
    }

    /// The connection's configuration for the side that sends the stream, through a ring of `capacity` bytes.
    pub(crate) fn sending(&self, capacity: usize) -> Config {
        self.config().capacity(capacity).peer_capacity(ANSWER_RING)
    }

    /// The same for a side that sends messages, and takes answers of any size that a listener usually gives.
    pub(crate) fn messages(&self, capacity: usize) -> Config {
        self.config().capacity(capacity)
    }

    /// The same for the side that receives it; the ring's size is the sender's choice.
    pub(crate) fn receiving(&self) -> Config {
        self.config()
    }

    fn config(&self) -> Config {
        let config = Config::new()
            .wait(self.wait_mode.wait())
            .max_capacity(LARGEST_RING);
        allowing(config, &self.allow_uid)
    }
}

/// The options, which also admit these users.
pub(crate) fn allowing(config: Config, uids: &[u32]) -> Config {
    uids.iter()
        .fold(config, |config, &uid| config.allow_uid(uid))
}

/// A patience in seconds as a moment from now; one that lies beyond the clock is no deadline.
pub(crate) fn deadline_after(seconds: f64) -> Option<Instant> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|patience| Instant::now().checked_add(patience))
}

/// How long whoever listens may take to answer: until the deadline, and a second at least. It may have something else to do, or no processor, and another attempt would only stand behind
/// this one.
pub(crate) fn patience(deadline: Option<Instant>) -> Duration {
    let left = deadline.map_or(Duration::MAX, |deadline| {
        deadline.saturating_duration_since(Instant::now())
    });
    left.max(Duration::from_secs(1))
}

/// Parses the number of a user; a name could mean another number in another container.
pub(crate) fn parse_uid(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let user = if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(plain)
        {
            text
        } else {
            "USER"
        };
        format!("a numeric uid is expected; `id -u {user}` prints it")
    })
}

/// No option takes more seconds: about 31 years. What is counted in nanoseconds from the start of a clock, and added up, stays far below 2^64.
const LONGEST: f64 = 1e9;

/// Parses a number of seconds that is not negative.
pub(crate) fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=LONGEST).contains(&seconds) => Ok(seconds),
        Ok(seconds) if seconds > LONGEST => {
            Err("give at most 1000000000 seconds, which is some 31 years".into())
        }
        _ => Err("give a number of seconds, such as 10 or 0.5".into()),
    }
}

/// As many nanoseconds as seconds that were parsed.
pub(crate) fn nanos(seconds: f64) -> u64 {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Parses the size of a ring: a power of two from 4096 to 1 GiB, with or without a suffix.
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    let wrong = || "give a power of two from 4096 (4K) to 1G, such as 65536, 64K or 4M".to_owned();
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let count: usize = digits.parse().map_err(|_| wrong())?;
    let bytes = count.checked_mul(1 << shift).ok_or_else(wrong)?;
    if bytes.is_power_of_two() && (4096..=LARGEST_RING).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two_in_range() {
        assert_eq!(parse_bytes("4K"), Ok(4096));
        assert_eq!(parse_bytes("65536"), Ok(65536));
        assert_eq!(parse_bytes("1g"), Ok(1 << 30));
        for wrong in [
            "",
            "K",
            "0",
            "5000",
            "2K",
            "2G",
            "-4K",
            "99999999999999999999",
        ] {
            assert!(parse_bytes(wrong).is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn a_user_is_a_number_and_a_name_is_told_how_to_become_one() {
        assert_eq!(parse_uid("1000"), Ok(1000));
        let told = |text: &str| parse_uid(text).unwrap_err();
        assert!(told("bob").contains("numeric uid") && told("bob").contains("`id -u bob`"));
        for wrong in ["", "-1", "4294967296", "$(reboot)", "a b"] {
            assert!(told(wrong).contains("`id -u USER`"), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_not_negative() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        assert_eq!(
            parse_seconds("1e9").map(nanos),
            Ok(1_000_000_000_000_000_000)
        );
        for wrong in ["-1", "NaN", "soon", "-inf"] {
            let told = parse_seconds(wrong).expect_err(wrong);
            assert!(told.contains("such as 10"), "{wrong}: {told}");
        }
        // 2^64 nanoseconds are 18446744073.7 seconds.
        for wrong in ["1000000001", "18446744074", "1e30", "inf"] {
            let told = parse_seconds(wrong).expect_err(wrong);
            assert!(
                told.contains("at most 1000000000 seconds"),
                "{wrong}: {told}"
            );
        }
    }
}
