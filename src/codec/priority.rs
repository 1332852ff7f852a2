//! A sender of encoded messages at one of its priorities.

use core::ops::{Deref, DerefMut};

use super::halves::Sender;
use crate::connection::SendError;

/// A [`Sender`] at one of its priorities: see [`ringway::AtPriority`](crate::AtPriority).
#[derive(Debug)]
#[must_use = "it sends nothing by itself"]
pub struct AtPriority<'a, C, S> {
    sender: &'a mut Sender<C, S>,
    before: usize,
}

impl<C, S> Sender<C, S> {
    /// This sender at `priority`, for as long as the guard lives: see [`ringway::Sender::at`](crate::Sender::at).
    ///
    /// # Errors
    /// [`Priority`](SendError::Priority): there is no such priority.
    pub fn at(&mut self, priority: usize) -> Result<AtPriority<'_, C, S>, SendError> {
        let before = self.inner.take_up(priority)?;
        Ok(AtPriority {
            sender: self,
            before,
        })
    }
}

impl<C, S> Deref for AtPriority<'_, C, S> {
    type Target = Sender<C, S>;

    fn deref(&self) -> &Sender<C, S> {
        self.sender
    }
}

impl<C, S> DerefMut for AtPriority<'_, C, S> {
    fn deref_mut(&mut self) -> &mut Sender<C, S> {
        self.sender
    }
}

impl<C, S> Drop for AtPriority<'_, C, S> {
    fn drop(&mut self) {
        self.sender.inner.go_back(self.before);
    }
}
