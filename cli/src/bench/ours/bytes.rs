//! A stream of bytes over a connection: what a program does that reads and writes.

use std::io::{Read, Write};
use std::path::Path;

use ringway::Config;
use ringway::stream::{ByteReader, ByteStream, ByteWriter};

use super::super::kit::Side;
use super::super::work::Link;
use super::super::{Failure, fail};
use super::meet;

/// One end of a stream. A message is as many bytes as its buffer has.
#[derive(Debug)]
pub(crate) struct Bytes {
    reader: ByteReader,
    writer: ByteWriter,
}

impl Bytes {
    pub(crate) fn new(config: Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let connection = meet(&config.byte_stream(), address, side)?;
        let (reader, writer) = ByteStream::over(connection)?.split();
        Ok(Self { reader, writer })
    }
}

impl Link for Bytes {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        if let Err(error) = self.writer.write_all(payload) {
            fail(&error);
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        if let Err(error) = self.reader.read_exact(payload) {
            fail(&error);
        }
    }
}
