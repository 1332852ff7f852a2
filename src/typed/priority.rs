//! A sender of messages at one of its priorities.

use core::ops::{Deref, DerefMut};

use super::message::Messages;
use super::sender::Sender;
use crate::connection::SendError;

/// A [`Sender`] at one of its priorities: see [`ringway::AtPriority`](crate::AtPriority).
#[derive(Debug)]
#[must_use = "it sends nothing by itself"]
pub struct AtPriority<'a, M: ?Sized> {
    sender: &'a mut Sender<M>,
    before: usize,
}

impl<M: Messages + ?Sized> Sender<M> {
    /// This sender at `priority`, for as long as the guard lives: see [`ringway::Sender::at`](crate::Sender::at).
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority.
    #[inline]
    pub fn at(&mut self, priority: usize) -> Result<AtPriority<'_, M>, SendError> {
        let before = self.lane.take_up(priority)?;
        Ok(AtPriority {
            sender: self,
            before,
        })
    }

    /// How many priorities there are: see [`ringway::Sender::priorities`](crate::Sender::priorities).
    pub fn priorities(&self) -> usize {
        self.lane.priorities()
    }
}

impl<M: ?Sized> Deref for AtPriority<'_, M> {
    type Target = Sender<M>;

    #[inline]
    fn deref(&self) -> &Sender<M> {
        self.sender
    }
}

impl<M: ?Sized> DerefMut for AtPriority<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Sender<M> {
        self.sender
    }
}

impl<M: ?Sized> Drop for AtPriority<'_, M> {
    #[inline]
    fn drop(&mut self) {
        self.sender.lane.go_back(self.before);
    }
}
