//! Bytes of their own for small frames, without an allocation for each.

use bytes::{Bytes, BytesMut};

use crate::connection::Frame;

/// Frames up to this share a piece of memory: a larger one has its own.
const SMALL: usize = 1 << 10;
/// Such a piece. It lives as long as any [`Bytes`] of it, and is used again once there is none.
const PIECE: usize = 16 << 10;

/// Where the next ones go.
#[derive(Debug, Default)]
pub(super) struct Pool(BytesMut);

impl Pool {
    /// A copy of the payload.
    #[inline]
    pub(super) fn copy(&mut self, frame: &Frame<'_>) -> Bytes {
        let len = frame.len();
        if len > SMALL {
            return Bytes::from(frame.to_vec());
        }
        let Self(piece) = self;
        if piece.capacity() < len {
            piece.reserve(PIECE);
        }
        piece.resize(len, 0);
        frame.copy_to(piece);
        piece.split().freeze()
    }
}
