//! Fields that should no longer be used are told of once.

use ringway::typed::{self, Message, Nothing};
use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::support::{patient, soon};

#[derive(Clone, Copy, Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Old {
    #[message(deprecated = "use price")]
    cents: u64,
    #[deprecated(note = "use place")]
    number: u32,
    rank: u32,
}

#[test]
fn each_end_hears_once() {
    let path = std::env::temp_dir().join(format!("ringway-deprecated-{}", std::process::id()));
    let mut listener =
        typed::Listener::<Nothing, Old>::bind_with(&patient(), path.as_path()).unwrap();
    let (mut client, mut server) = std::thread::scope(|scope| {
        let client = scope
            .spawn(|| typed::connect_with::<Old, Nothing>(&patient(), path.as_path()).unwrap());
        let server = listener.accept_deadline(soon()).unwrap();
        (client.join().unwrap(), server)
    });
    for told in [client.deprecated(), server.deprecated()] {
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "field `cents` of `Old` is deprecated: use price",
                "field `number` of `Old` is deprecated: use place"
            ]
        );
    }
    assert!(client.deprecated().is_empty() && server.deprecated().is_empty());
}
