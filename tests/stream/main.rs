//! A stream of bytes: what is written is read, byte for byte, however it is cut; each end is told for what it is; a reader that stops stops the writer.

mod ends;
mod half;
mod hostile;
#[path = "../pair/mod.rs"]
mod pair;
#[path = "../crash/process.rs"]
mod process;

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use pair::{pair, patient, soon};

use ringway::stream::{ByteListener, ByteReader, ByteStream, ByteWriter};
use ringway::{Arm, Config, Handshake, HandshakeStep, RecvError};

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-stream-{name}-{}", std::process::id()))
}

/// Two ends of a stream in this process, with rings of `capacity` bytes.
fn streams(name: &str, capacity: usize) -> (ByteStream, ByteStream) {
    let config = Config::new()
        .byte_stream()
        .capacity(capacity)
        .peer_capacity(capacity);
    let (server, client) = pair(&format!("stream-{name}"), &config, &config);
    (
        ByteStream::over(server).unwrap(),
        ByteStream::over(client).unwrap(),
    )
}

/// The defaults, but for what a stalled machine needs.
fn config() -> Config {
    patient(&Config::new().byte_stream())
}

/// The byte at each place, so that one that is lost, doubled or moved is seen.
fn byte(place: usize) -> u8 {
    (place ^ (place >> 7) ^ (place >> 13)) as u8
}

/// Small numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    /// Mostly small, now and then large: as programs write.
    fn length(&mut self, most: usize) -> usize {
        let magnitude = 1 << self.below(usize::BITS as usize - most.leading_zeros() as usize);
        self.below(magnitude.min(most) + 1)
    }
}

fn write_all(mut writer: ByteWriter, total: usize, seed: u64) {
    let mut dice = Dice(seed);
    let mut place = 0;
    while place < total {
        let len = dice.length(200_000).min(total - place);
        let bytes: Vec<u8> = (place..place + len).map(byte).collect();
        if dice.below(3) == 0 {
            let (first, rest) = bytes.split_at(dice.below(len + 1));
            let (second, third) = rest.split_at(dice.below(rest.len() + 1));
            let slices = [first, &[], second, third].map(IoSlice::new);
            place += writer.write_vectored(&slices).unwrap();
        } else {
            place += writer.write(&bytes).unwrap();
        }
    }
}

fn read_all(mut reader: ByteReader, seed: u64) -> usize {
    let mut dice = Dice(seed);
    let mut place = 0;
    loop {
        let mut buffer = vec![0; dice.length(300_000) + 1];
        let read = if dice.below(3) == 0 {
            let middle = dice.below(buffer.len());
            let (first, second) = buffer.split_at_mut(middle);
            let mut buffers = [first, &mut [], second].map(IoSliceMut::new);
            reader.read_vectored(&mut buffers).unwrap()
        } else {
            reader.read(&mut buffer).unwrap()
        };
        if read == 0 {
            return place;
        }
        for (at, &found) in buffer[..read].iter().enumerate() {
            assert_eq!(found, byte(place + at), "at {}", place + at);
        }
        place += read;
    }
}

#[test]
fn what_is_written_is_read_however_it_is_cut() {
    const TOTAL: usize = 12 << 20;
    for (seed, capacity) in [(1, 4 << 10), (2, 64 << 10), (3, 256 << 10), (4, 1 << 20)] {
        let (server, client) = streams(&format!("cut-{seed}"), capacity);
        let (_back, writer) = server.split();
        let (reader, _forth) = client.split();
        thread::scope(|scope| {
            scope.spawn(move || write_all(writer, TOTAL, seed));
            assert_eq!(read_all(reader, seed + 100), TOTAL);
        });
    }
}

/// A frame without a byte would break a rule: none is sent for a write of none.
#[test]
fn a_write_of_no_bytes_sends_no_frame() {
    let config = Config::new().byte_stream();
    let (server, client) = pair("stream-no-bytes", &config, &config);
    let mut writer = ByteStream::over(server).unwrap().split().1;
    let mut raw = client.split().1;
    assert_eq!(writer.write(b"").unwrap(), 0);
    assert_eq!(writer.try_write(b"").unwrap(), 0);
    for slices in [&[][..], &[b"".as_slice()], &[b"", b"", b""]] {
        let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        assert_eq!(writer.write_vectored(&slices).unwrap(), 0);
    }
    writer.write_all(b"").unwrap();
    assert_eq!(raw.try_recv().map(drop), Err(RecvError::Empty));
    writer.write_all(b"x").unwrap();
    assert_eq!(raw.recv().unwrap().to_vec(), b"x");
}

#[test]
fn std_copies_in_both_directions_at_once() {
    let (left, right) = streams("copy", 64 << 10);
    let (mut there, mut back) = left.split();
    let sent: Vec<u8> = (0..3 << 20).map(byte).collect();
    let received = thread::scope(|scope| {
        scope.spawn(move || {
            let (mut reader, mut writer) = right.split();
            io::copy(&mut reader, &mut writer).unwrap();
        });
        scope.spawn(|| {
            back.write_all(&sent).unwrap();
            drop(back);
        });
        let mut received = Vec::new();
        there.read_to_end(&mut received).unwrap();
        received
    });
    assert!(received == sent);
}

#[test]
fn each_direction_ends_by_itself() {
    let (mut left, mut right) = streams("half", 64 << 10);
    left.write_all(b"question").unwrap();
    left.shutdown(Shutdown::Write).unwrap();
    left.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        left.write(b"more").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    let mut question = String::new();
    right.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    assert_eq!(right.read(&mut [0; 8]).unwrap(), 0, "the end stays");
    right.write_all(b"answer").unwrap();
    let mut answer = [0; 6];
    left.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    drop(right);
    assert_eq!(left.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_reader_that_closes_breaks_the_pipe() {
    let (mut left, mut right) = streams("closed-reader", 64 << 10);
    left.write_all(b"unread").unwrap();
    right.shutdown(Shutdown::Read).unwrap();
    assert_eq!(right.read(&mut [0; 8]).unwrap(), 0);
    // Told as soon as the ring has to be looked at closely, at the latest when it is full.
    let end = (0..1000).find_map(|_| left.write(&[0; 1000]).err());
    let end = end.expect("a ring of 64 KiB is full by then");
    assert_eq!(end.kind(), ErrorKind::BrokenPipe);
    right.write_all(b"still").unwrap();
    let mut still = [0; 5];
    left.read_exact(&mut still).unwrap();
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    let (mut left, mut right) = streams("stopped", 64 << 10);
    let (_, writer) = left.halves();
    let mut written = 0;
    let end = loop {
        match writer.try_write(&[7; 5000]) {
            Ok(some) => written += some,
            Err(error) => break error,
        }
        assert!(written <= 64 << 10, "more than the ring holds");
    };
    assert_eq!(end.kind(), ErrorKind::WouldBlock);
    assert!(written >= 32 << 10);
    assert_eq!(writer.arm(5000).unwrap(), Arm::Armed);
    writer.set_timeout(Some(Duration::from_millis(20)));
    assert_eq!(
        writer.write(&[7; 5000]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    let mut buffer = vec![0; written];
    right.read_exact(&mut buffer).unwrap();
    assert_eq!(writer.arm(5000).unwrap(), Arm::Ready);
    assert_eq!(writer.write(&[8; 5000]).unwrap(), 5000);
}

#[test]
fn a_read_that_finds_nothing_says_so() {
    let (mut left, mut right) = streams("nothing", 64 << 10);
    let (reader, _) = right.halves();
    assert_eq!(reader.try_read(&mut []).unwrap(), 0);
    assert_eq!(
        reader.try_read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(reader.arm().unwrap(), Arm::Armed);
    for len in [8, 1 << 17] {
        reader.set_timeout(Some(Duration::from_millis(20)));
        let read = reader.read(&mut vec![0; len]);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
    }
    left.write_all(b"abc").unwrap();
    assert_eq!(reader.arm().unwrap(), Arm::Ready);
    assert_eq!(reader.try_read(&mut [0; 2]).unwrap(), 2);
    assert_eq!(reader.arm().unwrap(), Arm::Ready, "a byte is left");
    assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
}

/// What an error of a stream comes from.
fn source<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref().and_then(|source| source.downcast_ref())
}

#[test]
fn whoever_sends_messages_is_no_stream() {
    let path = path("messages");
    let mut listener = ByteListener::over(config().bind(path.as_path()).unwrap());
    let client = thread::spawn(move || patient(&Config::new()).connect(path.as_path()));
    let end = soon();
    while !client.is_finished() {
        let short = Instant::now() + Duration::from_millis(20);
        assert!(listener.accept_deadline(short).is_err(), "it was let in");
        assert!(Instant::now() < end, "nobody came");
    }
    let told = client.join().unwrap().unwrap_err();
    assert_eq!(told.kind(), ringway::ErrorKind::Schema, "{told}");
}

#[test]
fn lanes_and_strangers_are_refused() {
    let config = Config::new().byte_stream().lanes(2);
    let (server, _client) = pair("stream-lanes", &config, &config);
    let refused = ByteStream::over(server).unwrap_err();
    assert_eq!(refused.kind(), ringway::ErrorKind::InvalidConfig);

    let (one, _its_peer) = streams("one", 64 << 10);
    let (other, _others_peer) = streams("other", 64 << 10);
    let (reader, own) = one.split();
    let (_, foreign) = other.split();
    let given_back = ByteStream::reunite(reader, foreign).unwrap_err();
    assert!(ByteStream::reunite(*given_back.receiver, own).is_ok());
}

/// Has `client` say what it can say now.
fn says(client: &mut Handshake, what: &str) {
    let step = client.step();
    assert!(matches!(step, Ok(HandshakeStep::Waits)), "{what}: {step:?}");
}

/// The client's fault, and nobody else's: those behind it are served, and a deadline holds however many such clients come.
#[test]
fn a_client_that_asks_for_several_lanes_ends_nobody_s_accept() {
    let path = path("accept-lanes");
    let wide = config().lanes(2);
    let mut listener = ByteListener::over(wide.bind(path.as_path()).unwrap());
    let mut clients = [(); 2].map(|()| wide.dial(path.as_path()).unwrap());
    let mut accept_now = || listener.accept_deadline(Instant::now()).unwrap_err();
    for what in ["Hello", "Attach"] {
        for client in &mut clients {
            says(client, what);
        }
        let late = accept_now();
        assert_eq!(late.kind(), ringway::ErrorKind::TimedOut, "{late}");
    }
    assert_eq!(listener.inner().refusals(), 1, "one, and then the deadline");
    let mut good = config().dial(path.as_path()).unwrap();
    let (mut theirs, mut ours) = (None, None);
    let end = soon();
    while theirs.is_none() || ours.is_none() {
        assert!(Instant::now() < end, "nobody is served behind them");
        if theirs.is_none() {
            if let HandshakeStep::Done(made) = good.step().unwrap() {
                theirs = ByteStream::over(made).ok();
            }
        }
        match listener.accept_deadline(Instant::now()) {
            Ok(stream) => ours = Some(stream),
            Err(late) => assert_eq!(late.kind(), ringway::ErrorKind::TimedOut, "{late}"),
        }
    }
    theirs.unwrap().write_all(b"served").unwrap();
    let mut served = [0; 6];
    ours.unwrap().read_exact(&mut served).unwrap();
    assert_eq!(&served, b"served");
    assert_eq!(listener.inner().refusals(), 2);
    let why = listener.inner().last_refusal().unwrap();
    assert_eq!(why.kind(), ringway::ErrorKind::InvalidConfig, "{why}");
    assert!(why.to_string().contains("one lane"), "{why}");
}

#[test]
fn who_waits_without_a_deadline_waits_for_the_next_client_behind_such_a_one() {
    let path = path("accept-for-ever");
    let wide = config().lanes(2);
    let mut listener = ByteListener::over(wide.bind(path.as_path()).unwrap());
    let clients = thread::spawn(move || {
        let (_, mut receiver) = wide.connect(path.as_path()).unwrap().split();
        // It is let go of, as whoever is refused behind the handshake.
        assert_eq!(receiver.recv().unwrap_err(), RecvError::Closed);
        ByteStream::over(config().connect(path.as_path()).unwrap()).unwrap()
    });
    let accepted = listener.accept();
    assert!(accepted.is_ok(), "{accepted:?}");
    drop(clients.join().unwrap());
    assert_eq!(listener.inner().refusals(), 1);
}
