//! The lanes of a half that sends: which one a frame goes into.

use core::ops::{Deref, DerefMut};

use super::{Lane, Sender};
use crate::connection::outcome::SendError;
use crate::layout::counters;
use crate::ring::Beside;
use crate::wake::drain::Drain;

/// A [`Sender`] at one of its priorities: everything that is sent through it, by whatever method, has that one. Dropping it goes back to the one before.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("ringway-doc-at-{}", std::process::id()));
/// let config = ringway::Config::new().lanes(2);
/// let mut listener = config.bind(path.as_path())?;
/// # let client = std::thread::spawn(move || ringway::Config::new().lanes(2).connect(path));
/// let (mut sender, _receiver) = listener.accept()?.split();
/// # let (_sender, mut receiver) = client.join().unwrap()?.split();
/// sender.at(1)?.send(b"whenever")?;
/// sender.send(b"at once")?; // priority 0, as everything that names none
/// assert_eq!(receiver.recv()?.to_vec(), b"at once");
/// let frame = receiver.recv()?;
/// assert_eq!((frame.priority(), frame.to_vec()), (1, b"whenever".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Where it is leaked (`mem::forget`), later frames that name no priority have this one. A group that was leaked under it is published by the drop.
#[derive(Debug)]
#[must_use = "it sends nothing by itself"]
pub struct AtPriority<'a> {
    sender: &'a mut Sender,
    before: usize,
}

impl Sender {
    /// With the lanes behind the first one.
    pub(crate) fn with_others(mut self, mut others: Vec<Lane>) -> Self {
        let several = !others.is_empty();
        if let Some(slot) = &self.rest.link.kept.slot {
            let lanes = core::iter::once(&mut self.lane).chain(&mut others);
            for (number, lane) in lanes.enumerate().filter(|_| several) {
                lane.count_into(slot.one_of_lanes(counters::SENDS, number));
            }
        }
        let drains = others.iter();
        self.drains
            .extend(drains.map(|lane| Drain::new(lane.step(), lane.published())));
        self.beside = several.then(|| Box::new(Beside::new(others)));
        self
    }

    /// How many priorities there are, 1 to 4: what was agreed ([`Config::lanes`](crate::Config::lanes)). The first one is 0.
    pub fn priorities(&self) -> usize {
        self.beside.as_ref().map_or(1, |beside| beside.count())
    }

    /// The one at hand.
    pub(super) fn priority(&self) -> usize {
        self.beside.as_ref().map_or(0, |beside| beside.at_hand())
    }

    /// This sender at `priority`, for as long as the guard lives: 0 is served first, and what everything has that names none. Each priority has a lane
    /// of its own, with a ring of [`Sender::capacity`] bytes: where that of one is full, frames of another still pass.
    ///
    /// Frames of one priority arrive in order. Across priorities the peer decides, as [`Config::starvation_bound`](crate::Config::starvation_bound) says.
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority.
    #[inline]
    pub fn at(&mut self, priority: usize) -> Result<AtPriority<'_>, SendError> {
        let before = self.take_up(priority)?;
        Ok(AtPriority {
            sender: self,
            before,
        })
    }

    /// Sends into the lane of `priority` from now on. Returns the priority before.
    pub(crate) fn take_up(&mut self, priority: usize) -> Result<usize, SendError> {
        SendError::check_priority(priority, self.priorities())?;
        let Self { lane, beside, .. } = self;
        Ok(beside
            .as_mut()
            .map_or(0, |beside| beside.take_up(lane, priority)))
    }

    /// Back to a priority that there was. What a leaked group left behind in the one at hand becomes visible.
    pub(crate) fn go_back(&mut self, before: usize) {
        if self.priority() != before {
            self.publish_leaked();
            // Another sender may have been put in the place of the one that had it.
            let _ = self.take_up(before);
        }
    }

    /// Takes nothing any more, at any priority.
    pub(super) fn shut(&mut self) {
        self.lane.shut();
        if let Some(beside) = &mut self.beside {
            beside.others_mut().iter_mut().for_each(Lane::shut);
        }
    }

    /// Tells observers what each lane that is not at hand has counted by itself.
    pub(super) fn tell_beside(&self) {
        if let Some(beside) = &self.beside {
            beside.others().iter().for_each(Lane::tell_each);
        }
    }

    /// Tells those who read along, and observers, where each lane is.
    pub(super) fn tell_all(&self) {
        if let Some(beside) = &self.beside {
            beside.others().iter().for_each(Lane::tell);
        }
        // Last: what it counts includes the others'.
        self.lane.tell();
    }
}

impl Deref for AtPriority<'_> {
    type Target = Sender;

    #[inline]
    fn deref(&self) -> &Sender {
        self.sender
    }
}

impl DerefMut for AtPriority<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Sender {
        self.sender
    }
}

impl Drop for AtPriority<'_> {
    #[inline]
    fn drop(&mut self) {
        self.sender.go_back(self.before);
    }
}
