//! A stream of bytes in tasks.

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use ringway::RecvError;
use ringway::tokio::{ByteListener, ByteStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::time::timeout;

use crate::scene::{on_both, one_thread, path, patient, run};

/// Two ends, with rings of so many bytes.
async fn streams(capacity: usize) -> (ByteStream, ByteStream) {
    let config = patient().capacity(capacity).peer_capacity(capacity);
    let path = path();
    let mut listener = ByteListener::bind_with(&config, path.as_path()).unwrap();
    let client = ByteStream::connect_with(&config, path);
    let (client, server) = tokio::join!(client, listener.accept());
    (client.unwrap(), server.unwrap())
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|place| (place ^ (place >> 7) ^ (place >> 13)) as u8)
        .collect()
}

#[test]
fn bytes_go_both_ways_at_once_and_each_direction_ends_by_itself() {
    on_both(|| async {
        for capacity in [4 << 10, 256 << 10] {
            let (client, mut server) = streams(capacity).await;
            let sent = bytes(3_000_000);
            let expected = sent.clone();
            let echo = tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(&mut server);
                copy(&mut reader, &mut writer).await.unwrap();
                writer.shutdown().await.unwrap();
            });
            let (mut reader, mut writer) = client.split();
            let write = tokio::spawn(async move {
                for part in sent.chunks(100_001) {
                    writer.write_all(part).await.unwrap();
                }
                writer.shutdown().await.unwrap();
                let late = writer.write(b"late").await.unwrap_err();
                assert_eq!(late.kind(), ErrorKind::BrokenPipe);
            });
            let mut received = Vec::new();
            reader.read_to_end(&mut received).await.unwrap();
            assert!(received == expected);
            assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0, "the end stays");
            echo.await.unwrap();
            write.await.unwrap();
        }
    });
}

#[test]
fn tokio_copies_in_both_directions() {
    on_both(|| async {
        let (mut client, mut left) = streams(64 << 10).await;
        let (mut right, mut server) = streams(64 << 10).await;
        let proxy = tokio::spawn(async move { copy_bidirectional(&mut left, &mut right).await });
        let question = bytes(500_000);
        let ask = async {
            client.write_all(&question).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = async {
            let mut asked = Vec::new();
            server.read_to_end(&mut asked).await.unwrap();
            assert!(asked == question);
            server.write_all(b"understood").await.unwrap();
            server.shutdown().await.unwrap();
        };
        let (answer, ()) = tokio::join!(ask, answer);
        assert_eq!(answer, b"understood");
        assert_eq!(proxy.await.unwrap().unwrap(), (500_000, 10));
    });
}

#[test]
fn several_slices_are_written_as_one() {
    on_both(|| async {
        let (mut client, mut server) = streams(64 << 10).await;
        let slices = [b"one, ".as_slice(), b"", b"two, ", b"three"].map(IoSlice::new);
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 15);
        let mut read = [0; 64];
        assert_eq!(server.read(&mut read).await.unwrap(), 15);
        assert_eq!(&read[..15], b"one, two, three");
        assert!(tokio::io::AsyncWrite::is_write_vectored(&client));
    });
}

/// A read into memory that nobody has initialized takes what is there, and no more.
#[test]
fn a_read_into_spare_capacity_takes_what_is_there() {
    on_both(|| async {
        let (mut client, mut server) = streams(64 << 10).await;
        client.write_all(b"first").await.unwrap();
        client.write_all(b"second").await.unwrap();
        let mut read = Vec::with_capacity(1000);
        assert_eq!(server.read_buf(&mut read).await.unwrap(), 11);
        assert_eq!(read, b"firstsecond");
        let mut little = Vec::with_capacity(3);
        client.write_all(b"third").await.unwrap();
        assert_eq!(server.read_buf(&mut little).await.unwrap(), 3);
        assert_eq!(server.read_buf(&mut read).await.unwrap(), 2);
        assert_eq!(read, b"firstsecondrd");
    });
}

/// A read and a write are dropped at each of their first polls, again and again: no byte is lost or doubled.
#[test]
fn what_is_dropped_in_the_middle_loses_nothing() {
    on_both(|| async {
        let (mut client, mut server) = streams(4 << 10).await;
        let sent = bytes(200_000);
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            let mut left = &sent[..];
            while !left.is_empty() {
                let wait = Duration::from_micros(left.len() as u64 % 50);
                let part = &left[..left.len().min(1_700)];
                if let Ok(written) = timeout(wait, client.write(part)).await {
                    left = &left[written.unwrap()..];
                }
            }
        });
        let mut received = Vec::new();
        let mut buffer = [0; 1_300];
        loop {
            let wait = Duration::from_micros(received.len() as u64 % 50);
            match timeout(wait, server.read(&mut buffer)).await {
                Ok(read) => match read.unwrap() {
                    0 => break,
                    read => received.extend_from_slice(&buffer[..read]),
                },
                Err(_) => tokio::task::yield_now().await,
            }
        }
        assert!(received == expected);
        writer.await.unwrap();
    });
}

#[test]
fn a_reader_that_stops_bounds_what_is_written() {
    on_both(|| async {
        let (mut client, mut server) = streams(64 << 10).await;
        let mut written = 0;
        let part = [7; 1000];
        while let Ok(more) = timeout(Duration::from_millis(100), client.write(&part)).await {
            written += more.unwrap();
            assert!(written <= 64 << 10, "more than the ring holds");
        }
        assert!(written > 32 << 10);
        let mut read = vec![0; written];
        server.read_exact(&mut read).await.unwrap();
        client.write_all(&part).await.unwrap();
    });
}

/// A half that is lost by a panic is no end of the stream.
#[test]
fn a_task_that_panics_is_no_end_of_the_stream() {
    let (mut client, server) = run(&one_thread(), streams(64 << 10));
    run(&one_thread(), async move {
        client.write_all(b"asked").await.unwrap();
        let task = tokio::spawn(async move {
            let _server = server;
            std::panic::resume_unwind(Box::new("the test's own panic"));
        });
        assert!(task.await.unwrap_err().is_panic());
        let end = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        let source = end.get_ref().and_then(|source| source.downcast_ref());
        assert_eq!(source, Some(&RecvError::PeerClosed));
    });
}

/// A task that reads hears that the half beside it has broken the stream off, and the other way round.
#[test]
fn who_breaks_a_stream_off_wakes_a_task_of_his_own() {
    on_both(|| async {
        let (client, server) = streams(64 << 10).await;
        let (mut reader, writer) = client.split();
        let waiting = tokio::spawn(async move { reader.read(&mut [0; 8]).await.unwrap_err() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        writer.into_inner().abort();
        let end = waiting.await.unwrap();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);

        let (reader, mut writer) = server.split();
        let end = writer.write_all(&bytes(1 << 20)).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        drop(reader);

        let (client, _server) = streams(64 << 10).await;
        let (reader, mut writer) = client.split();
        let waiting =
            tokio::spawn(async move { writer.write_all(&bytes(1 << 20)).await.unwrap_err() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        reader.into_inner().abort();
        assert_eq!(waiting.await.unwrap().kind(), ErrorKind::ConnectionReset);
    });
}

/// What a peer's end is for a read, behind the last byte, and for writes: the same in a task as in a thread (`each_end_is_told_by_reads_and_writes`).
#[test]
fn each_end_is_told_by_reads_and_writes() {
    /// Where they are to end, that is waited for, however late a thread gets its processor.
    async fn end_of_writes(stream: &mut ByteStream, ends: bool) -> Option<ErrorKind> {
        let writes = async {
            loop {
                if let Err(error) = stream.write(&[7; 1000]).await {
                    break error.kind();
                }
            }
        };
        let patience = Duration::from_millis(if ends { 60_000 } else { 600 });
        timeout(patience, writes).await.ok()
    }
    on_both(|| async {
        let (broken, reset) = (ErrorKind::BrokenPipe, ErrorKind::ConnectionReset);
        let rows = [
            ("dropped", None, Some(broken)),
            ("shut down for writing", None, None),
            ("aborted", Some(reset), Some(reset)),
            ("dropped by a panic", Some(reset), Some(reset)),
        ];
        for (how, read, write) in rows {
            let (mut left, mut right) = streams(64 << 10).await;
            right.write_all(b"last").await.unwrap();
            let mut kept = None;
            match how {
                "dropped" => drop(right),
                "shut down for writing" => {
                    right.shutdown().await.unwrap();
                    kept = Some(right);
                }
                "aborted" => right.split().1.into_inner().abort(),
                _ => {
                    let task = tokio::spawn(async move {
                        let _right = right;
                        std::panic::resume_unwind(Box::new("the test's own panic"));
                    });
                    assert!(task.await.unwrap_err().is_panic());
                }
            }
            left.read_exact(&mut [0; 4]).await.unwrap();
            for _ in 0..2 {
                let found = left.read(&mut [0; 8]).await;
                assert_eq!(
                    found.as_ref().err().map(std::io::Error::kind),
                    read,
                    "{how}"
                );
                assert!(found.is_err() || found.is_ok_and(|read| read == 0), "{how}");
            }
            let found = end_of_writes(&mut left, write.is_some()).await;
            assert_eq!(found, write, "{how}");
            drop(kept);
        }
    });
}

#[test]
fn a_client_that_asks_for_several_lanes_ends_nobody_s_accept() {
    on_both(|| async {
        let wide = patient().lanes(2);
        let path = path();
        let mut listener = ByteListener::bind_with(&wide, path.as_path()).unwrap();
        let clients = async {
            let refused = ByteStream::connect_with(&wide, path.as_path()).await;
            let why = refused.unwrap_err();
            assert_eq!(why.kind(), ringway::ErrorKind::InvalidConfig, "{why}");
            ByteStream::connect_with(&patient(), path.as_path()).await
        };
        let (client, server) = tokio::join!(clients, listener.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        client.write_all(b"served").await.unwrap();
        let mut served = [0; 6];
        server.read_exact(&mut served).await.unwrap();
        assert_eq!(&served, b"served");
        let refusals = (listener.get_ref().get_ref()).refusals();
        assert_eq!(refusals, 1);
        let why = listener.get_ref().get_ref().last_refusal().unwrap();
        assert_eq!(why.kind(), ringway::ErrorKind::InvalidConfig, "{why}");
    });
}
