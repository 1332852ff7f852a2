//! A thousand clients, each a task.

use std::path::Path;
use std::time::Duration;

use ringway::tokio::{Listener, connect_with};
use ringway::{Config, RecvError};

use crate::child::play;
use crate::scene::{one_thread, path, patient, several_threads};

const CLIENTS: usize = 1000;
const ROUNDS: u32 = 20;
const LIMIT: Duration = Duration::from_secs(120);

fn config() -> Config {
    let config = patient().capacity(1 << 12).peer_capacity(1 << 12);
    let config = config.handshake_timeout(Duration::from_secs(60));
    config.few_descriptors(true).raise_descriptor_limit(true)
}

/// What the process of the clients does.
pub(crate) fn clients(path: &Path) {
    one_thread().block_on(async {
        let mut clients = Vec::new();
        for number in 0..CLIENTS as u32 {
            let path = path.to_path_buf();
            clients.push(tokio::spawn(async move {
                let mut client = connect_with(&config(), path).await.unwrap();
                for round in 0..ROUNDS {
                    let ask = (number * ROUNDS + round).to_le_bytes();
                    client.sender().send(&ask).await.unwrap();
                    let answer = client.receiver().recv().await.unwrap().to_vec();
                    assert_eq!(answer, ask);
                }
                client
            }));
        }
        let mut all = Vec::new();
        for client in clients {
            all.push(client.await.unwrap());
        }
    });
}

#[test]
fn a_thousand_clients_are_served() {
    let path = path();
    let runtime = several_threads();
    let served = runtime.block_on(async {
        let mut listener = Listener::new(config().bind(path.as_path()).unwrap()).unwrap();
        let player = play("crowd", &path);
        let mut served = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = tokio::time::timeout(LIMIT, listener.accept())
                .await
                .expect("in time")
                .unwrap();
            served.push(tokio::spawn(async move {
                let mut answered = 0u32;
                loop {
                    let (sender, receiver) = client.halves();
                    match receiver.recv().await {
                        Ok(frame) => sender.send(&frame.to_vec()).await.unwrap(),
                        Err(error) => {
                            assert_eq!(error, RecvError::Closed);
                            break answered;
                        }
                    }
                    answered += 1;
                }
            }));
        }
        let mut answered = 0;
        for client in served {
            answered += tokio::time::timeout(LIMIT, client)
                .await
                .expect("in time")
                .unwrap();
        }
        player.succeeds();
        answered
    });
    assert_eq!(served, CLIENTS as u32 * ROUNDS);
}
