//! A value that may be absent.

use core::fmt;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unalign, Unaligned};

use super::field::{Field, Flag};
use super::invalid::{Fault, Invalid};
use crate::schema::{Shared, Type};

/// A value, or its absence; an `Option` whose bytes are fixed. Of an older sender, who does not know the field, it is absent.
///
/// All zero bytes mean "absent", so an enumeration needs a variant of value 0 to be in one (and `#[derive(FromZeros)]`).
///
/// ```
/// use ringway::typed::Maybe;
///
/// let limit = Maybe::from(Some(1.5));
/// assert_eq!(limit.get(), Some(1.5));
/// assert_eq!(Maybe::<f64>::none().get(), None);
/// ```
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Maybe<T: Field + Copy + FromZeros> {
    // Both without an alignment of their own: only so does the compiler know that nothing lies between them. The derive macro sees to it that
    // the field lies at a multiple of the value's alignment all the same.
    value: Unalign<T>,
    present: T::Flag,
}

impl<T: Field + Copy + FromZeros> Maybe<T> {
    /// Its absence.
    pub fn none() -> Self {
        Self::new_zeroed()
    }

    /// A value.
    pub const fn some(value: T) -> Self {
        Self {
            value: Unalign::new(value),
            present: T::Flag::PRESENT,
        }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<T> {
        self.is_some().then(|| self.value.get())
    }

    /// Whether it is there.
    pub fn is_some(&self) -> bool {
        self.present == T::Flag::PRESENT
    }

    /// Whether it is absent.
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }
}

impl<T: Field + Copy + FromZeros> Field for Maybe<T> {
    const TYPE: Type = Type::Maybe(Shared::Static(T::TYPE_REF));
    const ALIGN: usize = T::ALIGN;
    const CHECKED: bool = true;
    const ABSENT: bool = true;
    type Flag = T::Flag;

    #[inline]
    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        let Some((value, flag)) = bytes.split_at_checked(size_of::<T>()) else {
            return Err(Invalid::new(Fault::Value));
        };
        if flag != T::Flag::PRESENT.as_bytes() && flag != T::Flag::ABSENT.as_bytes() {
            return Err(Invalid::new(Fault::Presence));
        }
        T::check(value)
    }
}

impl<T: Field + Copy + FromZeros> Default for Maybe<T> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T: Field + Copy + FromZeros> From<Option<T>> for Maybe<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::none, Self::some)
    }
}

impl<T: Field + Copy + FromZeros> From<T> for Maybe<T> {
    fn from(value: T) -> Self {
        Self::some(value)
    }
}

impl<T: Field + Copy + FromZeros> From<Maybe<T>> for Option<T> {
    fn from(value: Maybe<T>) -> Self {
        value.get()
    }
}

impl<T: Field + Copy + FromZeros + PartialEq> PartialEq for Maybe<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Field + Copy + FromZeros + Eq> Eq for Maybe<T> {}

impl<T: Field + Copy + FromZeros + PartialEq> PartialEq<Option<T>> for Maybe<T> {
    fn eq(&self, other: &Option<T>) -> bool {
        self.get() == *other
    }
}

impl<T: Field + Copy + FromZeros + fmt::Debug> fmt::Debug for Maybe<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_value_and_flag() {
        assert_eq!(Maybe::some(0x0102u16).as_bytes(), [2, 1, 1, 0]);
        assert_eq!(Maybe::<u16>::none().as_bytes(), [0; 4]);
        assert_eq!(size_of::<Maybe<u128>>(), 32);
        assert_eq!(size_of::<Maybe<[u8; 3]>>(), 4);
        assert_eq!(Maybe::some(true), Some(true));
        assert_eq!(Maybe::<u8>::default(), None);
    }

    #[test]
    fn a_flag_that_is_none_and_a_bad_value_are_found() {
        let fault = |bytes: &[u8]| Maybe::<bool>::check(bytes).map_err(|e| e.fault().clone());
        assert_eq!(fault(&[1, 1]), Ok(()));
        assert_eq!(fault(&[1, 2]), Err(Fault::Presence));
        assert_eq!(fault(&[2, 1]), Err(Fault::Bool(2)));
        assert_eq!(fault(&[2, 0]), Err(Fault::Bool(2)));
    }
}
