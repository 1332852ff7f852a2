//! Large frames, which the receiver copies out while the sender copies them in: every way to wait, every way to send, and buffers that do not fit.

mod pair;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pair::{pair, soon};
use ringway::{Config, RecvError, Wait};

const LARGE: usize = 64 << 10;

fn bytes(number: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| (place.wrapping_mul(31) >> 3 ^ number.wrapping_mul(97)) as u8)
        .collect()
}

/// Sizes around where frames begin to be announced, and up to the most.
fn size(number: usize, most: usize) -> usize {
    let sizes = [
        most,
        LARGE,
        LARGE - 1,
        LARGE + 1,
        3 * LARGE + 7,
        10,
        most - 1,
        2 * LARGE,
    ];
    sizes[number % sizes.len()].min(most)
}

#[test]
fn every_wait_and_every_way_of_sending_bring_large_frames_both_ways() {
    const COUNT: usize = 60;
    for (index, wait) in [Wait::Spin, Wait::Adaptive, Wait::Park]
        .into_iter()
        .enumerate()
    {
        for lanes in [1, 2] {
            let config = Config::new()
                .wait(wait)
                .lanes(lanes)
                .capacity(1 << 19)
                .peer_capacity(1 << 19);
            let (mut server, mut client) =
                pair(&format!("follow{index}-{lanes}"), &config, &config);
            let echo = thread::spawn(move || {
                let mut buffer = vec![0; 1 << 19];
                for _ in 0..COUNT {
                    let length = server
                        .receiver()
                        .recv_into_deadline(&mut buffer, soon())
                        .unwrap();
                    server
                        .sender()
                        .send_deadline(&buffer[..length], soon())
                        .unwrap();
                }
            });
            let mut buffer = vec![0; 1 << 19];
            for number in 0..COUNT {
                let (sender, receiver) = client.halves();
                let message = bytes(number, size(number, sender.max_payload() - 16));
                let at = number / 3 % lanes;
                match number % 5 {
                    0 => {
                        let mut sender = sender.at(at).unwrap();
                        let mut place = sender.reserve(message.len()).unwrap();
                        place.copy_from_slice(&message);
                        place.commit();
                    }
                    1 => sender.send_expiring(&message, soon()).unwrap(),
                    _ => sender.at(at).unwrap().send_kind(7, &message).unwrap(),
                }
                let length = receiver.recv_into(&mut buffer).unwrap();
                assert!(buffer[..length] == message, "frame {number}");
            }
            echo.join().unwrap();
        }
    }
}

/// A stream, in which the receiver catches up with the sender and falls behind.
#[test]
fn a_stream_of_large_frames_arrives_as_it_was_sent() {
    for (index, wait) in [Wait::Adaptive, Wait::Park].into_iter().enumerate() {
        let config = Config::new()
            .wait(wait)
            .capacity(1 << 20)
            .peer_capacity(1 << 20);
        let (server, client) = pair(&format!("follow-stream{index}"), &config, &config);
        let (mut sender, _keep) = client.split();
        let most = sender.max_payload();
        let writer = thread::spawn(move || {
            for number in 0..160 {
                sender
                    .send_deadline(&bytes(number, size(number, most)), soon())
                    .unwrap();
            }
        });
        let (_sender, mut receiver) = server.split();
        let mut buffer = vec![0; most];
        for number in 0..160 {
            let length = receiver.recv_into_deadline(&mut buffer, soon()).unwrap();
            assert!(buffer[..length] == bytes(number, size(number, most)));
            if number % 50 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
        }
        writer.join().unwrap();
    }
}

/// A frame that is longer than the buffer stays unread, however much of it was copied early; and so does one behind a deadline.
#[test]
fn a_buffer_that_is_too_short_leaves_the_frame_unread() {
    let config = Config::new()
        .wait(Wait::Park)
        .capacity(1 << 20)
        .peer_capacity(1 << 20);
    let (server, client) = pair("follow-short", &config, &config);
    let (mut sender, _keep) = client.split();
    let (_sender, mut receiver) = server.split();
    let (go, come) = mpsc::channel();
    let writer = thread::spawn(move || {
        for number in come {
            thread::sleep(Duration::from_millis(1));
            sender.send(&bytes(number, 5 * LARGE)).unwrap();
        }
    });
    let mut buffer = vec![0; 5 * LARGE];
    for number in 0..50 {
        let early = Instant::now() + Duration::from_micros(200);
        let nothing = receiver.recv_into_deadline(&mut buffer, early);
        assert_eq!(nothing, Err(RecvError::TimedOut));
        go.send(number).unwrap();
        for _ in 0..2 {
            let short = receiver.recv_into_deadline(&mut buffer[..2 * LARGE], soon());
            assert_eq!(short, Err(RecvError::Truncated { len: 5 * LARGE }));
        }
        assert_eq!(receiver.recv_into(&mut buffer), Ok(5 * LARGE));
        assert!(buffer == bytes(number, 5 * LARGE));
    }
    drop(go);
    writer.join().unwrap();
    assert_eq!(receiver.recv_into(&mut buffer), Err(RecvError::Closed));
}
