//! Streams of bytes: written in pieces and by vectors, read in other pieces, closed in one direction at a time, or broken off.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use ringway::stream::{ByteReader, ByteStream, ByteWriter};

use crate::frames::table;
use crate::process::Random;
use crate::talk::Talk;
use crate::tally::{Count, Tally};
use crate::terms::Terms;

/// Bytes of one stream: the table again and again, from a place on that is the stream's own.
#[derive(Clone, Copy)]
struct Bytes {
    from: usize,
    length: usize,
}

impl Bytes {
    fn draw(draw: &mut Random, much: u64) -> Self {
        Self {
            from: draw.below(60_000) as usize,
            length: draw.below(much * 8_000) as usize,
        }
    }

    /// From byte `at` on, at most so many as the table has.
    fn at(self, at: usize) -> &'static [u8] {
        let rest = &table()[(self.from + at) % table().len()..];
        &rest[..rest.len().min(self.length - at)]
    }
}

fn write_all(writer: &mut ByteWriter, bytes: Bytes, draw: &mut Random) {
    let mut at = 0;
    while at < bytes.length {
        let rest = bytes.at(at);
        let power = draw.below(16);
        let piece = &rest[..rest.len().min(1 + draw.below(1 << power) as usize)];
        let written = match draw.below(3) {
            0 => writer.write(piece).unwrap(),
            1 => match writer.try_write(piece) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => panic!("{error}"),
            },
            _ => {
                let (one, other) = piece.split_at(draw.below(piece.len() as u64) as usize);
                let slices = [IoSlice::new(one), IoSlice::new(&[]), IoSlice::new(other)];
                writer.write_vectored(&slices).unwrap()
            }
        };
        at += written;
    }
}

fn read_all(reader: &mut ByteReader, bytes: Bytes, draw: &mut Random, tally: &mut Tally) {
    let mut at = 0;
    let mut buffer = vec![0; 100_000];
    while at < bytes.length {
        let power = draw.below(18);
        let most = buffer.len().min(1 + draw.below(1 << power) as usize);
        let (one, other) = buffer[..most].split_at_mut(most / 3);
        let read = match draw.below(3) {
            0 => {
                let mut slices = [IoSliceMut::new(one), IoSliceMut::new(other)];
                reader.read_vectored(&mut slices).unwrap()
            }
            _ => reader.read(&mut buffer[..most]).unwrap(),
        };
        assert_ne!(read, 0, "the stream ends at {at} of {}", bytes.length);
        let mut compared = 0;
        while compared < read {
            let there = bytes.at(at);
            let part = there.len().min(read - compared);
            assert_ne!(
                part, 0,
                "more than {} bytes are not what was sent",
                bytes.length
            );
            assert!(
                buffer[compared..compared + part] == there[..part],
                "bytes {at} to {} are not what was sent",
                at + part
            );
            compared += part;
            at += part;
        }
    }
    tally.add(Count::Bytes, at as u64);
}

const MORE: &str = "what comes behind the last byte is not what was sent";

fn assert_ended(reader: &mut ByteReader) {
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{MORE}");
}

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

impl Talk<'_> {
    pub(crate) fn byte_stream(&mut self) {
        self.tally.add(Count::Streams, 1);
        let terms = Terms::draw(&mut self.draw, 0).with(ringway::Config::byte_stream);
        let connection = self.open(&terms);
        let mut stream = ByteStream::over(connection).unwrap();
        stream.set_read_timeout(MINUTE);
        stream.set_write_timeout(MINUTE);
        let mut both = [(); 2].map(|()| Bytes::draw(&mut self.draw, self.much));
        if self.side == 1 {
            both.reverse();
        }
        let begins = self.draw.below(2) == self.side;
        let mut own = Random::new(both[0].from as u64);
        match self.draw.below(3) {
            0 => self.at_once(stream, both, own),
            1 => {
                // A question that ends, and the answer to it.
                let (reader, writer) = stream.halves();
                let mut tally = Tally::default();
                if begins {
                    write_all(writer, both[0], &mut own);
                    stream.shutdown(Shutdown::Write).unwrap();
                    read_all(stream.halves().0, both[1], &mut own, &mut tally);
                } else {
                    read_all(reader, both[1], &mut own, &mut tally);
                    assert_ended(reader);
                    write_all(writer, both[0], &mut own);
                    stream.shutdown(Shutdown::Write).unwrap();
                }
                assert_ended(stream.halves().0);
                self.tally.merge(&tally);
            }
            _ if begins => {
                write_all(stream.halves().1, both[0], &mut own);
                stream.abort();
                self.tally.add(Count::BrokenOff, 1);
            }
            _ => {
                let reader = stream.halves().0;
                read_all(reader, both[1], &mut own, self.tally);
                let error = reader.read(&mut [0]).expect_err(MORE);
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            }
        }
        self.meeting.agree("the end of a stream", 0);
    }

    /// Both ways at once, to the end of each.
    fn at_once(&mut self, stream: ByteStream, both: [Bytes; 2], mut own: Random) {
        let (mut reader, mut writer) = stream.split();
        let mut writing = Random::new(own.next());
        thread::scope(|scope| {
            scope.spawn(move || write_all(&mut writer, both[0], &mut writing));
            read_all(&mut reader, both[1], &mut own, self.tally);
            assert_ended(&mut reader);
        });
    }
}
