//! Peers that keep no rule, against a stream of bytes in a task: each ends its own stream by the rule's name, and is in nobody's way.

use std::io::{self, ErrorKind};

use ringway::tokio::{ByteListener, ByteStream};
use ringway::{Config, RecvError, Sender, Violation};
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;

use crate::scene::{on_both, path};

/// A stream, and a peer that sends frames of its own into it.
async fn raw() -> (ByteStream, Sender, ringway::Receiver) {
    let config = Config::new().byte_stream();
    let path = path();
    let mut listener = ByteListener::new(config.bind(path.as_path()).unwrap()).unwrap();
    let client = spawn_blocking(move || config.connect(path).unwrap());
    let victim = listener.accept().await.unwrap();
    let (raw, back) = client.await.unwrap().split();
    (victim, raw, back)
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
