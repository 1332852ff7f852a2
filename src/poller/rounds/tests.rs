//! What rounds remember and count.

use std::time::Duration;

use super::super::{Event, Poller};
use crate::connection::{Config, Listener};
use crate::wake::ladder::Wait;

#[test]
fn who_has_left_is_not_remembered_among_those_who_were_hot() {
    let name = format!("ringway-test-dormant-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut poller: Poller = Poller::new().unwrap();
    let config = Config::new().handshake_timeout(Duration::from_secs(20));
    let listener: Listener = config.bind(path.as_path()).unwrap();
    poller.listen(listener, |connection| connection).unwrap();
    let clients = std::thread::spawn(move || {
        for _ in 0..200 {
            let connection = config.connect(path.as_path()).unwrap();
            std::thread::sleep(Duration::from_millis(1));
            drop(connection);
        }
    });
    let mut ended = 0;
    while ended < 200 {
        ended += usize::from(matches!(poller.event().unwrap(), Some(Event::Ended(_))));
    }
    clients.join().unwrap();
    assert!(poller.dormant.len() < 100, "{}", poller.dormant.len());
}

/// One that only spins is looked at for as long as it has nothing, which may be days.
#[test]
fn looks_in_vain_may_be_any_number() {
    let name = format!("ringway-test-barren-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let config = Config::new().handshake_timeout(Duration::from_secs(20));
    let config = config.wait(Wait::Spin);
    let mut listener = config.bind(path.as_path()).unwrap();
    let client = std::thread::spawn(move || config.connect(path.as_path()).unwrap());
    let mut poller: Poller = Poller::new().unwrap();
    poller.add(listener.accept().unwrap()).unwrap();
    let mut client = client.join().unwrap();
    poller.barren = u32::MAX - 2;
    for _ in 0..5 {
        assert!(poller.try_event().unwrap().is_none());
    }
    assert!(poller.barren < 100);
    client.sender().send(b"found").unwrap();
    assert!(matches!(poller.event().unwrap(), Some(Event::Ready(_))));
}
