//! Having at hand what the next frame will need, where there is time for it before the frame is there.

use super::Producer;
use crate::segment::{ForeignWord, OwnRing, OwnWord};

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// Asks for the lines of the next frame, to be written: by whoever has many lanes and knows which one comes next. A hint.
    pub(crate) fn warm(&self) {
        if self.tail < self.ring.gate() {
            self.ring.warm(self.ring.place(self.tail));
        }
    }
}
