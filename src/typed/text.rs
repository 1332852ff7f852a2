//! Text of a bounded length, inline.

use core::fmt;
use core::ops::Deref;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::field::Field;
use super::invalid::{Fault, Invalid};
use super::message::TooLong;
use crate::schema::Type;

/// UTF-8 of at most `N` bytes, filled up with zeros. A text cannot hold the character zero.
///
/// ```
/// use ringway::typed::Text;
///
/// let symbol: Text<8> = "EURUSD".try_into()?;
/// assert_eq!(symbol, "EURUSD");
/// assert_eq!(symbol.as_str().len(), 6);
/// assert!(Text::<8>::try_from("much too long").is_err());
/// const DOLLAR: Text<4> = Text::literal("USD");
/// assert_eq!(DOLLAR.to_string(), "USD");
/// # Ok::<(), ringway::typed::TooLong>(())
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self([0; N]);

    /// A text that is known when the program is compiled.
    ///
    /// # Panics
    /// When it is longer than `N` bytes or has a zero in it; in a constant, that is an error of the compiler.
    #[track_caller]
    pub const fn literal(text: &str) -> Self {
        match Self::new(text) {
            Ok(text) => text,
            Err(_) => panic!("the text is too long for its place, or has a zero in it"),
        }
    }

    /// A copy of `text`.
    ///
    /// # Errors
    /// It is longer than `N` bytes, or has a zero in it.
    pub const fn new(text: &str) -> Result<Self, TooLong> {
        let text = text.as_bytes();
        let mut bytes = [0; N];
        let mut at = 0;
        while at < text.len() {
            if at == N || text[at] == 0 {
                return Err(TooLong {
                    len: text.len(),
                    room: N,
                });
            }
            bytes[at] = text[at];
            at += 1;
        }
        Ok(Self(bytes))
    }

    /// As much of `text` as fits, in whole characters, up to its first zero.
    pub fn cut(text: &str) -> Self {
        let end = text.find('\0').unwrap_or(text.len());
        let mut end = end.min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; N];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self(bytes)
    }

    /// The text. Of bytes that were filled in place and are no UTF-8, what comes before the first bad one; what was received is UTF-8.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        let bytes = &self.0[..end];
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }
}

impl<const N: usize> Field for Text<N> {
    const TYPE: Type = Type::Text(N as u32);
    const ALIGN: usize = 1;
    const CHECKED: bool = true;
    type Flag = u8;

    #[inline]
    fn check(bytes: &[u8]) -> Result<(), Invalid> {
        let end = bytes.iter().position(|byte| *byte == 0);
        let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if core::str::from_utf8(text).is_ok() && rest.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err(Invalid::new(Fault::Text))
        }
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> AsRef<str> for Text<N> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> TryFrom<&str> for Text<N> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<const N: usize> core::str::FromStr for Text<N> {
    type Err = TooLong;

    fn from_str(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<const N: usize> PartialEq<str> for Text<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl<const N: usize> PartialEq<&str> for Text<N> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(out)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept() {
        assert_eq!(Text::<4>::new("ÄÖ").unwrap(), "ÄÖ");
        assert_eq!(Text::<4>::EMPTY, "");
        let error = Text::<4>::new("ÄÖ.").unwrap_err();
        assert_eq!(error, TooLong { len: 5, room: 4 });
        assert!(Text::<4>::new("a\0").is_err());
        assert_eq!(Text::<3>::cut("ÄÖ"), "Ä");
        assert_eq!(Text::<3>::cut("a\0b"), "a");
    }

    #[test]
    fn bad_bytes_are_found_and_never_shown() {
        for bad in [[b'a', 0, b'b'], [0xFF, 0, 0], [b'a', b'b', 0xC3]] {
            assert_eq!(
                Text::<3>::check(&bad).unwrap_err().fault(),
                &Fault::Text,
                "{bad:?}"
            );
        }
        assert!(Text::<3>::check(b"ab\0").is_ok());
        assert!(Text::<3>::check(b"abc").is_ok());
        assert_eq!(Text::<3>(*b"a\xFFb").as_str(), "a");
    }
}
