//! What the code needs that the derive macros make. No promise is made for any of it.

pub use core;
use std::time::Instant;

pub use super::field::{Chosen, Width, check};
pub use super::inbox::{Inbox, Parcel};
pub use super::message::record;
use super::{Fixed, Received, RecvError, Tailed};
pub use crate::schema::{
    self, Content, Enumeration, Field, Record, Schema, Shared, Tail, Type, Variant,
};

/// The larger of two.
pub const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// `image` with `bytes` at `at`.
pub const fn place<const N: usize>(mut image: [u8; N], at: usize, bytes: &[u8]) -> [u8; N] {
    let mut index = 0;
    while index < bytes.len() {
        image[at + index] = bytes[index];
        index += 1;
    }
    image
}

/// Takes the only message of a lane.
///
/// # Errors
/// As for `Receiver::recv`.
#[inline(always)]
pub fn only<T: Fixed>(inbox: &mut Inbox, wait: Option<Option<Instant>>) -> Result<T, RecvError> {
    inbox.only(wait)
}

/// As [`only`], for a message with a variable part.
///
/// # Errors
/// As for `Receiver::recv`.
#[inline]
pub fn only_tailed<T: Tailed + ?Sized>(
    inbox: &mut Inbox,
    wait: Option<Option<Instant>>,
) -> Result<Received<T>, RecvError> {
    inbox.only_tailed(wait)
}

/// The next frame of a lane of several messages.
///
/// # Errors
/// As for `Receiver::recv`.
#[inline]
pub fn next(inbox: &mut Inbox, wait: Option<Option<Instant>>) -> Result<Parcel<'_>, RecvError> {
    inbox.next(wait)
}

/// The bytes of a received message.
pub fn encoded<T: Tailed + ?Sized>(message: &Received<T>) -> &[u8] {
    super::Payload::encoded(message)
}

/// Whether the type is, or has in it, an array whose elements have no bytes. Of a message in it, its own fields are looked at where it is
/// derived.
pub const fn is_countless(ty: &Type) -> bool {
    match ty {
        Type::Array(of, _) => is_empty(of.get()) || is_countless(of.get()),
        Type::Maybe(of) => is_countless(of.get()),
        _ => false,
    }
}

/// Whether the type has no bytes.
pub const fn is_empty(ty: &Type) -> bool {
    match ty {
        Type::Array(of, count) => *count == 0 || is_empty(of.get()),
        Type::Record(record) => record.get().size == 0,
        Type::Text(room) => *room == 0,
        _ => false,
    }
}

/// Whether the type is, or has in it, a `Bytes` that is larger than its count can say.
pub const fn is_too_roomy(ty: &Type) -> bool {
    match ty {
        Type::Bytes(room) => *room > u16::MAX as u32,
        Type::Array(of, _) | Type::Maybe(of) => is_too_roomy(of.get()),
        _ => false,
    }
}

/// The text of an error of the compiler, made while it compiles.
#[derive(Debug)]
pub struct Hint {
    bytes: [u8; 400],
    len: usize,
}

impl Hint {
    /// What to say where a field is not where the one before it ends.
    pub const fn gap(message: &str, field: &str, bytes: usize) -> Self {
        let mut hint = Self::new();
        hint.text("the compiler leaves ");
        hint.number(bytes);
        hint.text(" bytes free before the field `");
        hint.text(field);
        hint.text("` of `");
        hint.text(message);
        hint.text("`: put a field `_pad: [u8; ");
        hint.number(bytes);
        hint.text("]` there, or larger fields first");
        hint
    }

    /// What to say where a type is larger than its fields.
    pub const fn end(message: &str, bytes: usize) -> Self {
        let mut hint = Self::new();
        hint.text("the compiler leaves ");
        hint.number(bytes);
        hint.text(" bytes free behind the last field of fixed size of `");
        hint.text(message);
        hint.text("`: put a field `_pad: [u8; ");
        hint.number(bytes);
        hint.text("]` there");
        hint
    }

    /// What to say where a `Maybe` lies where its value could not.
    pub const fn misplaced(message: &str, field: &str, offset: usize, align: usize) -> Self {
        let mut hint = Self::new();
        hint.text("the field `");
        hint.text(field);
        hint.text("` of `");
        hint.text(message);
        hint.text("` is at byte ");
        hint.number(offset);
        hint.text(", which is no multiple of ");
        hint.number(align);
        hint.text(": put a field `_pad: [u8; ");
        hint.number(align - offset % align);
        hint.text("]` before it");
        hint
    }

    /// What to say where nobody could count the elements of an array.
    pub const fn countless(message: &str, field: &str) -> Self {
        let mut hint = Self::new();
        hint.text("the field `");
        hint.text(field);
        hint.text("` of `");
        hint.text(message);
        hint.text("` has an array whose elements have no bytes, so that they cannot be counted: give their type a field, or use a number in its place");
        hint
    }

    /// What to say where a `Bytes` is larger than its count can say.
    pub const fn too_roomy(message: &str, field: &str) -> Self {
        let mut hint = Self::new();
        hint.text("the field `");
        hint.text(field);
        hint.text("` of `");
        hint.text(message);
        hint.text("` has a `Bytes<N>` with an N above 65535, which its count of two bytes cannot say: use a smaller N, an array, or `[u8]` as the last field");
        hint
    }

    const fn new() -> Self {
        Self {
            bytes: [0; 400],
            len: 0,
        }
    }

    const fn text(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut index = 0;
        while index < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
        }
    }

    const fn number(&mut self, number: usize) {
        if number > 9 {
            self.number(number / 10);
        }
        let digit = [b'0' + (number % 10) as u8];
        if let Ok(digit) = core::str::from_utf8(&digit) {
            self.text(digit);
        }
    }

    /// The text; a name that is too long for it leaves it empty.
    pub const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hint;

    #[test]
    fn a_hint_has_its_numbers() {
        let hint = Hint::gap("Quote", "price", 104);
        let text = hint.as_str();
        assert!(text.contains("104 bytes free before the field `price` of `Quote`"));
        assert!(text.contains("[u8; 104]"), "{text}");
    }
}
