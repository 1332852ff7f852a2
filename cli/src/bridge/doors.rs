//! Where the clients of a bridge come from: TCP, or Ringway.

use std::fmt::Display;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use ringway::stream::ByteStream;
use ringway::{ErrorKind, Listener};

use super::Passage;
use super::passage::break_off;
use crate::exit::{Code, Failure};

/// A listener that never waits in `accept`.
pub(super) trait Door: AsFd {
    /// Who comes.
    type Client: Send + 'static;
    /// Whom it is joined with.
    type Other;
    /// Why there is none.
    type Refusal: Display;

    /// The next client, if there is one.
    fn accept(&mut self) -> Result<Option<Self::Client>, Failure>;
    /// Joins the two.
    fn passage(client: Self::Client, other: Self::Other) -> io::Result<Passage>;
    /// There is nobody to join it with.
    fn refuse(client: Self::Client);
}

impl Door for TcpListener {
    type Client = TcpStream;
    type Other = ByteStream;
    type Refusal = ringway::Error;

    fn accept(&mut self) -> Result<Option<TcpStream>, Failure> {
        match TcpListener::accept(self) {
            Ok((client, _)) => Ok(Some(client)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(Failure::new(
                    Code::Failed,
                    format!("cannot accept a client: {error}"),
                )),
            },
        }
    }

    fn passage(client: TcpStream, other: ByteStream) -> io::Result<Passage> {
        Passage::new(client, other)
    }

    fn refuse(client: TcpStream) {
        break_off(&client);
    }
}

impl Door for Listener {
    type Client = ByteStream;
    type Other = TcpStream;
    type Refusal = io::Error;

    fn accept(&mut self) -> Result<Option<ByteStream>, Failure> {
        match self.try_accept() {
            Ok(Some(connection)) => match ByteStream::over(connection) {
                Ok(stream) => Ok(Some(stream)),
                Err(error) => Err(Failure::new(Code::Failed, error)),
            },
            Ok(None) => Ok(None),
            // It goes on when some have gone.
            Err(error) if error.kind() == ErrorKind::Resources => Ok(None),
            Err(error) => Err(Failure::new(Code::Failed, error)),
        }
    }

    fn passage(client: ByteStream, other: TcpStream) -> io::Result<Passage> {
        Passage::new(other, client)
    }

    fn refuse(client: ByteStream) {
        client.abort();
    }
}
