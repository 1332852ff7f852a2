//! A desk that is replaced while orders come in: in order, by a newer process that takes its socket over, and by a crash. No order is lost, none is booked twice, and
//! the longest time without an answer is told.
//!
//! `cargo run --release --example upgrade`

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Words, TryRecvError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringway::{
    Config, Connection, ErrorKind, Event, Lineage, Listener, Poller, RecvError, Redelivery,
    SendError, Token,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How a desk is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The next one takes the socket over; then this one lets nobody in, answers what it has, and says goodbye.
    InOrder,
    /// `SIGKILL`; the next one binds the name.
    ByCrash,
}

/// Orders of each client for each desk.
const ORDERS: u64 = 20_000;
const CLIENTS: usize = 2;
/// Set in the environment of a desk: the name, the book, and whether the socket is handed to it.
const DESK: &str = "RINGWAY_EXAMPLE_DESK";

fn main() -> Outcome<()> {
    run(&[How::InOrder, How::ByCrash])?;
    Ok(())
}

/// A desk in the processes that are to be one, else the clients and whoever starts the desks. Returns how many replacements there were before a client had all of its answers.
pub(crate) fn run(replacements: &[How]) -> Outcome<usize> {
    let Ok(desk) = std::env::var(DESK) else {
        return trade(replacements);
    };
    let mut words = desk.splitn(3, ' ');
    let (Some(way), Some(name), Some(book)) = (words.next(), words.next(), words.next()) else {
        return Err("not a desk".into());
    };
    serve(way == "heir", name, Path::new(book))?;
    std::process::exit(0)
}

fn config() -> Config {
    Config::new().resumable(true)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// This program again, as a desk.
fn desk(way: &str, name: &str, book: &Path) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(std::env::args().skip(1))
        .env(DESK, format!("{way} {name} {}", book.display()));
    Ok(command)
}

/// A desk: serves until it has been replaced, or until there is nobody left and its input ends.
fn serve(inherits: bool, name: &str, book: &Path) -> Outcome<()> {
    let listener = if inherits {
        config()
            .inherit()?
            .pop()
            .ok_or("no socket was left to us")?
    } else {
        bind(name)?
    };
    let mut poller: Poller = Poller::new()?;
    let door = poller.listen(listener, |connection| connection)?;
    let mut file = OpenOptions::new().read(true).append(true).open(book)?;
    if inherits {
        println!("{READY}");
    }
    let words = words();
    let (mut replaced, mut leaves) = (false, false);
    // What has begun to come in comes in here.
    while !(replaced && poller.listener(door).is_none_or(|it| it.handshakes() == 0)) {
        match poller.event_deadline(Instant::now() + Duration::from_millis(2))? {
            Some(Event::Ready(mut turn)) => while turn.more() && answer(&mut turn, &mut file)? {},
            Some(Event::Stalled { error, .. }) => return Err(error.into()),
            _ => {}
        }
        match words.try_recv() {
            Ok(()) => replaced = replace(&mut poller, door, name, book)?,
            Err(TryRecvError::Disconnected) => leaves = true,
            Err(TryRecvError::Empty) => {}
        }
        if leaves && poller.is_empty() {
            return Ok(());
        }
    }
    let tokens: Vec<Token> = poller.tokens().collect();
    for token in tokens {
        let Some(mut connection) = poller.remove(token) else {
            continue;
        };
        // A client that goes on sending would keep us for ever. What is left over is sent again to the next desk.
        let end = Instant::now() + Duration::from_millis(5);
        while Instant::now() < end && answer(&mut connection, &mut file)? {}
        // The goodbye.
        drop(connection);
    }
    Ok(())
}

/// Who was killed keeps its name until the kernel has taken it apart.
fn bind(name: &str) -> Outcome<Listener> {
    let until = soon();
    loop {
        match config().bind(name) {
            Err(error) if error.kind() == ErrorKind::NameTaken && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return Ok(other?),
        }
    }
}

/// What a desk says when it can let clients in.
const READY: &str = "ready";

/// One for each byte of our input, until that ends. No more than one is taken at a time: the next one is the next desk's.
fn words() -> Words<()> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while input.read(&mut [0]).is_ok_and(|read| read > 0) && tell.send(()).is_ok() {}
    });
    told
}

/// Starts the next desk, and has it take the clients that come from now on. `false`: it did not come up, and we go on.
fn replace(poller: &mut Poller, door: Token, name: &str, book: &Path) -> Outcome<bool> {
    let listener = poller.listener(door).ok_or("nobody listens")?;
    let mut command = desk("heir", name, book)?;
    listener.pass_to(&mut command)?;
    let next = command.stdout(Stdio::piped()).spawn();
    let output = next.ok().and_then(|mut next| next.stdout.take());
    let mut said = output.into_iter().flat_map(|it| BufReader::new(it).lines());
    let up = said.any(|line| line.is_ok_and(|line| line.ends_with(READY)));
    if !up {
        listener.take_back()?;
    }
    Ok(up)
}

/// What a booking is known by, whoever books it.
fn entry(lineage: Option<Lineage>, position: u64) -> Outcome<[u8; 24]> {
    let mut entry = [0; 24];
    let lineage = lineage.ok_or("it cannot be resumed")?;
    entry[..16].copy_from_slice(&lineage.token);
    entry[16..].copy_from_slice(&position.to_le_bytes());
    Ok(entry)
}

fn entries(file: &mut File) -> Outcome<Vec<[u8; 24]>> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let whole = bytes.chunks_exact(24).map(<[u8; 24]>::try_from);
    Ok(whole.collect::<Result<_, _>>()?)
}

/// Books one order and answers it, in this order. `false`: there is none now, or there will be none.
fn answer(connection: &mut Connection, book: &mut File) -> Outcome<bool> {
    let lineage = connection.lineage();
    let (sender, receiver) = connection.halves();
    let Ok(frame) = receiver.try_recv() else {
        return Ok(false);
    };
    let entry = entry(lineage, frame.position())?;
    // Only an order that is in doubt may be in the book already.
    if frame.redelivery() != Redelivery::InDoubt || !entries(book)?.contains(&entry) {
        book.write_all(&entry)?;
    }
    let mut reply = frame.to_vec();
    reply.extend(std::process::id().to_le_bytes());
    // It is finished with when its answer is on its way.
    Ok(sender.send(&reply).is_ok())
}

/// What all clients have seen.
#[derive(Debug, Default)]
struct Seen {
    answers: AtomicU64,
    /// The desk that answered each client last.
    desks: [AtomicI32; CLIENTS],
    /// The longest time between two answers of one client, in nanoseconds.
    gap: AtomicU64,
    unseen: AtomicU64,
    in_doubt: AtomicU64,
}

impl Seen {
    /// The desk that all clients are with, if they are.
    fn desk(&self) -> Option<i32> {
        let [first, others @ ..] = &self.desks;
        let desk = first.load(Ordering::Relaxed);
        let together = others.iter().all(|it| it.load(Ordering::Relaxed) == desk);
        (together && desk != 0).then_some(desk)
    }
}

/// A file that ends with us.
struct Book(PathBuf);

impl Drop for Book {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn open(name: &str, book: &Path) -> Outcome<(Child, ChildStdin)> {
    let mut child = desk("first", name, book)?.stdin(Stdio::piped()).spawn()?;
    let input = child.stdin.take().ok_or("it has no input")?;
    Ok((child, input))
}

/// Sends orders through one desk after the other.
fn trade(replacements: &[How]) -> Outcome<usize> {
    let name = format!("upgrade-{}", std::process::id());
    let book = Book(std::env::temp_dir().join(&name));
    File::create(&book.0)?;
    let each = ORDERS * (replacements.len() as u64 + 1);
    let seen = Seen::default();
    let (mut child, mut input) = open(&name, &book.0)?;
    let mut done = 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|who| {
                scope.spawn({
                    let (name, seen) = (&name, &seen);
                    move || client(name, each, who, seen)
                })
            })
            .collect();
        let finished = || {
            clients
                .iter()
                .any(std::thread::ScopedJoinHandle::is_finished)
        };
        for (index, how) in replacements.iter().enumerate() {
            let until = (index as u64 + 1) * ORDERS * CLIENTS as u64;
            let old = loop {
                let answers = seen.answers.load(Ordering::Relaxed);
                match seen.desk().filter(|_| answers >= until) {
                    // Who has all of its answers is with nobody any more.
                    _ if finished() => break None,
                    None => std::thread::sleep(Duration::from_micros(200)),
                    desk => break desk,
                }
            };
            let Some(old) = old else { break };
            for count in [&seen.gap, &seen.unseen, &seen.in_doubt] {
                count.store(0, Ordering::Relaxed);
            }
            match how {
                How::InOrder => input.write_all(b"!")?,
                How::ByCrash => {
                    kill(Pid::from_raw(old), Signal::SIGKILL)?;
                    let (next, its_input) = open(&name, &book.0)?;
                    // Whom we have started ourselves: killed just now, or replaced long ago.
                    std::mem::replace(&mut child, next).wait()?;
                    input = its_input;
                }
            }
            // Until the last client is with the next desk as well.
            while seen.desk().is_none_or(|desk| desk == old) && !finished() {
                std::thread::sleep(Duration::from_micros(200));
            }
            done += 1;
            let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
            println!(
                "replaced {how:?}: the longest time without an answer was {:.2?}; sent again {} that nobody had seen and {} in doubt",
                Duration::from_nanos(count(&seen.gap)),
                count(&seen.unseen),
                count(&seen.in_doubt)
            );
        }
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })?;
    drop(input);
    assert!(child.wait()?.success());
    let mut booked = entries(&mut File::open(&book.0)?)?;
    let bookings = booked.len() as u64;
    booked.sort_unstable();
    booked.dedup();
    println!("{} orders, {bookings} bookings", each * CLIENTS as u64);
    let orders = each * CLIENTS as u64;
    assert_eq!((booked.len() as u64, bookings), (orders, orders));
    Ok(done)
}

/// Sends orders while there is room, through whatever desk there is, and checks that each is answered, in order.
fn client(name: &str, orders: u64, who: usize, seen: &Seen) -> Outcome<()> {
    let mut connection = connect(name)?;
    let (mut sent, mut answered, mut last) = (0, 0, Instant::now());
    while answered < orders {
        let progress = (&mut sent, &mut answered, &mut last);
        match exchange(&mut connection, orders, progress, &seen.desks[who], seen) {
            Ok(()) => continue,
            // All that it had answered has been received.
            Err(RecvError::PeerDied | RecvError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        let resumed = config().resume(name, connection, soon())?;
        seen.unseen.fetch_add(resumed.unseen(), Ordering::Relaxed);
        seen.in_doubt
            .fetch_add(resumed.in_doubt(), Ordering::Relaxed);
        connection = resumed.connection;
    }
    assert_eq!((sent, answered), (orders, orders));
    Ok(())
}

fn connect(name: &str) -> Outcome<Connection> {
    let until = soon();
    loop {
        match config().connect(name) {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            other => return Ok(other?),
        }
    }
}

fn exchange(
    connection: &mut Connection,
    orders: u64,
    (sent, answered, last): (&mut u64, &mut u64, &mut Instant),
    with: &AtomicI32,
    seen: &Seen,
) -> Result<(), RecvError> {
    let (sender, receiver) = connection.halves();
    while *sent < orders {
        match sender.try_send(&sent.to_le_bytes()) {
            Ok(()) => *sent += 1,
            // What the receiver says then, an end too.
            Err(SendError::Full | SendError::PeerDied | SendError::Closed) => break,
            Err(error) => panic!("{error}"),
        }
    }
    loop {
        let frame = match receiver.recv_deadline(Instant::now() + Duration::from_millis(1)) {
            Ok(frame) => frame.to_vec(),
            Err(RecvError::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        };
        let number = u64::from_le_bytes(std::array::from_fn(|index| frame[index]));
        let desk = i32::from_le_bytes(std::array::from_fn(|index| frame[8 + index]));
        // One in doubt may be answered twice; none is left out.
        assert!(number <= *answered, "{answered} was not answered");
        *answered = (*answered).max(number + 1);
        let gap = std::mem::replace(last, Instant::now());
        let gap = u64::try_from(last.duration_since(gap).as_nanos()).unwrap_or(u64::MAX);
        seen.gap.fetch_max(gap, Ordering::Relaxed);
        with.store(desk, Ordering::Relaxed);
        seen.answers.fetch_add(1, Ordering::Relaxed);
    }
}
