//! What the two sides say of their frames is judged when they connect, by both of them and in both directions.

mod pair;
mod record;

use std::thread;
use std::time::Instant;

use ringway::schema::Schema;
use ringway::{Config, Connection, ErrorKind, Limits};

use pair::{patient, soon};
use record::quote;

fn old() -> Schema {
    quote(&[("price", 8), ("size", 8)])
}

/// One field more.
fn new() -> Schema {
    quote(&[("price", 8), ("size", 8), ("venue", 8)])
}

/// Another type in the second place.
fn other() -> Schema {
    quote(&[("price", 8), ("size", 4), ("flags", 4)])
}

fn config(sends: Option<Schema>, expects: Option<Schema>) -> Config {
    let mut config = Config::new();
    if let Some(schema) = sends {
        config = config.sends(schema);
    }
    if let Some(schema) = expects {
        config = config.expects(schema);
    }
    config
}

/// They agree, and a frame goes each way behind the tables.
fn agree(name: &str, server: &Config, client: &Config) -> (Connection, Connection) {
    let (mut server, mut client) = pair::pair(name, server, client);
    client.sender().send(b"from the client").unwrap();
    server.sender().send(b"from the server").unwrap();
    let frame = server.receiver().recv_deadline(soon()).unwrap().to_vec();
    assert_eq!(frame, b"from the client");
    let frame = client.receiver().recv_deadline(soon()).unwrap().to_vec();
    assert_eq!(frame, b"from the server");
    (server, client)
}

/// They do not agree: what the client hears, and what the server.
fn disagree(name: &str, server: &Config, client: &Config) -> [(ErrorKind, String); 2] {
    let path = std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()));
    let mut listener = patient(server).bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| patient(client).connect(path.as_path()));
        let end = soon();
        while listener.refusals() == 0 {
            assert!(Instant::now() < end, "nobody was refused");
            assert!(listener.try_accept().unwrap().is_none(), "it was let in");
            thread::yield_now();
        }
        let client = client.join().unwrap().expect_err("it got in");
        let server = listener.last_refusal().unwrap();
        [&client, server].map(|error| (error.kind(), error.to_string()))
    })
}

#[test]
fn who_says_nothing_carries_bytes_as_ever() {
    let (server, client) = agree("bytes", &Config::new(), &Config::new());
    for side in [&server, &client] {
        assert_eq!((side.peer_sends(), side.peer_expects()), (None, None));
    }
}

#[test]
fn equal_schemas_agree_and_each_side_knows_the_others() {
    let (server, client) = agree(
        "equal",
        &config(Some(old()), Some(other())),
        &config(Some(other()), Some(old())),
    );
    assert_eq!(client.peer_sends(), Some(&old()));
    assert_eq!(client.peer_expects(), Some(&other()));
    assert_eq!(server.peer_sends(), Some(&other()));
    assert_eq!(server.peer_expects(), Some(&old()));
}

#[test]
fn a_longer_one_and_a_shorter_one_agree_both_ways() {
    for (name, sends, expects) in [("newer", new(), old()), ("older", old(), new())] {
        let (server, client) = agree(
            name,
            &config(Some(sends.clone()), Some(sends.clone())),
            &config(Some(expects.clone()), Some(expects.clone())),
        );
        assert_eq!(client.peer_sends(), Some(&sends));
        assert_eq!(client.peer_expects(), Some(&sends));
        assert_eq!(server.peer_sends(), Some(&expects));
        assert_eq!(server.peer_expects(), Some(&expects));
    }
}

#[test]
fn a_difference_is_shown_to_both_in_either_direction() {
    // What the server sends, and what the client sends; the client is the first to see both.
    let cases = [
        (
            config(Some(old()), None),
            config(None, Some(other())),
            "the client cannot read what the server sends",
        ),
        (
            config(None, Some(other())),
            config(Some(old()), None),
            "the server cannot read what the client sends",
        ),
    ];
    for (index, (server, client, who)) in cases.into_iter().enumerate() {
        let [client, server] = disagree(&format!("differ-{index}"), &server, &client);
        for (kind, text) in [&client, &server] {
            assert_eq!(*kind, ErrorKind::Schema, "{text}");
            assert!(text.contains(who), "{text}");
            assert!(text.contains("field `size` of `Quote`"), "{text}");
        }
        // Who refuses sees both tables, who is refused the first difference.
        let lines: Vec<&str> = client.1.lines().collect();
        assert!(
            lines[1].contains("server") && lines[1].contains("client"),
            "{lines:?}"
        );
        assert!(client.1.contains("size: u64") && client.1.contains("size: u32"));
        assert!(client.1.contains("flags: u32"));
        assert!(server.1.starts_with("the client refused: "));
        assert_eq!(server.1.lines().count(), 1, "{}", server.1);
    }
}

#[test]
fn bytes_without_a_schema_are_no_messages() {
    let cases = [
        (
            config(None, None),
            config(None, Some(old())),
            "the server sends bytes without a schema, the client expects messages",
        ),
        (
            config(None, Some(old())),
            config(None, None),
            "the client sends bytes without a schema, the server expects messages",
        ),
    ];
    for (index, (server, client, what)) in cases.into_iter().enumerate() {
        let name = format!("untyped-{index}");
        for (kind, text) in disagree(&name, &server, &client) {
            assert_eq!(kind, ErrorKind::Schema, "{text}");
            assert!(text.contains(what), "{text}");
        }
    }
    // Who expects nothing takes anything, and can read what it is.
    let (server, client) = agree("taker", &config(Some(old()), None), &Config::new());
    assert_eq!(client.peer_sends(), Some(&old()));
    assert_eq!(server.peer_sends(), None);
    let (server, _client) = agree("taken", &Config::new(), &config(Some(new()), None));
    assert_eq!(server.peer_sends(), Some(&new()));
}

#[test]
fn a_schema_that_breaks_a_rule_is_refused_at_home() {
    let twice = quote(&[("price", 8), ("price", 8)]);
    let path = std::env::temp_dir().join(format!("ringway-twice-{}", std::process::id()));
    let error = Config::new().sends(twice).bind(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.to_string().contains("what this side sends"),
        "{error}"
    );
}

/// A server that locks memory locks the client's segment too, which has these tables: they count.
#[test]
fn what_is_locked_of_a_clients_tables_counts() {
    let server = Config::new()
        .lock_memory(true)
        .lanes(2)
        .limits(Limits::new().bytes(1));
    let asked = |client: Config| -> u64 {
        let [(kind, text), _] = disagree("locked", &server, &client);
        assert_eq!(kind, ErrorKind::Resources);
        let (_, text) = text.split_once("0 are in use, and ").unwrap();
        text.split_once(" were asked").unwrap().0.parse().unwrap()
    };
    let tables = [None, Some(old()), Some(new())];
    let [nothing, some, more] = tables.map(|sends| asked(config(sends, None)));
    assert!(nothing < some && some < more, "{nothing}, {some}, {more}");
    // Each lane has a ring of either side.
    let rings = Config::new().capacity(1 << 14).peer_capacity(1 << 14);
    let [one, two] = [1, 2].map(|lanes| asked(rings.clone().lanes(lanes)));
    assert_eq!(two - one, 2 << 14);
}
