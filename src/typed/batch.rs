//! Many messages of one type that came in one frame.

use core::fmt;
use core::marker::PhantomData;
use core::slice::ChunksExact;

use zerocopy::{FromBytes, TryFromBytes};

use super::field::each;
use super::invalid::Invalid;
use super::message::Fixed;

/// The messages of one frame, copied out in one go and checked. The receiver's next call uses their memory again.
pub struct Batch<'a, T> {
    bytes: &'a [u8],
    of: PhantomData<fn() -> T>,
}

impl<'a, T: Fixed> Batch<'a, T> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Invalid> {
        const {
            assert!(
                size_of::<T>() > 0,
                "messages without bytes cannot be counted"
            );
            assert!(align_of::<T>() <= 16);
        };
        each::<T>(bytes)?;
        Ok(Self {
            bytes,
            of: PhantomData,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The message of that number.
    pub fn get(&self, index: usize) -> Option<T> {
        let start = index.checked_mul(size_of::<T>())?;
        let bytes = self.bytes.get(start..)?.get(..size_of::<T>())?;
        T::try_read_from_bytes(bytes).ok()
    }

    /// One after the other.
    pub fn iter(&self) -> Iter<'a, T> {
        Iter {
            chunks: self.bytes.chunks_exact(size_of::<T>()),
            of: PhantomData,
        }
    }

    /// All of them at once, where any bytes are a value of the type.
    pub fn as_slice(&self) -> &'a [T]
    where
        T: FromBytes,
    {
        // The memory is that of `u128`, and the length a multiple of the size: it cannot fail.
        <[T]>::ref_from_bytes(self.bytes).unwrap_or_default()
    }
}

impl<T: Fixed + fmt::Debug> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Fixed> IntoIterator for Batch<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Fixed> IntoIterator for &Batch<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The messages of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Iter<'a, T> {
    chunks: ChunksExact<'a, u8>,
    of: PhantomData<fn() -> T>,
}

impl<T: TryFromBytes> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        // Checked when the batch was made, so it ends only where the bytes do.
        T::try_read_from_bytes(self.chunks.next()?).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl<T: TryFromBytes> ExactSizeIterator for Iter<'_, T> {}
