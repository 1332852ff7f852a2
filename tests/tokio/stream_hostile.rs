//! Peers that keep no rule, against a stream of bytes in a task: each ends its own stream by the rule's name, and is in nobody's way.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringway::hostile::{self, Hostile, Liar, Spoil, Word};
use ringway::tokio::{ByteListener, ByteStream};
use ringway::{RecvError, SendError, Sender, Violation, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

use crate::scene::{on_both, path, patient};

/// A stream, and a peer that sends frames of its own into it.
async fn raw() -> (ByteStream, Sender, ringway::Receiver) {
    let config = patient().byte_stream();
    let path = path();
    let mut listener = ByteListener::new(config.bind(path.as_path()).unwrap()).unwrap();
    let client = spawn_blocking(move || config.connect(path).unwrap());
    let victim = listener.accept().await.unwrap();
    let (raw, back) = client.await.unwrap().split();
    (victim, raw, back)
}

/// A stream, and a peer that may write every word of its own.
async fn victim() -> (ByteStream, Hostile) {
    let path = path();
    let mut listener = patient().bind(path.as_path()).unwrap();
    let hostile = spawn_blocking(move || hostile::join(&path));
    let connection = spawn_blocking(move || listener.accept().unwrap());
    let stream = stream::ByteStream::over(connection.await.unwrap()).unwrap();
    (ByteStream::new(stream).unwrap(), hostile.await.unwrap())
}

/// It rings, as one that keeps the rules would.
fn ring(hostile: &Hostile) {
    for bell in &hostile.theirs {
        Spoil::Rung.spoil(bell);
    }
}

/// Until the tasks that were started sleep.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// The rule that a read names.
fn broken<T>(read: io::Result<T>) -> Option<Violation> {
    let error = read.err()?;
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    match error.get_ref()?.downcast_ref()? {
        RecvError::Protocol(violation) => Some(*violation),
        _ => None,
    }
}

const NOTHING: Option<Violation> = Some(Violation::NothingInFrame {
    payload: 0,
    already: 0,
});

/// Frames without a byte, as many as there is room for and ever more, behind a byte that is read: the read ends, and so does each later one; other tasks of the thread go on.
#[test]
fn a_flood_of_frames_without_a_byte_holds_no_executor() {
    on_both(|| async {
        for spare in [false, true] {
            let (mut victim, mut raw, back) = raw().await;
            raw.send(b"x").unwrap();
            let flood = spawn_blocking(move || while raw.send(b"").is_ok() {});
            let mut buffer = Vec::with_capacity(1 << 17);
            for expected in [None, NOTHING, NOTHING] {
                buffer.clear();
                let read = if spare {
                    victim.read_buf(&mut buffer).await
                } else {
                    buffer.resize(1 << 17, 0);
                    victim.read(&mut buffer).await
                };
                match read {
                    Ok(read) => assert_eq!((read, expected), (1, None)),
                    read => assert_eq!(broken(read), expected),
                }
            }
            drop((victim, back));
            flood.await.unwrap();
        }
    });
}

#[test]
fn a_false_header_ends_a_read_that_sleeps() {
    on_both(|| async {
        let (mut victim, hostile) = victim().await;
        let reading = tokio::spawn(async move {
            let first = broken(victim.read(&mut [0; 8]).await);
            (first, broken(victim.read(&mut vec![0; 1 << 17]).await))
        });
        a_moment().await;
        hostile.own.ring(0, hostile::FRAME | 0xffff_ffff);
        ring(&hostile);
        let (first, again) = reading.await.unwrap();
        let named = matches!(first, Some(Violation::FrameTooLong { .. }));
        assert!(named && again == first, "{first:?}, {again:?}");
    });
}

#[test]
fn a_false_release_ends_a_write_that_waits_for_room() {
    on_both(|| async {
        let (victim, hostile) = victim().await;
        let (mut reader, mut writer) = victim.split();
        let writing = tokio::spawn(async move {
            let first = writer.write_all(&vec![7; 1 << 17]).await.unwrap_err();
            (first, writer.write(b"more").await.unwrap_err())
        });
        a_moment().await;
        assert!(!writing.is_finished());
        hostile.own.say(Word::Released(0), 1 << 40);
        ring(&hostile);
        let (first, again) = writing.await.unwrap();
        for end in [first, again] {
            assert_eq!(end.kind(), ErrorKind::InvalidData);
            let source = end.get_ref().and_then(|it| it.downcast_ref());
            let named = matches!(
                source,
                Some(SendError::Protocol(Violation::ReleasedOutOfRange { .. }))
            );
            assert!(named, "{end}");
        }
        // The half beside it found nothing wrong, and hears the end.
        drop(hostile);
        let end = reader.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    });
}

/// What is left of a frame is taken away between two polls.
#[test]
fn a_frame_that_shrinks_while_it_is_read_is_no_end_of_the_stream() {
    on_both(|| async {
        for (shorter, spare) in [(0, false), (3, true), (4, false), (4, true)] {
            let (mut victim, hostile) = victim().await;
            hostile.own.ring(8, u64::from_le_bytes(*b"abcdefgh"));
            hostile.own.ring(0, hostile::FRAME | 8);
            let mut four = [0; 4];
            victim.read_exact(&mut four).await.unwrap();
            assert_eq!(&four, b"abcd");
            hostile.own.ring(0, hostile::FRAME | shorter);
            let expected = Some(Violation::NothingInFrame {
                payload: shorter,
                already: 4,
            });
            for _ in 0..2 {
                let read = if spare {
                    victim.read_buf(&mut Vec::with_capacity(8)).await
                } else {
                    victim.read(&mut four).await
                };
                assert_eq!(broken(read), expected);
            }
        }
    });
}

/// Lies in every word and at full rate, while both halves are at work: each half ends, and none is held when the liar has gone. A stream beside it in the same runtime goes on.
///
/// What a liar leaves in its ring may be frames in a circle, and so bytes without end, which are read like others: whoever reads is told nothing, and waits for nothing either.
#[test]
fn a_liar_holds_no_task() {
    const WORDS: u64 = 20_000;
    const ENDLESS: usize = 1 << 20;
    on_both(|| async {
        for seed in 0..12 {
            let gone = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&gone);
            let (victim, hostile) = victim().await;
            let (mut reader, mut writer) = victim.split();
            let reading = tokio::spawn(async move {
                let mut buffer = vec![0; 3000];
                let mut since = 0;
                loop {
                    let len = 1 + seed as usize * 239;
                    match reader.read(&mut buffer[..len]).await {
                        // It may say goodbye, too.
                        Ok(0) => break ErrorKind::BrokenPipe,
                        Ok(_) if since > ENDLESS => break ErrorKind::InvalidData,
                        Ok(read) if told.load(Ordering::Relaxed) => since += read,
                        Ok(_) => {}
                        Err(error) => break error.kind(),
                    }
                }
            });
            let writing = tokio::spawn(async move {
                let bytes = vec![7; 3000];
                loop {
                    if let Err(error) = writer.write(&bytes[..=seed as usize * 197]).await {
                        break error.kind();
                    }
                }
            });
            let lying = spawn_blocking(move || {
                Liar::new(&hostile, seed).of_bytes().lie(WORDS);
                hostile
            });
            let (mut good, mut raw, _back) = raw().await;
            for n in 0..50_u8 {
                raw.send(&[n]).unwrap();
                assert_eq!(good.read_u8().await.unwrap(), n);
            }
            drop(lying.await.unwrap());
            gone.store(true, Ordering::Relaxed);
            for end in [reading.await.unwrap(), writing.await.unwrap()] {
                let is_told = matches!(
                    end,
                    ErrorKind::InvalidData | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                );
                assert!(is_told, "seed {seed}: {end:?}");
            }
        }
    });
}
