//! A peer that stands still, however it came to that, is asked for its death in every way there is: nobody takes it for dead. Then it goes on, and nothing is lost; and when it is killed, everybody hears.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::batch::{Batcher, Bounds};
use ringway::stream::{ByteListener, ByteStream};
use ringway::{Arm, Config, Connection, Event, Poller, RecvError, SendError, Wait};

use super::process::{Child, Page, alone, fork};
use super::traced::{self, Traced, halt};
use super::{path, patient, soon};

const LIMIT: Duration = Duration::from_secs(120);
/// Twice as long as an end that is not certain is waited for.
const LONG: Duration = Duration::from_millis(400);
const WAITS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];
/// What the page says.
const GO: usize = 0;
const HALTS: u64 = 1;

fn config(wait: Wait) -> Config {
    patient().wait(wait).capacity(4096).peer_capacity(4096)
}

/// The process that stands still at times, and sends back what it is sent. It never waits, so that no connection keeps another waiting.
fn echo(mut all: Vec<Connection>, mut stream: ByteStream, page: &Page) {
    let mut kept = vec![Vec::new(); all.len()];
    loop {
        if page.get(GO) == HALTS {
            page.set(GO, 0);
            halt();
        }
        for (connection, kept) in all.iter_mut().zip(&mut kept) {
            let (sender, receiver) = connection.halves();
            kept.extend(receiver.try_recv().map(|frame| frame.to_vec()));
            while kept
                .first()
                .is_some_and(|frame| sender.try_send(frame).is_ok())
            {
                kept.remove(0);
            }
        }
        let mut bytes = [0; 64];
        let (reader, writer) = stream.halves();
        if let Ok(read) = reader.try_read(&mut bytes) {
            writer.write_all(&bytes[..read]).unwrap();
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Our ends, by which the other process is asked.
struct Asking {
    /// By each wait, in the order of `WAITS`.
    plain: Vec<Connection>,
    batcher: Batcher,
    _back: ringway::Receiver,
    shared: ringway::SharedSender,
    _forth: ringway::Receiver,
    poller: Poller,
    token: ringway::Token,
    stream: ByteStream,
}

impl Asking {
    /// With a child that has the other ends.
    fn new(page: &Page) -> (Self, Child) {
        let order = [
            Wait::Spin,
            Wait::Adaptive,
            Wait::Park,
            Wait::Adaptive,
            Wait::Adaptive,
            Wait::Park,
        ];
        let places: Vec<PathBuf> = (0..order.len())
            .map(|at| path(&format!("stopped-{at}")))
            .collect();
        let mut listeners: Vec<_> = (order.iter().zip(&places))
            .map(|(wait, place)| config(*wait).bind(place.as_path()).unwrap())
            .collect();
        let stream = path("stopped-stream");
        let bytes = patient().byte_stream();
        let mut streams = ByteListener::over(bytes.bind(stream.as_path()).unwrap());
        let child = fork(|| {
            let connect = |(wait, place): (&Wait, &PathBuf)| config(*wait).connect(place.as_path());
            let all = order.iter().zip(&places).map(connect);
            let all = all.collect::<Result<_, _>>().unwrap();
            let stream = bytes.connect(stream.as_path()).unwrap();
            echo(all, ByteStream::over(stream).unwrap(), page);
        });
        let mut ours: Vec<_> = listeners
            .iter_mut()
            .map(|one| one.accept_deadline(soon()).unwrap())
            .collect();
        let stream = streams.accept_deadline(soon()).unwrap();
        let mut poller = Poller::new().unwrap();
        let token = poller.add(ours.pop().unwrap()).unwrap();
        let (sender, back) = ours.pop().unwrap().split();
        let batcher = Batcher::new(sender, Bounds::new());
        let (sender, forth) = ours.pop().unwrap().split();
        let asking = Self {
            plain: ours,
            batcher,
            _back: back,
            shared: sender.shared(),
            _forth: forth,
            poller,
            token,
            stream,
        };
        (asking, child)
    }

    /// By each of them something goes there and comes back.
    fn all_answer(&mut self) {
        for connection in &mut self.plain {
            let (sender, receiver) = connection.halves();
            sender.send_deadline(b"there?", soon()).unwrap();
            assert_eq!(receiver.recv_deadline(soon()).unwrap().to_vec(), b"there?");
        }
        let polled = self.poller.get_mut(self.token).unwrap();
        polled.sender().send_deadline(b"there?", soon()).unwrap();
        match self.poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => {
                assert_eq!(turn.receiver().recv().unwrap().to_vec(), b"there?");
            }
            other => panic!("{other:?}"),
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(20)));
        self.stream.write_all(b"there?").unwrap();
        let mut answer = [0; 6];
        self.stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"there?");
    }

    /// Each look, again and again, for longer than any end takes to be told, and then each wait. Whoever finds an end says which look it was.
    fn hear_nothing(&mut self) {
        let (until, mut readable) = (Instant::now() + LONG, 0);
        while Instant::now() < until {
            for (connection, wait) in self.plain.iter_mut().zip(WAITS) {
                let (sender, receiver) = connection.halves();
                assert_eq!(
                    receiver.try_recv().map(drop),
                    Err(RecvError::Empty),
                    "{wait:?}"
                );
                assert_eq!(sender.check(), Ok(()), "{wait:?}");
                assert!(!sender.is_closed(), "{wait:?}");
                // As a loop of somebody else's asks. Its descriptor may be readable for nothing, and is so a few times at the most.
                let spins = wait == Wait::Spin;
                let expected = if spins { Arm::Ready } else { Arm::Armed };
                assert_eq!(receiver.arm(), Ok(expected), "{wait:?}");
                let mut told = [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)];
                readable += poll(&mut told, PollTimeout::ZERO).unwrap();
            }
            assert_eq!(self.batcher.check(), Ok(()));
            assert_eq!(self.shared.check(), Ok(()));
            assert!(self.poller.try_event().unwrap().is_none());
            readable += i32::from(self.poller.arm().unwrap() == Arm::Ready);
            let (reader, writer) = self.stream.halves();
            let nothing = reader.try_read(&mut [0; 8]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock, "{nothing}");
            assert_eq!(reader.arm().unwrap(), Arm::Armed);
            assert_eq!(writer.arm(1).unwrap(), Arm::Ready);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(readable < 10, "readable {readable} times");
        let shortly = || Instant::now() + Duration::from_millis(20);
        for (connection, wait) in self.plain.iter_mut().zip(WAITS) {
            let receiver = connection.receiver();
            assert_eq!(
                receiver.recv_deadline(shortly()).map(drop),
                Err(RecvError::TimedOut),
                "{wait:?}"
            );
            let batch = receiver.recv_batch_deadline(8, shortly()).map(drop);
            assert_eq!(batch, Err(RecvError::TimedOut), "{wait:?}");
            let read = receiver.recv_into_deadline(&mut [0; 64], shortly());
            assert_eq!(read, Err(RecvError::TimedOut), "{wait:?}");
        }
        let event = self.poller.event_deadline(Instant::now() + LONG).unwrap();
        assert!(event.is_none(), "{event:?}");
        self.stream.set_read_timeout(Some(LONG));
        let silence = self.stream.read(&mut [0; 8]).unwrap_err();
        assert_eq!(silence.kind(), io::ErrorKind::TimedOut, "{silence}");
    }

    /// Sends until there is no room, and waits for some in vain. Returns how much each has sent.
    fn fill(&mut self) -> Vec<u64> {
        let shortly = || Instant::now() + Duration::from_millis(20);
        let fill = |(connection, wait): (&mut Connection, Wait)| {
            let sender = connection.sender();
            let mut sent = 0u64;
            let end = loop {
                match sender.try_send(&sent.to_le_bytes()) {
                    Ok(()) => sent += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(end, SendError::Full, "{wait:?}");
            assert_eq!(
                sender.send_deadline(&[0; 8], shortly()),
                Err(SendError::TimedOut),
                "{wait:?}"
            );
            assert_eq!(
                sender.reserve_deadline(8, shortly()).map(drop),
                Err(SendError::TimedOut),
                "{wait:?}"
            );
            sent
        };
        let sent = self.plain.iter_mut().zip(WAITS).map(fill).collect();
        let end = loop {
            if let Err(error) = self.shared.try_send(&[7; 100]) {
                break error;
            }
        };
        assert_eq!(end, SendError::Full);
        assert_eq!(
            self.shared.send_deadline(&[7; 100], shortly()),
            Err(SendError::TimedOut)
        );
        let end = loop {
            if let Err(error) = self.batcher.send_deadline(&[7; 100], shortly()) {
                break error;
            }
        };
        assert_eq!(end, SendError::TimedOut);
        sent
    }

    /// What was sent meanwhile comes back, all of it and in order.
    fn have_all(&mut self, sent: &[u64]) {
        for (connection, sent) in self.plain.iter_mut().zip(sent) {
            for number in 0..*sent {
                let frame = connection.receiver().recv_deadline(soon()).unwrap();
                assert_eq!(frame.to_vec(), number.to_le_bytes());
            }
        }
    }

    /// The same asking does hear of a death.
    fn all_hear_of_the_death(&mut self) {
        for connection in &mut self.plain {
            let (sender, receiver) = connection.halves();
            assert_eq!(
                receiver.recv_deadline(soon()).map(drop),
                Err(RecvError::PeerDied)
            );
            assert_eq!(sender.check(), Err(SendError::PeerDied));
        }
        // It is told of each by itself.
        assert_eq!(told(|| self.batcher.check()), SendError::PeerDied);
        assert_eq!(told(|| self.shared.check()), SendError::PeerDied);
        match self.poller.event_deadline(soon()).unwrap() {
            Some(Event::Ended(ended)) => assert_eq!(ended.end, RecvError::PeerDied),
            other => panic!("{other:?}"),
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(20)));
        let end = self.stream.read(&mut [0; 8]).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }
}

/// What is told in the end.
fn told(mut ask: impl FnMut() -> Result<(), SendError>) -> SendError {
    let end = soon();
    loop {
        match ask() {
            Ok(()) => assert!(Instant::now() < end, "nothing is told"),
            Err(error) => return error,
        }
    }
}

/// Asks while `stand_still` has the child do so, which `go_on` ends; not where that cannot be done here.
fn asked<T>(
    name: &str,
    can_be_done: impl FnOnce() -> bool,
    stand_still: impl FnOnce(Child, &Page) -> T,
    go_on: impl FnOnce(T) -> Child,
) {
    let test = format!("stopped::{name}");
    alone(&test, LIMIT, || {
        if !can_be_done() {
            return;
        }
        let page = Page::new();
        let (mut asking, child) = Asking::new(&page);
        asking.all_answer();
        let still = stand_still(child, &page);
        asking.hear_nothing();
        let sent = asking.fill();
        let mut child = go_on(still);
        asking.have_all(&sent);
        asking.all_answer();
        child.signal(libc::SIGKILL);
        asking.all_hear_of_the_death();
        child.reap_killed();
    });
}

#[test]
fn however_it_is_asked_a_stopped_peer_is_not_dead() {
    asked(
        "however_it_is_asked_a_stopped_peer_is_not_dead",
        || true,
        |child, _| {
            child.stop();
            child
        },
        |child| {
            child.signal(libc::SIGCONT);
            child
        },
    );
}

/// In the hands of a debugger.
#[test]
fn however_it_is_asked_a_traced_peer_is_not_dead() {
    asked(
        "however_it_is_asked_a_traced_peer_is_not_dead",
        traced::is_there,
        |child, page| {
            page.set(GO, HALTS);
            Traced::new(child)
        },
        Traced::let_go,
    );
}

/// A control group of its own that can be frozen, by either version of their files.
struct Group {
    folder: PathBuf,
    words: [&'static str; 3],
}

impl Group {
    fn new() -> io::Result<Self> {
        let name = format!("ringway-stopped-{}", std::process::id());
        let new = ["cgroup.freeze", "1", "0"];
        let all = [
            ("/sys/fs/cgroup", new),
            ("/sys/fs/cgroup/unified", new),
            (
                "/sys/fs/cgroup/freezer",
                ["freezer.state", "FROZEN", "THAWED"],
            ),
        ];
        let mut refused = io::ErrorKind::NotFound.into();
        for (root, words) in all {
            let folder = PathBuf::from(root).join(&name);
            match fs::create_dir(&folder) {
                Ok(()) => {
                    let group = Self { folder, words };
                    match group.try_out() {
                        Ok(()) => return Ok(group),
                        Err(error) => refused = error,
                    }
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// A group may be made where no process may be moved into it: another program is frozen first.
    fn try_out(&self) -> io::Result<()> {
        if !self.folder.join(self.words[0]).exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut sleeper = Command::new("sleep").arg("50").spawn()?;
        let pid = sleeper.id().try_into().unwrap();
        let frozen = self.freeze(pid).map(drop);
        sleeper.kill()?;
        sleeper.wait()?;
        frozen
    }

    fn set(&self, word: &str) -> io::Result<()> {
        fs::write(self.folder.join(self.words[0]), word)
    }

    /// Takes the process in, and returns once it is frozen: until the guard is dropped.
    fn freeze(&self, pid: libc::pid_t) -> io::Result<Frozen<'_>> {
        let frozen = Frozen(self);
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())?;
        self.set(self.words[1])?;
        let (file, word) = match self.words[0] {
            "cgroup.freeze" => ("cgroup.events", "frozen 1"),
            state => (state, "FROZEN"),
        };
        let until = soon();
        while !fs::read_to_string(self.folder.join(file))?.contains(word) {
            if Instant::now() > until {
                return Err(io::Error::other("it does not freeze"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(frozen)
    }
}

/// What is in the group stands still, and could not even die.
struct Frozen<'a>(&'a Group);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = self.0.set(self.0.words[2]);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It is no group of ours while the process is in it.
        let until = soon();
        while fs::remove_dir(&self.folder).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// As a container is that is paused. Where no group can be frozen here, that is said.
#[test]
fn however_it_is_asked_a_frozen_peer_is_not_dead() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(error) => {
            println!("SKIPPED: no control group can be frozen here: {error}");
            return;
        }
    };
    let group = &group;
    asked(
        "however_it_is_asked_a_frozen_peer_is_not_dead",
        || true,
        |child, _| (group.freeze(child.pid).unwrap(), child),
        |(frozen, child)| {
            drop(frozen);
            child
        },
    );
}
