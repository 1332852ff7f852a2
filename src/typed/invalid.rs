//! What a frame's content can have wrong, and where.

use core::fmt;

/// A frame that is not what it should be: which message, which field, and what is wrong with it. The frame is consumed; the connection
/// goes on.
#[derive(Clone, PartialEq, Eq)]
pub struct Invalid {
    // Behind a pointer, so that an answer that is right stays small.
    details: Box<Details>,
}

#[derive(Clone, PartialEq, Eq)]
struct Details {
    message: &'static str,
    path: String,
    fault: Fault,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No message of this lane has the frame's kind.
    #[error("kind {0} is not known")]
    Kind(u16),
    /// The frame is shorter or longer than the message.
    #[error("{len} bytes, where {expected} were expected")]
    Length {
        /// Payload bytes of the frame.
        len: usize,
        /// Bytes of the message as its sender declares it; the least, where it has a variable part.
        expected: usize,
    },
    /// The bytes behind the fixed part are no whole number of elements.
    #[error("{len} bytes are no whole number of elements of {element} bytes")]
    Elements {
        /// Bytes behind the fixed part.
        len: usize,
        /// Bytes of an element.
        element: usize,
    },
    /// A batch of an older sender, whose messages are shorter than ours, would take too much memory here.
    #[error("{count} messages would take more than the {most} bytes that a batch may have")]
    TooMany {
        /// Messages in the frame.
        count: usize,
        /// The most bytes of a batch, in our layout.
        most: usize,
    },
    /// A `bool` is neither 0 nor 1.
    #[error("{0} is no bool")]
    Bool(u8),
    /// An enumeration has none of its values.
    #[error("{value} is no value of `{name}`")]
    Variant {
        /// The enumeration.
        name: &'static str,
        /// What was found, as two's complement of 64 bits.
        value: i64,
    },
    /// A text is not UTF-8, or something other than zeros follows its end.
    #[error("the text is no UTF-8 filled up with zeros")]
    Text,
    /// A count is larger than the room for it.
    #[error("{len} bytes are more than the {room} that there is room for")]
    Count {
        /// What the count says.
        len: usize,
        /// The room.
        room: usize,
    },
    /// The number that says whether a value is there is neither 0 nor 1.
    #[error("whether the value is there is neither 0 nor 1")]
    Presence,
    /// The bytes lie where the type cannot be viewed in place.
    #[error("its place in memory does not suit its alignment")]
    Alignment,
    /// The bytes are no value of the type.
    #[error("the bytes are no value of its type")]
    Value,
}

impl Invalid {
    /// A fault, before it is known of what.
    #[cold]
    #[inline(never)]
    pub fn new(fault: Fault) -> Self {
        let details = Details {
            message: "",
            path: String::new(),
            fault,
        };
        Self {
            details: Box::new(details),
        }
    }

    /// The same, inside the field `name`.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        let path = &mut self.details.path;
        let dot = if path.is_empty() || path.starts_with('[') {
            ""
        } else {
            "."
        };
        *path = format!("{name}{dot}{path}");
        self
    }

    /// The same, inside the element of that number.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// The same, in the message `name`.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn of(mut self, name: &'static str) -> Self {
        self.details.message = name;
        self
    }

    /// The message's name; empty where the frame's kind is not known.
    pub fn message(&self) -> &'static str {
        self.details.message
    }

    /// The field, as `legs[3].side`; empty where the message as a whole is wrong.
    pub fn path(&self) -> &str {
        &self.details.path
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.details.fault
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            message,
            path,
            fault,
        } = &*self.details;
        match (message.is_empty(), path.is_empty()) {
            (true, true) => write!(out, "{fault}"),
            (true, false) => write!(out, "field `{path}`: {fault}"),
            (false, true) => write!(out, "message `{message}`: {fault}"),
            (false, false) => write!(out, "message `{message}`, field `{path}`: {fault}"),
        }
    }
}

impl fmt::Debug for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Invalid")
            .field("message", &self.message())
            .field("path", &self.path())
            .field("fault", self.fault())
            .finish()
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where() {
        let invalid = Invalid::new(Fault::Bool(7))
            .within("done")
            .at(3)
            .within("legs")
            .of("Order");
        assert_eq!(invalid.path(), "legs[3].done");
        assert_eq!(
            invalid.to_string(),
            "message `Order`, field `legs[3].done`: 7 is no bool"
        );
        assert_eq!(
            Invalid::new(Fault::Kind(9)).to_string(),
            "kind 9 is not known"
        );
    }
}
