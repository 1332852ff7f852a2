//! A part of a schema: in the program, or decoded.

use core::fmt;
use core::ops::Deref;

/// A value that lies in the program or was made while it runs.
pub enum Shared<T: ?Sized + 'static> {
    /// In the program.
    Static(&'static T),
    /// Made while it runs.
    Owned(Box<T>),
}

impl<T: ?Sized> Shared<T> {
    /// The value, at compile time too.
    pub const fn get(&self) -> &T {
        match self {
            Self::Static(value) => value,
            Self::Owned(value) => value,
        }
    }
}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: ?Sized> Clone for Shared<T>
where
    Box<T>: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Self::Static(value) => Self::Static(value),
            Self::Owned(value) => Self::Owned(value.clone()),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized + Eq> Eq for Shared<T> {}

impl From<String> for Shared<str> {
    fn from(text: String) -> Self {
        Self::Owned(text.into())
    }
}

impl<T> From<Vec<T>> for Shared<[T]> {
    fn from(items: Vec<T>) -> Self {
        Self::Owned(items.into())
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self::Owned(Box::new(value))
    }
}
