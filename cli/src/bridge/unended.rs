//! A stream of Ringway that is broken off wherever it is dropped: an end in order is told on purpose, and never comes of a failure on the way.

use ringway::stream::{ByteReader, ByteStream, ByteWriter};

/// What can be broken off.
pub(super) trait Abort {
    /// Ends the stream in both directions, without a goodbye.
    fn abort(self);
}

impl Abort for ByteStream {
    fn abort(self) {
        Self::abort(self);
    }
}

impl Abort for ByteReader {
    fn abort(self) {
        Self::abort(self);
    }
}

impl Abort for ByteWriter {
    fn abort(self) {
        Self::abort(self);
    }
}

/// A stream or a half of one, which has not ended yet.
#[derive(Debug)]
pub(super) struct Unended<S: Abort>(Option<S>);

impl<S: Abort> Unended<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Some(stream))
    }

    /// It, to be used.
    pub(super) fn get(&mut self) -> &mut S {
        self.0.as_mut().expect("it is taken by its end only")
    }

    /// Ends it in order.
    pub(super) fn end(mut self) {
        drop(self.0.take());
    }
}

impl Unended<ByteStream> {
    /// Its halves, none of which has ended either.
    pub(super) fn split(mut self) -> (Unended<ByteReader>, Unended<ByteWriter>) {
        let stream = self.0.take().expect("it is taken by its end only");
        let (reader, writer) = stream.split();
        (Unended::new(reader), Unended::new(writer))
    }
}

impl<S: Abort> Drop for Unended<S> {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.abort();
        }
    }
}
