//! The half that sends as a sink: what is fed is published in groups.

use core::task::{Context, Poll};
use std::pin::Pin;

use bytes::Bytes;
use futures_sink::Sink;

use super::Sender;
use crate::connection::SendError;

/// Frames that are kept back at most until the sink is flushed.
const GROUP_FRAMES: u32 = 64;
/// Bytes of them.
const GROUP_BYTES: usize = 16 << 10;

impl Sink<Bytes> for Sender {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        if this.kept.is_some() {
            return this.poll_settled(cx);
        }
        this.lane.poll_pace(cx).map(Ok)
    }

    /// # Panics
    /// If the sink is not ready: it keeps one item for which there is no room.
    #[inline]
    fn start_send(self: Pin<&mut Self>, item: Bytes) -> Result<(), SendError> {
        let this = self.get_mut();
        assert!(this.kept.is_none(), "poll_ready comes before start_send");
        let half = &mut this.lane.half;
        if this.frames == 0 {
            half.heed_verdict()?;
        }
        match half.append(&item, 0, None) {
            Ok(()) => {
                let waited_for = half.peer_has_waited();
                this.frames += 1;
                this.bytes += item.len();
                this.lane.passed(item.len());
                if waited_for || this.frames >= GROUP_FRAMES || this.bytes >= GROUP_BYTES {
                    this.publish();
                }
                Ok(())
            }
            Err(SendError::Full) => {
                // What is kept back must be visible before anybody waits, or the peer could not make room.
                this.publish();
                this.kept = Some(item);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_settled(cx)
    }

    /// As a flush. The goodbye is said by the drop.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_settled(cx)
    }
}
