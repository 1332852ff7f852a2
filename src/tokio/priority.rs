//! A half that sends, at one of its priorities.

use core::ops::{Deref, DerefMut};

use super::Sender;
use crate::connection::SendError;

/// A [`Sender`] at one of its priorities: everything that is sent through it has that one. Dropping it goes back to the one before, also in the middle of a call that waits; an item that the
/// sink was fed at this one, and that there was no room for, is sent at this one, ahead of what comes then.
#[derive(Debug)]
#[must_use = "it sends nothing by itself"]
pub struct AtPriority<'a> {
    sender: &'a mut Sender,
    before: usize,
}

impl Sender {
    /// This sender at `priority`, for as long as the guard lives: see [`ringway::Sender::at`](crate::Sender::at).
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority. [`SendError::Full`]: an item that the sink was fed has no room yet, and would get another priority ([`Sender::settle`]).
    pub fn at(&mut self, priority: usize) -> Result<AtPriority<'_>, SendError> {
        let before = self.fed.at_once()?.take_up(priority)?;
        Ok(AtPriority {
            sender: self,
            before,
        })
    }
}

impl Deref for AtPriority<'_> {
    type Target = Sender;

    fn deref(&self) -> &Sender {
        self.sender
    }
}

impl DerefMut for AtPriority<'_> {
    fn deref_mut(&mut self) -> &mut Sender {
        self.sender
    }
}

impl Drop for AtPriority<'_> {
    fn drop(&mut self) {
        self.sender.fed.back_to(self.before);
    }
}
