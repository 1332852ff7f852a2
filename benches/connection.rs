//! What a connection costs in one process: to make and end it, and to share its sender between threads.

mod pair;

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use ringway::{Config, Connection, SendError};

const GREETING: &[u8; 8] = b"greeting";

/// Connects, waits for the first frame, closes. Both ends run on threads of one process.
fn connect_and_accept(criterion: &mut Criterion) {
    let path = pair::path("connect");
    let config = pair::patient(&Config::new());
    let mut listener = config.bind(path.as_path()).expect("bind");
    criterion.bench_function("connect-accept-first-frame-close", |bencher| {
        bencher.iter_custom(|count| {
            let took = thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..count {
                        let mut server = listener.accept().expect("accept");
                        server.sender().send(GREETING).expect("room");
                    }
                });
                let began = Instant::now();
                for _ in 0..count {
                    let mut client = config.connect(path.as_path()).expect("connect");
                    let mut greeting = [0; 8];
                    client.receiver().recv_into(&mut greeting).expect("a frame");
                    assert_eq!(&greeting, GREETING);
                }
                began.elapsed()
            });
            // A clock that stood still would make every later figure infinite.
            took.max(Duration::from_nanos(1))
        });
    });
    assert_eq!(listener.refusals(), 0, "every client was let in");
}

/// A frame of 64 bytes, by a sender of one's own and by one that other threads may share and do not use: the difference is the
/// mutex. On an AMD EPYC 9005 guest 10 and 20 ns, so it costs as much as the frame.
fn shared_sender(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sender");
    group.throughput(Throughput::Elements(1));
    let (mut client, mut server) = pair::connected("own", &Config::new());
    send_with(&mut group, "own", &mut server, |payload| {
        client.sender().send(payload)
    });
    let (client, mut server) = pair::connected("shared", &Config::new());
    let (sender, _answers) = client.split();
    let sender = sender.shared();
    let _another = sender.clone();
    send_with(&mut group, "shared", &mut server, |payload| {
        sender.send(payload)
    });
    group.finish();
}

fn send_with(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    server: &mut Connection,
    mut send: impl FnMut(&[u8]) -> Result<(), SendError>,
) {
    let receiver = server.receiver();
    let (payload, mut buffer) = (pair::payload(64), [0; 64]);
    let mut frame = |buffer: &mut [u8]| {
        send(black_box(&payload)).expect("room");
        receiver.try_recv_into(buffer).expect("a frame");
        black_box(&*buffer)[0]
    };
    frame(&mut buffer);
    assert_eq!(&buffer[..], payload, "the bytes arrive as they were sent");
    group.bench_function(name, |bencher| bencher.iter(|| frame(&mut buffer)));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    connect_and_accept(&mut criterion);
    shared_sender(&mut criterion);
    criterion.final_summary();
}
