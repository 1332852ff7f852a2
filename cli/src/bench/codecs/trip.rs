//! Round trips of encoded messages between two processes.

use std::path::Path;

use ringway::codec::{self, Codec, MessagePack, Postcard, Protobuf, Receiver, Sender};
use ringway::{Config, Wait};

use super::super::kit::Side;
use super::super::meter::{Meter, Sample as Measurement};
use super::super::ours::meet;
use super::super::work::{Pass, Work};
use super::super::{Failure, fail};
use super::in_place;
use super::records::{Book, FlatOrder, Order, Sample};
use super::{Form, Shape};

/// One side of round trips. Whatever fails ends the process.
pub(super) trait Ends {
    fn send(&mut self);
    fn recv(&mut self);
}

/// Round trips between two of them.
pub(super) struct Trip<E>(pub(super) E);

/// An end whose messages are encoded.
struct Encoded<C, T> {
    sender: Sender<C, T>,
    receiver: Receiver<C, T>,
    message: T,
}

/// Sets one side up.
pub(crate) fn make(
    form: Form,
    shape: Shape,
    address: &Path,
    side: Side,
) -> Result<Box<dyn Work>, Failure> {
    Ok(match (form, shape) {
        (Form::Flat, Shape::Order) => in_place::trip::<FlatOrder>(address, side)?,
        (Form::Postcard, Shape::Order) => trip::<Postcard, Order>(address, side)?,
        (Form::MessagePack, Shape::Order) => trip::<MessagePack, Order>(address, side)?,
        (Form::Protobuf, Shape::Order) => trip::<Protobuf, Order>(address, side)?,
        (Form::Flat, Shape::Book) => in_place::trip::<Book>(address, side)?,
        (Form::Postcard, Shape::Book) => trip::<Postcard, Book>(address, side)?,
        (Form::MessagePack, Shape::Book) => trip::<MessagePack, Book>(address, side)?,
        (Form::Protobuf, Shape::Book) => trip::<Protobuf, Book>(address, side)?,
    })
}

fn trip<C, T>(address: &Path, side: Side) -> Result<Box<dyn Work>, Failure>
where
    C: Codec<T> + 'static,
    T: Sample + PartialEq + 'static,
{
    let connection = meet(&Config::new().wait(Wait::Spin), address, side)?;
    let (sender, receiver) = codec::over::<C, T, T>(connection).split();
    Ok(Box::new(Trip(Encoded::<C, T> {
        sender,
        receiver,
        message: T::sample(),
    })))
}

impl<C: Codec<T>, T: PartialEq> Ends for Encoded<C, T> {
    fn send(&mut self) {
        if let Err(error) = self.sender.send(&self.message) {
            fail(&error);
        }
    }

    fn recv(&mut self) {
        match self.receiver.recv() {
            Ok(message) if message == self.message => {}
            Ok(_) => fail(&"a message is not what was sent"),
            Err(error) => fail(&error),
        }
    }
}

impl<E: Ends> Work for Trip<E> {
    fn lead(&mut self, count: u64, _: Pass) -> Measurement {
        let meter = Meter::start();
        for _ in 0..count {
            self.0.send();
            self.0.recv();
        }
        meter.stop()
    }

    fn follow(&mut self, count: u64, _: Pass) -> Measurement {
        let meter = Meter::start();
        for _ in 0..count {
            self.0.recv();
            self.0.send();
        }
        meter.stop()
    }

    fn tune(&mut self, _: u32) {}

    fn idle(&mut self, time: std::time::Duration) {
        std::thread::sleep(time);
    }
}
