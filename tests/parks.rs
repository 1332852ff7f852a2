//! No wake is lost: two processes put each other to sleep and wake each other, with random pauses, while a third one stops and continues them at random.
//!
//! A wait here has no deadline, so that one wake that does not come stops everything, and is noticed. What was sent is checked by number. `RINGWAY_PARKS`: how many
//! sleeps in all, of each test (40,000 on one core and 2,000 on two unless told; 10000000 is a long run, of some ten minutes on one core).

#[path = "crash/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use process::{Page, Random, alone, fork};
use ringway::{Config, Connection, Counters, ErrorKind, Receiver, Sender, Wait};

/// Without any progress for so long, a wake was lost.
const STALL: Duration = Duration::from_secs(60);
/// Turns between two looks at the counters.
const LOOK_EVERY: u64 = 256;
/// Bytes of what a burst consists of: with so many of them a ring of 4 KiB is full, and who sends sleeps too.
const LARGE: usize = 900;
/// The first word of the last message.
const END: u64 = u64::MAX;

/// Words of the page. Each side has one of each, the client's behind the server's.
const TURNS: usize = 0;
const SLEEPS: usize = 2;
/// Voluntary context switches, by the kernel's count, less the naps that the test has taken.
const BLOCKED: usize = 4;
/// The bursts' sleeps: of the half that sends.
const FULL: usize = 6;
const DONE: usize = 8;

fn parks(usual: u64) -> u64 {
    std::env::var("RINGWAY_PARKS").map_or(usual, |text| text.parse().expect("a number"))
}

/// One of the two processes.
struct Side<'a> {
    /// 0: the server.
    place: usize,
    sender: Sender,
    receiver: Receiver,
    random: Random,
    page: &'a Page,
    naps: u64,
    sent: u64,
    received: u64,
}

impl<'a> Side<'a> {
    fn new(place: usize, connection: Connection, page: &'a Page) -> Self {
        let (sender, receiver) = connection.split();
        Self {
            place,
            sender,
            receiver,
            random: Random::new(place as u64 + 7),
            page,
            naps: 0,
            sent: 0,
            received: 0,
        }
    }

    /// Nothing, some work, the processor for the other one, or a nap: so that the peer is found at any step of its way to sleep.
    fn pause(&mut self) {
        match self.random.below(100) {
            0..50 => {}
            50..80 => (0..self.random.below(200)).for_each(|_| std::hint::spin_loop()),
            80..97 => thread::yield_now(),
            _ => {
                self.naps += 1;
                thread::sleep(Duration::from_micros(self.random.below(60)));
            }
        }
    }

    /// A message, and now and then a burst behind it that takes more room than there is.
    fn send(&mut self, first: u64) {
        self.pause();
        let burst = if self.random.below(64) == 0 { 8 } else { 0 };
        self.sender
            .send([first.to_ne_bytes(), u64::to_ne_bytes(burst)].as_flattened())
            .unwrap();
        for _ in 0..burst {
            self.sent += 1;
            let mut large = [0; LARGE];
            large[..8].copy_from_slice(&self.sent.to_ne_bytes());
            self.sender.send(&large).unwrap();
        }
    }

    /// Returns the first word of a message, behind whose burst it then is.
    fn receive(&mut self) -> u64 {
        self.pause();
        let mut message = [0; 16];
        assert_eq!(self.receiver.recv_into(&mut message), Ok(16));
        let word = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().unwrap());
        for _ in 0..word(8) {
            self.pause();
            self.received += 1;
            let mut large = [0; LARGE];
            assert_eq!(self.receiver.recv_into(&mut large), Ok(LARGE));
            assert_eq!(large[..8], self.received.to_ne_bytes());
        }
        word(0)
    }

    /// Tells the third process how far this one is.
    fn tell(&self, turn: u64) {
        let own = Counters::own().unwrap().connections().unwrap();
        let sum = |part: fn(&ringway::ConnectionCounters) -> u64| own.iter().map(part).sum::<u64>();
        let sends = sum(|one| one.sends.sleeps);
        let sleeps = sends + sum(|one| one.receives.sleeps);
        // SAFETY: all-zero is a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is valid for writes.
        let told = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
        assert_eq!(told, 0);
        let blocked = u64::try_from(usage.ru_nvcsw).unwrap();
        self.page
            .set(BLOCKED + self.place, blocked.saturating_sub(self.naps));
        self.page.set(FULL + self.place, sends);
        self.page.set(SLEEPS + self.place, sleeps);
        self.page.set(TURNS + self.place, turn);
    }

    fn ask(mut self, enough: u64) {
        for turn in 0.. {
            if turn % LOOK_EVERY == 0 {
                self.tell(turn);
                if self.page.get(SLEEPS) + self.page.get(SLEEPS + 1) >= enough {
                    break;
                }
            }
            self.send(turn);
            assert_eq!(self.receive(), !turn);
        }
        self.sender
            .send([END.to_ne_bytes(), [0; 8]].as_flattened())
            .unwrap();
        self.page.set(DONE + self.place, 1);
    }

    fn answer(mut self) {
        for turn in 0.. {
            if turn % LOOK_EVERY == 0 {
                self.tell(turn);
            }
            match self.receive() {
                END => break,
                word => assert_eq!(word, turn),
            }
            self.send(!turn);
        }
        self.page.set(DONE + self.place, 1);
    }
}

fn connect(config: &Config, path: &Path) -> Connection {
    loop {
        match config.connect(path) {
            Ok(connection) => return connection,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    // SAFETY: all-zero is a valid `cpu_set_t`.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid for writes of its size.
    let got = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(got, 0);
    (0..1024)
        // SAFETY: in bounds of the set.
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect()
}

fn pin(processor: usize) {
    // SAFETY: all-zero is a valid `cpu_set_t`.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a processor that `processors` named is in bounds.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: `set` is valid for reads of its size.
    let pinned = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(pinned, 0);
}

fn run(name: &str, config: &Config, places: [usize; 2], enough: u64) {
    let path: PathBuf =
        std::env::temp_dir().join(format!("ringway-parks-{name}-{}", std::process::id()));
    let page = Page::new();
    let mut server = fork(|| {
        pin(places[0]);
        let mut listener = config.bind(path.as_path()).unwrap();
        Side::new(0, listener.accept().unwrap(), &page).answer();
    });
    let mut client = fork(|| {
        pin(places[1]);
        Side::new(1, connect(config, &path), &page).ask(enough);
    });
    let (mut random, mut stops) = (Random::new(3), 0u64);
    let (mut seen, mut at) = ((0, 0), Instant::now());
    let began = Instant::now();
    while page.get(DONE) + page.get(DONE + 1) < 2 {
        let child = [&server, &client][random.below(2) as usize];
        child.signal(libc::SIGSTOP);
        thread::sleep(Duration::from_micros(random.below(1000)));
        child.signal(libc::SIGCONT);
        stops += 1;
        thread::sleep(Duration::from_micros(random.below(8000)));
        let now = (page.get(TURNS), page.get(TURNS + 1));
        if now != seen {
            (seen, at) = (now, Instant::now());
        }
        let sleeps = [page.get(SLEEPS), page.get(SLEEPS + 1)];
        assert!(
            at.elapsed() < STALL,
            "a wake was lost (or a side has failed) behind turn {seen:?}, after {sleeps:?} sleeps and {stops} stops"
        );
    }
    assert_eq!((server.reap(), client.reap()), (0, 0));
    let both = |word: usize| page.get(word) + page.get(word + 1);
    let (sleeps, blocked, full) = (both(SLEEPS), both(BLOCKED), both(FULL));
    println!(
        "{name}: {sleeps} sleeps, {full} of them for room; {blocked} times blocked by the kernel's count; {stops} stops; {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert!(sleeps >= enough && full > 0 && stops > 0);
    // Some sleeps find that the bell was rung already.
    assert!(2 * blocked > sleeps, "{blocked} of {sleeps} were sleeps");
}

/// As much time as the sleeps may take, many times what they do.
fn limit(parks: u64) -> Duration {
    Duration::from_secs(300 + parks / 2_000)
}

fn config() -> Config {
    Config::new()
        .wait(Wait::Park)
        .capacity(4096)
        .peer_capacity(4096)
        .handshake_timeout(Duration::from_secs(60))
}

/// By bells, and by bytes on the socket.
#[test]
fn no_wake_is_lost_on_one_core() {
    let parks = parks(40_000);
    alone("no_wake_is_lost_on_one_core", limit(parks), || {
        let last = *processors().last().unwrap();
        run("bells", &config(), [last; 2], parks - parks / 4);
        let lean = config().few_descriptors(true);
        run("nudges", &lean, [last; 2], parks / 4);
    });
}

#[test]
fn no_wake_is_lost_between_two_cores() {
    let parks = parks(2_000);
    alone("no_wake_is_lost_between_two_cores", limit(parks), || {
        let processors = processors();
        let places = [processors[0], *processors.last().unwrap()];
        run("bells", &config(), places, parks - parks / 4);
        let lean = config().few_descriptors(true);
        run("nudges", &lean, places, parks / 4);
    });
}
