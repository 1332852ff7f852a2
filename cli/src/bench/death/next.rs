//! A server whose client is killed while another one tries to come in.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::super::Failure;
use super::super::crew::Meeting;
use super::super::idle::processor_nanos;
use super::super::placement::{Placement, pin};
use super::member::{By, Client, Part, Role, Serving, config};
use super::{Member, Seen, settle};

pub(super) const ALL: [Serving; 2] = [Serving::Accept, Serving::Poller];

impl Serving {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept, one by one",
            Self::Poller => "poller, one allowed",
        }
    }
}

/// Who was refused tries again after so long.
const AGAIN: Duration = Duration::from_millis(1);
/// And no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of ours and one by hand.
#[derive(Debug)]
pub(super) struct Pair {
    ours: Server,
    by_hand: Server,
}

impl Pair {
    pub(super) fn new(
        meeting: &mut Meeting,
        serving: Serving,
        placement: Placement,
    ) -> Result<Self, Failure> {
        let mut server = |by| Server::start(meeting.address(), by, serving, placement);
        Ok(Self {
            ours: server(By::Ringway)?,
            by_hand: server(By::Socket)?,
        })
    }

    pub(super) fn ours(&mut self) -> Result<Seen, Failure> {
        self.ours.lose_a_client()
    }

    pub(super) fn by_hand(&mut self) -> Result<Seen, Failure> {
        self.by_hand.lose_a_client()
    }
}

#[derive(Debug)]
struct Server {
    member: Member,
    by: By,
    address: PathBuf,
    cpus: [usize; 2],
    kills: u32,
}

impl Server {
    fn start(
        address: PathBuf,
        by: By,
        serving: Serving,
        placement: Placement,
    ) -> Result<Self, Failure> {
        let cpus = placement.cpus;
        let mut member = Member::start(&Role {
            part: Part::Server(serving),
            by,
            address: address.clone(),
            cpu: cpus[0],
        })?;
        member.ready()?;
        Ok(Self {
            member,
            by,
            address,
            cpus,
            kills: 0,
        })
    }

    fn lose_a_client(&mut self) -> Result<Seen, Failure> {
        let mut client = Member::start(&Role {
            part: Part::Served,
            by: self.by,
            address: self.address.clone(),
            cpu: self.cpus[1],
        })?;
        client.ready()?;
        let used = processor_nanos(self.member.0.id())?;
        let started = Instant::now();
        let (by, address, cpu) = (self.by, self.address.clone(), self.cpus[1]);
        let next = thread::spawn(move || -> Result<Instant, Failure> {
            pin(cpu)?;
            let until = Instant::now() + PATIENCE;
            loop {
                match Client::connect(&config(), by, &address).and_then(|mut client| {
                    client.ask()?;
                    Ok((client, Instant::now()))
                }) {
                    Ok((_client, answered)) => return Ok(answered),
                    Err(error) if Instant::now() > until => return Err(error),
                    Err(_) => thread::sleep(AGAIN),
                }
            }
        });
        settle(&mut self.kills);
        let killed = client.kill()?;
        let answered = next.join().map_err(|_| "the next client panicked")??;
        let used = processor_nanos(self.member.0.id())? - used;
        let time = answered
            .checked_duration_since(killed)
            .ok_or("the next client was answered before there was room for it")?;
        Ok(Seen {
            time,
            cpu: Duration::from_nanos(used),
            wall: started.elapsed(),
        })
    }
}
