//! Messages in tasks.

use futures_util::StreamExt;
use ringway::tokio::typed::{Connection, Listener, connect_with};
use ringway::typed::{self, Message, RecvError};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::scene::{on_both, path, patient};

#[derive(Message, FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Tick {
    number: u64,
    price: f64,
}

type Ours = Connection<Tick, Tick>;

async fn pair() -> (Ours, Ours) {
    let path = path();
    let config = patient().capacity(1 << 14).peer_capacity(1 << 14);
    let listener = typed::Listener::bind_with(&config, path.as_path()).unwrap();
    let mut listener: Listener<Tick, Tick> = Listener::new(listener).unwrap();
    let (client, server) = tokio::join!(connect_with(&config, path), listener.accept());
    (client.unwrap(), server.unwrap())
}

fn tick(number: u64) -> Tick {
    let price = f64::from(number as u32) / 2.0;
    Tick { number, price }
}

#[test]
fn messages_arrive_as_they_were_sent() {
    on_both(|| async {
        const COUNT: u64 = 10_000;
        let (ours, theirs) = pair().await;
        let (mut sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let sending = tokio::spawn(async move {
            for n in 0..COUNT {
                match n % 3 {
                    0 => sender.send(&tick(n)).await.unwrap(),
                    1 => sender.send_any(&tick(n)).await.unwrap(),
                    _ => {
                        let mut place = sender.reserve::<Tick>().await.unwrap();
                        *place = tick(n);
                        place.commit();
                    }
                }
            }
            let ticks: Vec<_> = (0..9).map(tick).collect();
            sender.send_slice(&ticks).await.unwrap();
        });
        for n in 0..COUNT {
            match n % 3 {
                0 => assert_eq!(receiver.recv().await.unwrap(), tick(n)),
                1 => assert_eq!(receiver.next().await.unwrap().unwrap(), tick(n)),
                _ => {
                    let mut message = tick(0);
                    receiver.recv_into(&mut message).await.unwrap();
                    assert_eq!(message, tick(n));
                }
            }
        }
        let batch = receiver.recv_batch().await.unwrap();
        assert!(batch.iter().eq((0..9).map(tick)));
        sending.await.unwrap();
        assert!(receiver.next().await.is_none());
    });
}

/// What is no message is an error of one call, and the stream goes on behind it.
#[test]
fn a_frame_that_is_no_message_is_one_error() {
    on_both(|| async {
        let (ours, theirs) = pair().await;
        let (sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let (mut half, _) = sender.into_inner();
        half.untyped().send(b"nonsense").unwrap();
        half.send(&tick(1)).unwrap();
        let first = receiver.next().await.unwrap();
        assert!(matches!(first, Err(RecvError::Invalid(_))), "{first:?}");
        assert_eq!(receiver.next().await.unwrap().unwrap(), tick(1));
        drop(half);
        assert!(receiver.next().await.is_none());
    });
}
