//! What each kind of half waits for, and how.

use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;

use super::attended::Half;
use super::feeding::Sends;
use crate::batch::{Batcher, TypedBatcher};
use crate::connection::{self, Look, Rest, Rested, Room};
use crate::stream;
use crate::typed::{self, Messages};

/// A half that receives waits for a frame.
macro_rules! receives {
    ($({$($of:tt)*})? $half:ty, $this:ident => $lane:expr) => {
        impl$(<$($of)*>)? Half for $half {
            type Want = ();

            fn rest(&mut self) -> &mut Rest {
                let $this = self;
                $lane.resting()
            }

            fn descriptor(&self) -> BorrowedFd<'_> {
                self.as_fd()
            }

            fn look(&mut self, (): ()) -> bool {
                let $this = self;
                $lane.look() != Look::Nothing
            }

            fn arm(&mut self, (): ()) -> Rested {
                let $this = self;
                $lane.arm_until().unwrap_or(Rested::Ready)
            }

            fn position(&mut self) -> u64 {
                let $this = self;
                $lane.read_so_far()
            }
        }
    };
}

/// One that sends waits for room.
macro_rules! sends {
    ($({$($of:tt)*})? $half:ty, $this:ident => $lane:expr) => {
        impl$(<$($of)*>)? Half for $half {
            type Want = Room;

            fn rest(&mut self) -> &mut Rest {
                let $this = self;
                $lane.resting()
            }

            fn descriptor(&self) -> BorrowedFd<'_> {
                self.as_fd()
            }

            fn look(&mut self, want: Room) -> bool {
                let $this = self;
                $lane.looks_roomy(want)
            }

            fn arm(&mut self, want: Room) -> Rested {
                let $this = self;
                $lane.arm_until(want).unwrap_or(Rested::Ready)
            }
        }
    };
}

receives!(connection::Receiver, half => half);
receives!({M: Messages + ?Sized} typed::Receiver<M>, half => half.untyped());
receives!(stream::ByteReader, half => half.receiver());
sends!(connection::Sender, half => half);
sends!(stream::ByteWriter, half => half.sender());
sends!({M: Messages + ?Sized} typed::Sender<M>, half => half.untyped());
// What a batcher keeps back is published before anybody waits.
sends!(Batcher, half => half.sender());
sends!({M: Messages + ?Sized} TypedBatcher<M>, half => half.untyped().sender());

/// What a sink is fed of each.
impl Sends for connection::Sender {
    type Item = Bytes;

    #[inline(always)]
    fn frame(item: &Bytes) -> (u16, &[u8]) {
        (0, item)
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut connection::Sender {
        self
    }
}

impl<M: Messages + ?Sized> Sends for typed::Sender<M> {
    type Item = M::Received;

    #[inline(always)]
    fn frame(item: &M::Received) -> (u16, &[u8]) {
        M::encode(item)
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut connection::Sender {
        self.untyped()
    }
}
