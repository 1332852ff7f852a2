//! Messages as they lie in memory, in the shape of a codec: to encode is to copy.

use core::fmt;

use ringway::codec::{Codec, Format};
use zerocopy::{FromBytes, IntoBytes};

use super::records::{Book, FlatBook, FlatOrder, Level};

/// No format at all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flat {}

impl Format for Flat {
    const ID: u32 = 0;
    const NAME: &'static str = "zero-copy";
}

/// The frame has another length than the message.
#[derive(Debug)]
pub(super) struct Misfit;

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the frame has another length than the message")
    }
}

impl Codec<FlatOrder> for Flat {
    type Error = Misfit;

    #[inline]
    fn encode(value: &FlatOrder, bytes: &mut Vec<u8>) -> Result<(), Misfit> {
        bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<FlatOrder, Misfit> {
        FlatOrder::read_from_bytes(bytes).map_err(|_| Misfit)
    }
}

impl Codec<Book> for Flat {
    type Error = Misfit;

    #[inline]
    fn encode(value: &Book, bytes: &mut Vec<u8>) -> Result<(), Misfit> {
        let head = FlatBook {
            instrument: value.instrument,
            nanos: value.nanos,
        };
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(value.levels.as_bytes());
        Ok(())
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<Book, Misfit> {
        let (head, rest) = FlatBook::read_from_prefix(bytes).map_err(|_| Misfit)?;
        let mut levels = vec![Level::default(); rest.len() / size_of::<Level>()];
        if rest.len() % size_of::<Level>() != 0 {
            return Err(Misfit);
        }
        levels.as_mut_bytes().copy_from_slice(rest);
        Ok(Book {
            instrument: head.instrument,
            nanos: head.nanos,
            levels,
        })
    }
}
