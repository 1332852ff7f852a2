//! Connecting, and taking a connection apart.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ringway::{Connection, Peer, Receiver, Sender};

use crate::boundary::{call, given, quietly, text};
use crate::config::ringway_config;
use crate::error::Failure;
use crate::receiver::{Manner, ringway_receiver};
use crate::schema::ringway_schema;
use crate::sender::ringway_sender;
use crate::status::ringway_status;

/// Both directions to one peer, which is to be split into its halves. One thread at a time uses it; it may be handed to another.
#[derive(Debug)]
pub struct ringway_connection {
    /// `None`: a call panicked while it had it.
    connection: Option<Connection>,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_peer {
    /// Its user id, as seen from our user namespace.
    pub uid: u32,
    /// Its process id; 0, if it has none in our pid namespace.
    pub pid: i32,
}

impl From<&Peer> for ringway_peer {
    fn from(peer: &Peer) -> Self {
        Self {
            uid: peer.uid,
            pid: peer.pid.unwrap_or(0),
        }
    }
}

impl ringway_connection {
    pub(crate) fn new(connection: Connection) -> Box<Self> {
        let connection = Some(connection);
        Box::new(Self { connection })
    }

    fn made(&self) -> Result<&Connection, Failure> {
        self.connection.as_ref().ok_or_else(Failure::poisoned)
    }

    /// Out of the handle before anything happens to it, so that the handle can be freed whatever does.
    fn taken_apart(
        &mut self,
        split: impl FnOnce(Connection) -> (Sender, Receiver),
    ) -> Result<(Box<ringway_sender>, Box<ringway_receiver>), Failure> {
        let connection = self.connection.take().ok_or_else(Failure::poisoned)?;
        let manner = Manner {
            holds: false,
            resumes: connection.lineage().is_some(),
        };
        let (sender, receiver) = split(connection);
        let receiver = ringway_receiver::new(receiver, manner);
        Ok((ringway_sender::new(sender), receiver))
    }
}

/// Connects to a listener and shakes hands. `address`: a name, or a path, which is what contains a slash. It waits for as long as the option
/// `RINGWAY_HANDSHAKE_TIMEOUT` says. May be called from any thread.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_connect(
    config: Option<&ringway_config>,
    address: *const c_char,
    connection: Option<&mut MaybeUninit<Box<ringway_connection>>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        // SAFETY: the caller's promise.
        let address = unsafe { text(address, "address") }?;
        let connection = given(connection, "connection")?;
        let made = config.config.connect(address)?;
        connection.write(ringway_connection::new(made));
        Ok(())
    })
}

/// Takes a connection apart: each half may be used by a thread of its own. On success the connection is given up, and only the halves are to be freed: set the variable to NULL, which is free to be freed. To split it again, or to free it, is undefined then. Otherwise it is as it was.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_connection_split(
    connection: *mut ringway_connection,
    sender: Option<&mut MaybeUninit<Box<ringway_sender>>>,
    receiver: Option<&mut MaybeUninit<Box<ringway_receiver>>>,
) -> ringway_status {
    call(|| {
        // SAFETY: NULL, or a handle that was not freed and that nobody else uses.
        let handle = given(unsafe { connection.as_mut() }, "connection")?;
        let (sender, receiver) = (given(sender, "sender")?, given(receiver, "receiver")?);
        let (ours, theirs) = handle.taken_apart(Connection::split)?;
        // SAFETY: one that `Box` gave away, which the caller gives up with this call: nothing fails any more, and nothing is in it.
        drop(unsafe { Box::from_raw(connection) });
        sender.write(ours);
        receiver.write(theirs);
        Ok(())
    })
}

/// Closes a connection that was not split: the peer hears that it is closed.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_connection_free(connection: Option<Box<ringway_connection>>) {
    quietly(|| drop(connection));
}

/// Who is at the other end.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_connection_peer(
    connection: Option<&ringway_connection>,
    peer: Option<&mut MaybeUninit<ringway_peer>>,
) -> ringway_status {
    call(|| {
        let connection = given(connection, "connection")?;
        given(peer, "peer")?.write(connection.made()?.peer().into());
        Ok(())
    })
}

/// What the peer says that it sends: a copy, to be freed with `ringway_schema_free`. `RINGWAY_NO_SUCH_FIELD`: it says nothing, and sends bytes without a meaning.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_connection_peer_sends(
    connection: Option<&ringway_connection>,
    schema: Option<&mut MaybeUninit<Box<ringway_schema>>>,
) -> ringway_status {
    call(|| {
        let (connection, schema) = (given(connection, "connection")?, given(schema, "schema")?);
        schema.write(ringway_schema::of(connection.made()?.peer_sends())?);
        Ok(())
    })
}

/// What the peer says that it expects: as `ringway_connection_peer_sends`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_connection_peer_expects(
    connection: Option<&ringway_connection>,
    schema: Option<&mut MaybeUninit<Box<ringway_schema>>>,
) -> ringway_status {
    call(|| {
        let (connection, schema) = (given(connection, "connection")?, given(schema, "schema")?);
        schema.write(ringway_schema::of(connection.made()?.peer_expects())?);
        Ok(())
    })
}

/// Which line of connections it belongs to, each of which resumes the one before: `token` is the same in all of them, and `generation`, the peer's word where that is the client, tells how many there were before. A frame is named for good by the token, its priority and its position (`ringway_frame`). The token proves nothing: whom to trust,
/// the uid says. Of what a server sends nothing lasts: each begins anew. `RINGWAY_NO_SUCH_FIELD`: it cannot be resumed, since this side has not set `RINGWAY_RESUMABLE`, or its client has not.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_connection_lineage(
    connection: Option<&ringway_connection>,
    token: Option<&mut MaybeUninit<[u8; 16]>>,
    generation: Option<&mut MaybeUninit<u32>>,
) -> ringway_status {
    call(|| {
        let connection = given(connection, "connection")?;
        let (token, generation) = (given(token, "token")?, given(generation, "generation")?);
        let lineage = connection.made()?.lineage().ok_or_else(|| {
            let text =
                "the connection cannot be resumed: this side, or its client, has not set RINGWAY_RESUMABLE";
            Failure::new(ringway_status::RINGWAY_NO_SUCH_FIELD, text)
        })?;
        token.write(lineage.token);
        generation.write(lineage.generation);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringway::{Config, Listener};

    use super::*;

    /// Whoever follows the words of the status frees the handle: there has to be one.
    #[test]
    fn a_connection_whose_split_panicked_is_freed_once_and_answers_nothing_else() {
        let path = std::env::temp_dir().join(format!("ringway-ffi-split-{}", std::process::id()));
        let config = Config::new().handshake_timeout(Duration::from_secs(20));
        let mut listener: Listener = config.bind(path.as_path()).unwrap();
        let client = std::thread::spawn(move || config.connect(path).unwrap());
        let _theirs = listener.accept().unwrap();
        let mut handle = ringway_connection::new(client.join().unwrap());
        let status = call(|| {
            handle.taken_apart(|_connection| panic!("planted"))?;
            Ok(())
        });
        assert_eq!(status, ringway_status::RINGWAY_PANICKED);
        let mut peer = MaybeUninit::uninit();
        let asked = ringway_connection_peer(Some(&handle), Some(&mut peer));
        assert_eq!(asked, ringway_status::RINGWAY_PANICKED);
        let (mut sender, mut receiver) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        let handle = Box::into_raw(handle);
        // SAFETY: the handle lives.
        let split =
            unsafe { ringway_connection_split(handle, Some(&mut sender), Some(&mut receiver)) };
        assert_eq!(split, ringway_status::RINGWAY_PANICKED);
        // SAFETY: it is given up, for the first time.
        ringway_connection_free(Some(unsafe { Box::from_raw(handle) }));
    }
}
