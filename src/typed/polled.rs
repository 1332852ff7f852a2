//! Typed connections and listeners in a [`Poller`](crate::Poller).
//!
//! ```
//! use ringway::typed::{self, Nothing};
//! use ringway::{Event, Poller};
//! # use ringway::typed::Message;
//! # use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
//! # #[derive(Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
//! # #[zerocopy(crate = "ringway::zerocopy")]
//! # #[repr(C)]
//! # struct Quote { price: f64 }
//!
//! # let path = std::env::temp_dir().join(format!("ringway-doc-typed-poller-{}", std::process::id()));
//! let mut poller = Poller::new()?;
//! let listener = typed::Listener::<Nothing, Quote>::bind(path.as_path())?;
//! poller.listen(listener, |connection| connection)?;
//! # let client = std::thread::spawn(move || {
//! #     typed::connect::<Quote, Nothing>(path).unwrap().sender().send(&Quote { price: 1.5 }).unwrap();
//! # });
//! let quote = loop {
//!     if let Some(Event::Ready(mut turn)) = poller.event()? {
//!         break turn.receiver().recv()?;
//!     }
//! };
//! assert_eq!(quote.price, 1.5);
//! # client.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::message::Messages;
use super::{Connection, Listener};
use crate::connection;
use crate::error::Error;
use crate::poller::{Accept, Polled};

impl<S: Messages + ?Sized, R: Messages + ?Sized> Polled for Connection<S, R> {
    #[inline]
    fn lanes(&mut self) -> (&mut connection::Sender, &mut connection::Receiver) {
        let (sender, receiver) = self.halves();
        (sender.untyped(), receiver.untyped())
    }
}

impl<S: Messages + ?Sized, R: Messages + ?Sized> Accept for Listener<S, R> {
    type Connection = Connection<S, R>;

    fn try_accept(&mut self) -> Result<Option<Connection<S, R>>, Error> {
        Self::try_accept(self)
    }

    fn listener(&mut self) -> Option<&mut connection::Listener> {
        Some(self.untyped())
    }
}
