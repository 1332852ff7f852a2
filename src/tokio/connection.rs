//! Both halves, in a task.

use super::{Receiver, Sender};
use crate::connection::{self, Peer};
use crate::error::Error;

/// Both directions to one peer, in a task.
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
}

impl Connection {
    /// Has the runtime watch both halves of `connection` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch more descriptors.
    pub fn new(connection: connection::Connection) -> Result<Self, Error> {
        let (sender, receiver) = connection.split();
        Ok(Self {
            receiver: Receiver::new(receiver)?,
            sender: Sender::new(sender)?,
        })
    }

    /// Takes the halves apart: each may live in a task of its own. The connection ends for the peer's half when ours is dropped.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// The half that sends.
    pub fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// The half that receives.
    pub fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Both halves at once: to answer a frame while it is looked at.
    pub fn halves(&mut self) -> (&mut Sender, &mut Receiver) {
        (&mut self.sender, &mut self.receiver)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }
}
