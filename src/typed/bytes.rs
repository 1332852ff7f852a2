//! Bytes of a bounded number, inline.

use core::fmt;
use core::ops::Deref;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::field::Field;
use super::invalid::{Fault, Invalid};
use super::message::TooLong;
use crate::schema::Type;

/// At most `N` bytes, up to 65,535: their number, then room for all of them.
///
/// ```
/// use ringway::typed::Bytes;
///
/// let key: Bytes<16> = b"\x00\x01"[..].try_into()?;
/// assert_eq!(key.as_slice(), [0, 1]);
/// assert!(Bytes::<1>::try_from(&b"ab"[..]).is_err());
/// # Ok::<(), ringway::typed::TooLong>(())
/// ```
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Bytes<const N: usize> {
    len: [u8; 2],
    bytes: [u8; N],
}

impl<const N: usize> Bytes<N> {
    const FITS: () = assert!(N <= u16::MAX as usize, "Bytes has room for 65,535 at most");

    /// No bytes.
    pub const EMPTY: Self = {
        let () = Self::FITS;
        Self {
            len: [0; 2],
            bytes: [0; N],
        }
    };

    /// A copy of `bytes`.
    ///
    /// # Errors
    /// They are more than `N`.
    pub const fn new(bytes: &[u8]) -> Result<Self, TooLong> {
        let mut copy = Self::EMPTY;
        if bytes.len() > N {
            return Err(TooLong {
                len: bytes.len(),
                room: N,
            });
        }
        let mut at = 0;
        while at < bytes.len() {
            copy.bytes[at] = bytes[at];
            at += 1;
        }
        copy.len = (at as u16).to_le_bytes();
        Ok(copy)
    }

    /// The bytes. Where the count was filled in place and is too large, all that there is room for.
    pub fn as_slice(&self) -> &[u8] {
        let len = usize::from(u16::from_le_bytes(self.len));
        &self.bytes[..len.min(N)]
    }
}

impl<const N: usize> Field for Bytes<N> {
    // What is too large stays so: the derive macro refuses it.
    const TYPE: Type = Type::Bytes(if N > u32::MAX as usize {
        u32::MAX
    } else {
        N as u32
    });
    const ALIGN: usize = 1;
    const CHECKED: bool = true;
    type Flag = u8;

    #[inline]
    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        let [low, high, ..] = bytes else {
            return Err(Invalid::new(Fault::Value));
        };
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        if len > N {
            return Err(Invalid::new(Fault::Count { len, room: N }));
        }
        Ok(())
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const N: usize> AsRef<[u8]> for Bytes<N> {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const N: usize> TryFrom<&[u8]> for Bytes<N> {
    type Error = TooLong;

    fn try_from(bytes: &[u8]) -> Result<Self, TooLong> {
        Self::new(bytes)
    }
}

/// What lies behind the count's end is no part of it.
impl<const N: usize> PartialEq for Bytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const N: usize> Eq for Bytes<N> {}

impl<const N: usize> core::hash::Hash for Bytes<N> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl<const N: usize> PartialEq<[u8]> for Bytes<N> {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == other
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_what_counts() {
        let two = Bytes::<4>::new(b"ab").unwrap();
        let mut other = two;
        other.bytes[3] = 9;
        assert_eq!(two, other);
        assert_eq!(two.as_bytes(), b"\x02\0ab\0\0");
        other.len = [5, 0];
        assert_eq!(other.as_slice(), b"ab\0\x09");
        let found = Bytes::<4>::check(other.as_bytes()).unwrap_err();
        assert_eq!(found.fault(), &Fault::Count { len: 5, room: 4 });
        assert!(Bytes::<4>::check(two.as_bytes()).is_ok());
        assert_eq!(Bytes::<1>::new(b"ab"), Err(TooLong { len: 2, room: 1 }));
    }
}
