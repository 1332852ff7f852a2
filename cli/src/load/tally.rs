//! What became of each request, and the sum of it.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Outcome {
    Answered,
    NoReply,
    Unsent,
    Idle,
    NotConnected,
    PeerDied,
    PeerClosed,
    Protocol,
    TooLarge,
    Wrong,
    Killed,
    Lost,
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 12] = [
        Outcome::Answered,
        Outcome::NoReply,
        Outcome::Unsent,
        Outcome::Idle,
        Outcome::NotConnected,
        Outcome::PeerDied,
        Outcome::PeerClosed,
        Outcome::Protocol,
        Outcome::TooLarge,
        Outcome::Wrong,
        Outcome::Killed,
        Outcome::Lost,
    ];

    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::NoReply => "no_reply",
            Outcome::Unsent => "unsent",
            Outcome::Idle => "not_run",
            Outcome::NotConnected => "not_connected",
            Outcome::PeerDied => "peer_died",
            Outcome::PeerClosed => "peer_closed",
            Outcome::Protocol => "protocol",
            Outcome::TooLarge => "too_large",
            Outcome::Wrong => "wrong",
            Outcome::Killed => "killed",
            Outcome::Lost => "lost",
        }
    }

    /// What it means, for people.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::NoReply => "sent, and no reply came in time",
            Outcome::Unsent => "never sent: the ring stayed full to the end",
            Outcome::Idle => {
                "never sent: its client did not come to it before the end (stopped, or too little processor time)"
            }
            Outcome::NotConnected => "never sent: no connection to the end",
            Outcome::PeerDied => "the service's process ended",
            Outcome::PeerClosed => "the service closed the connection",
            Outcome::Protocol => "the service broke the protocol",
            Outcome::TooLarge => "longer than the largest frame: see --capacity",
            Outcome::Wrong => "the reply is not the request (--verify)",
            Outcome::Killed => "its client was killed (--faults)",
            Outcome::Lost => "its client failed",
        }
    }
}

/// One request that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) outcome: Outcome,
    /// Bytes of the request.
    pub(crate) bytes: u64,
    /// Nanoseconds from when it was due to its reply; of one without a reply, to when nobody waits for one any more: at least so long.
    pub(crate) latency: u64,
    /// Nanoseconds from when it was sent to its reply: what a driver sees that does not count the wait before.
    pub(crate) service: u64,
    /// Nanoseconds from when it was due to when it was sent.
    pub(crate) late: u64,
    /// When its reply came, in nanoseconds on the clock of all processes.
    pub(crate) replied: u64,
}

/// Bytes of a record on its way from a client process.
pub(crate) const RECORD_BYTES: usize = 48;

impl Record {
    /// A request that was due at `due` and not answered as it should be, in a load whose replies are waited for until `last`.
    pub(crate) fn failed(outcome: Outcome, due: u64, last: u64) -> Self {
        Self {
            outcome,
            bytes: 0,
            latency: last.saturating_sub(due),
            service: 0,
            late: 0,
            replied: 0,
        }
    }

    /// An answered one, from its three times.
    pub(crate) fn answered(bytes: u64, due: u64, sent: u64, replied: u64) -> Self {
        Self {
            outcome: Outcome::Answered,
            bytes,
            latency: replied.saturating_sub(due),
            service: replied.saturating_sub(sent),
            late: sent.saturating_sub(due),
            replied,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let words = [
            self.outcome as u64,
            self.bytes,
            self.latency,
            self.service,
            self.late,
            self.replied,
        ];
        let mut bytes = [0; RECORD_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut words = bytes
            .chunks_exact(8)
            .filter_map(|word| word.try_into().ok().map(u64::from_le_bytes));
        let outcome = usize::try_from(words.next()?).ok()?;
        Some(Self {
            outcome: *Outcome::ALL.get(outcome)?,
            bytes: words.next()?,
            latency: words.next()?,
            service: words.next()?,
            late: words.next()?,
            replied: words.next()?,
        })
    }
}

/// All requests.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: [u64; Outcome::ALL.len()],
    pub(crate) bytes: u64,
    /// The last reason for which a client could not connect.
    pub(crate) trouble: Option<String>,
    /// When the last reply came.
    pub(crate) last_reply: Option<u64>,
    /// These three of the answered requests only.
    pub(crate) latency: Histogram<u64>,
    pub(crate) service: Histogram<u64>,
    pub(crate) late: Histogram<u64>,
    /// The latency of all: who was not answered waited at least so long. But for those of killed clients, which nobody waits for.
    pub(crate) all: Histogram<u64>,
}

/// A histogram of nanoseconds: within 0.1 % of each value.
pub(crate) fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits are within the crate's bounds");
    histogram.auto(true);
    histogram
}

fn put(histogram: &mut Histogram<u64>, value: u64) {
    // It grows by itself; what it still cannot hold, it holds as its most.
    if histogram.record(value).is_err() {
        histogram.saturating_record(value);
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            counts: [0; Outcome::ALL.len()],
            bytes: 0,
            trouble: None,
            last_reply: None,
            latency: histogram(),
            service: histogram(),
            late: histogram(),
            all: histogram(),
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        self.counts[record.outcome as usize] += 1;
        put(&mut self.all, record.latency);
        if record.outcome == Outcome::Answered {
            self.bytes += record.bytes;
            self.last_reply = self.last_reply.max(Some(record.replied));
            put(&mut self.latency, record.latency);
            put(&mut self.service, record.service);
            put(&mut self.late, record.late);
        }
    }

    /// Requests of killed clients. When each was due does not matter: nobody waits for a reply to them.
    pub(crate) fn add_killed(&mut self, count: u64) {
        self.counts[Outcome::Killed as usize] += count;
    }

    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize]
    }

    /// All that were due.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_arrives_as_it_was(outcome in 0usize..12, words in any::<[u64; 5]>()) {
            let [bytes, latency, service, late, replied] = words;
            let record = Record { outcome: Outcome::ALL[outcome], bytes, latency, service, late, replied };
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }

        /// A service that stops once: who measures from the sending sees one slow request; those that waited behind it count too.
        #[test]
        fn waiting_is_counted_from_when_a_request_was_due(gap in 1_000u64..1_000_000, stop in 2u64..200, work in 1u64..500) {
            let stop = stop * gap;
            let mut tally = Tally::new();
            let mut free = stop; // the service does nothing before
            let requests = 1000u64;
            for number in 0..requests {
                let due = number * gap;
                let sent = free.max(due); // a driver with one request at a time
                let replied = sent + work;
                tally.add(&Record::answered(1, due, sent, replied));
                free = replied;
            }
            // One after the other, so that those due in the stop wait for what is left of it at least.
            let waited = (0..requests).filter(|number| number * gap < stop).count() as u64;
            let longer = tally.latency.count_between(stop / 2, u64::MAX / 2);
            prop_assert!(longer >= waited / 2 - 1, "{longer} of {waited}");
            prop_assert!(tally.service.max() <= work + work / 500 + 1, "what is not corrected sees nothing of it");
            prop_assert!(tally.latency.max() >= stop - gap);
        }
    }

    #[test]
    fn every_outcome_has_its_place_and_name() {
        for (number, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, number);
        }
        let mut tally = Tally::new();
        tally.add(&Record::failed(Outcome::NoReply, 0, 1));
        tally.add_killed(3);
        assert_eq!(
            (
                tally.total(),
                tally.count(Outcome::Killed),
                tally.latency.len(),
                tally.all.len()
            ),
            (4, 3, 0, 1)
        );
        assert_eq!(Record::from_bytes(&[255; RECORD_BYTES]), None);
    }

    /// A quarter waited a second and longer, in vain: the percentiles of those that were answered do not know of it, and those of all do.
    #[test]
    fn who_waited_in_vain_counts_among_all_that_were_due() {
        let second = 1_000_000_000;
        let mut tally = Tally::new();
        for number in 0..4000 {
            tally.add(&if number % 4 == 0 {
                Record::failed(Outcome::NoReply, number, number + second)
            } else {
                Record::answered(1, number, number, number + 1000)
            });
        }
        assert!(tally.latency.max() < 2000);
        assert_eq!((tally.latency.len(), tally.all.len()), (3000, 4000));
        let percentile = |quantile| tally.all.value_at_quantile(quantile);
        assert!(percentile(0.7) < 2000);
        assert!(percentile(0.76) >= second - second / 1000);
        assert_eq!(tally.last_reply, Some(4999));
    }
}
