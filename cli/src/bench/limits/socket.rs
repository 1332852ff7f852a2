//! A pipe and a stream socket, for comparison: what a program uses that does not know better.

use std::fs::File;
use std::io::{self, Read, Write};

use super::super::fail;
use super::super::kit::{Kit, Side};
use super::super::work::Link;

/// One end of two pipes, or of one socket.
#[derive(Debug)]
pub(crate) struct Socket {
    input: File,
    output: File,
}

impl Socket {
    /// A pipe for each direction.
    pub(crate) fn pipe(kit: &Kit, side: Side) -> io::Result<Self> {
        let input = kit.pipes[side.peer().index()].0.try_clone()?.into();
        let output = kit.pipes[side.index()].1.try_clone()?.into();
        Ok(Self { input, output })
    }

    /// A connected Unix socket.
    pub(crate) fn unix(kit: &Kit, side: Side) -> io::Result<Self> {
        let own = &kit.sockets[side.index()];
        Ok(Self {
            input: own.try_clone()?.into(),
            output: own.try_clone()?.into(),
        })
    }
}

impl Link for Socket {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        if let Err(error) = self.output.write_all(payload) {
            fail(&error);
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        if let Err(error) = self.input.read_exact(payload) {
            fail(&error);
        }
    }
}
