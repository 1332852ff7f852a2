//! Frames that become visible together.

use crate::boundary::{call, given};
use crate::sender::ringway_sender;
use crate::status::ringway_status;

/// Opens a group: what is sent or committed from now on becomes visible together, with one store, by `ringway_sender_publish` (or before, where there is no room for more). It costs less for each
/// frame, and the peer sees all of it or nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_sender_open_group(
    sender: Option<&mut ringway_sender>,
) -> ringway_status {
    call(|| given(sender, "sender")?.open_group())
}

/// Publishes the open group.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_sender_publish(sender: Option<&mut ringway_sender>) -> ringway_status {
    call(|| {
        given(sender, "sender")?.take_group()?.publish();
        Ok(())
    })
}
