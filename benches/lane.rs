//! What one frame costs in one process: sent, received, copied. How long it takes *between* processes, `ringway bench` measures.
//!
//! Each case first sends and receives once and compares the bytes: only what works is timed.

mod pair;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringway::{Config, RecvError};

/// 1 MiB holds several of the largest frames that are sent here.
fn config() -> Config {
    Config::new()
        .capacity(1 << 20)
        .peer_capacity(1 << 20)
        .prefault(true)
}

fn bytes(size: usize) -> Throughput {
    Throughput::Bytes(size as u64)
}

fn send_and_receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send-and-receive");
    for size in [8, 64, 1024, 65536] {
        let (mut client, mut server) = pair::connected("send", &config());
        let (sender, receiver) = (client.sender(), server.receiver());
        let (payload, mut buffer) = (pair::payload(size), vec![0; size]);
        let mut frame = |buffer: &mut [u8]| {
            sender.try_send(black_box(&payload)).expect("room");
            receiver.try_recv_into(buffer).expect("a frame");
            black_box(&*buffer)[0]
        };
        frame(&mut buffer);
        assert_eq!(buffer, payload, "the bytes arrive as they were sent");
        group.throughput(bytes(size));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| frame(&mut buffer));
        });
    }
    group.finish();
}

/// Only the first word is written and read: what is left is what the frame costs, whatever its size.
fn in_place(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reserve-and-commit");
    for size in [64, 65536] {
        let (mut client, mut server) = pair::connected("place", &config());
        let (sender, receiver) = (client.sender(), server.receiver());
        let mut frame = |word: u64| {
            let mut space = sender.try_reserve(size).expect("room");
            space[..8].copy_from_slice(&word.to_le_bytes());
            space.commit();
            let mut head = [0; 8];
            let frame = receiver.try_recv().expect("a frame");
            frame.copy_to(&mut head);
            (u64::from_le_bytes(head), frame.len())
        };
        assert_eq!(frame(7), (7, size));
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| frame(black_box(11)));
        });
    }
    group.finish();
}

/// Sixteen frames of 64 bytes that become visible with one store.
fn groups(criterion: &mut Criterion) {
    const FRAMES: u64 = 16;
    let (mut client, mut server) = pair::connected("group", &config());
    let (sender, receiver) = (client.sender(), server.receiver());
    let mut payload = pair::payload(64);
    let mut buffer = vec![0; 64];
    let mut frames = || {
        let mut group = sender.group();
        for number in 0..FRAMES {
            payload[0] = number as u8;
            group.try_send(black_box(&payload)).expect("room");
        }
        group.publish();
        (0..FRAMES).fold(0, |sum, _| {
            receiver.try_recv_into(&mut buffer).expect("a frame");
            sum + u64::from(black_box(&buffer)[0])
        })
    };
    assert_eq!(frames(), FRAMES * (FRAMES - 1) / 2, "every frame arrives");
    let mut group = criterion.benchmark_group("group");
    group.throughput(Throughput::Elements(FRAMES));
    group.bench_function(BenchmarkId::from_parameter(FRAMES), |bencher| {
        bencher.iter(&mut frames);
    });
    group.finish();
}

/// A poll that finds nothing, the look for a dead peer once per millisecond included.
fn empty(criterion: &mut Criterion) {
    let (_client, mut server) = pair::connected("empty", &config());
    let receiver = server.receiver();
    criterion.bench_function("try-recv-empty", |bencher| {
        bencher.iter(|| {
            let outcome = receiver.try_recv().map(drop);
            assert_eq!(black_box(outcome), Err(RecvError::Empty));
        });
    });
}

/// The same frame copied out again and again, beside a copy between private buffers.
fn copies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("copy");
    for size in [64, 1024, 65536] {
        let (mut client, mut server) = pair::connected("copy", &config());
        let payload = pair::payload(size);
        client.sender().try_send(&payload).expect("room");
        let frame = server.receiver().try_recv().expect("a frame");
        assert_eq!(frame.to_vec(), payload);
        let mut buffer = vec![0; size];
        group.throughput(bytes(size));
        group.bench_function(BenchmarkId::new("to-vec", size), |bencher| {
            bencher.iter(|| frame.to_vec());
        });
        group.bench_function(BenchmarkId::new("copy-to", size), |bencher| {
            bencher.iter(|| {
                frame.copy_to(&mut buffer);
                black_box(&buffer)[0]
            });
        });
        group.bench_function(BenchmarkId::new("private", size), |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(black_box(&payload));
                black_box(&buffer)[0]
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for case in [send_and_receive, in_place, groups, empty, copies] {
        case(&mut criterion);
    }
    criterion.final_summary();
}
