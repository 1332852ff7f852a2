//! What a field of a message can be.

use core::mem::size_of;

use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes, Unaligned};

use super::invalid::{Fault, Invalid};
use crate::schema::{Shared, Type};

/// A type that a field of a message can have: its bytes mean the same in every process.
///
/// It is implemented for integers (not `usize`), floats, `bool`, arrays of such types, [`Text`](super::Text), [`Bytes`](super::Bytes),
/// [`Maybe`](super::Maybe), and by the derive macros for messages without a variable part and for enumerations.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a message",
    note = "fields are integers (not usize), floats, bool, arrays, Text<N>, Bytes<N>, Maybe<T>, types with #[derive(Message)] and enums with #[derive(Enumeration)]"
)]
pub trait Field: TryFromBytes + IntoBytes + Immutable + KnownLayout + Sized + 'static {
    /// What its bytes are.
    const TYPE: Type;
    /// The same, for types that it is part of.
    const TYPE_REF: &'static Type = &Self::TYPE;
    /// What its offset in a message is a multiple of: that of its widest number.
    const ALIGN: usize;
    /// Whether [`Field::check`] has anything to do.
    const CHECKED: bool;
    /// Whether all zero bytes are a value that says "absent".
    const ABSENT: bool = false;
    /// A number as wide as `ALIGN`, for [`Maybe`](super::Maybe).
    type Flag: Flag;

    /// Looks at all of its bytes; there are as many as the type has. Nothing for plain numbers and arrays of them.
    ///
    /// # Errors
    /// What is wrong, and in which part of it.
    fn check(bytes: &[u8]) -> Result<(), Invalid>;
}

/// A number that says whether a value is there: 1, or 0.
pub trait Flag:
    FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy + PartialEq + 'static
{
    /// It is not.
    const ABSENT: Self;
    /// It is.
    const PRESENT: Self;
}

/// The [`Flag`] for an alignment.
#[derive(Debug)]
pub struct Width<const BYTES: usize>;

/// What [`Width`] chooses.
pub trait Chosen {
    /// The number.
    type Flag: Flag;
}

macro_rules! flags {
    ($($bytes:literal $flag:ty, $absent:expr, $present:expr;)*) => {$(
        impl Flag for $flag {
            const ABSENT: Self = $absent;
            const PRESENT: Self = $present;
        }

        impl Chosen for Width<$bytes> {
            type Flag = $flag;
        }
    )*};
}

flags! {
    1 u8, 0, 1;
    2 U16, U16::ZERO, U16::new(1);
    4 U32, U32::ZERO, U32::new(1);
    8 U64, U64::ZERO, U64::new(1);
    16 U128, U128::ZERO, U128::new(1);
}

macro_rules! numbers {
    ($($number:ty, $name:ident;)*) => {$(
        impl Field for $number {
            const TYPE: Type = Type::$name(size_of::<$number>() as u8);
            const ALIGN: usize = align_of::<$number>();
            const CHECKED: bool = false;
            type Flag = <Width<{ align_of::<$number>() }> as Chosen>::Flag;

            #[inline(always)]
            fn check(_: &[u8]) -> Result<(), Invalid> {
                Ok(())
            }
        }
    )*};
}

numbers! {
    u8, Unsigned;
    u16, Unsigned;
    u32, Unsigned;
    u64, Unsigned;
    u128, Unsigned;
    i8, Signed;
    i16, Signed;
    i32, Signed;
    i64, Signed;
    i128, Signed;
    f32, Float;
    f64, Float;
}

impl Field for bool {
    const TYPE: Type = Type::Bool;
    const ALIGN: usize = 1;
    const CHECKED: bool = true;
    type Flag = u8;

    #[inline]
    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        match bytes {
            [0 | 1] => Ok(()),
            [other, ..] => Err(Invalid::new(Fault::Bool(*other))),
            [] => Err(Invalid::new(Fault::Value)),
        }
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    const TYPE: Type = Type::Array(Shared::Static(T::TYPE_REF), N as u32);
    const ALIGN: usize = T::ALIGN;
    const CHECKED: bool = T::CHECKED;
    type Flag = T::Flag;

    #[inline(always)]
    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        each::<T>(bytes)
    }
}

/// Checks as many `T` as there are, one behind the other.
#[inline(always)]
pub(crate) fn each<T: Field>(bytes: &[u8]) -> Result<(), Invalid> {
    if T::CHECKED {
        for (index, bytes) in bytes.chunks_exact(size_of::<T>().max(1)).enumerate() {
            T::check(bytes).map_err(|invalid| invalid.at(index))?;
        }
    }
    Ok(())
}

/// Checks the field at byte `at` of a message.
///
/// # Errors
/// What [`Field::check`] finds, inside `name`; bytes that end before the field does.
#[inline(always)]
pub fn check<T: Field>(bytes: &[u8], at: usize, name: &'static str) -> Result<(), Invalid> {
    if !T::CHECKED {
        return Ok(());
    }
    match bytes.get(at..at + size_of::<T>()) {
        Some(own) => T::check(own).map_err(|invalid| invalid.within(name)),
        None => Err(Invalid::new(Fault::Length {
            len: bytes.len(),
            expected: at + size_of::<T>(),
        })),
    }
}
