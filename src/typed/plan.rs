//! How the messages of one peer are read: worked out once, from the schema of what it sends.
//!
//! Fields are only ever appended. So an older writer's message is a prefix of ours, and a newer writer's has ours for a prefix: all that
//! it takes is the number of bytes that the writer's fixed part has.

use crate::schema::Schema;

/// For each of our records, by its place, the bytes of the writer's fixed part.
#[derive(Debug)]
pub(crate) struct Plan {
    fixed: Box<[Option<usize>]>,
}

impl Plan {
    /// `theirs`: what the peer says that it sends. `None`: the same as ours.
    pub(crate) fn new(ours: &Schema, theirs: Option<&Schema>) -> Self {
        let fixed = ours.records.iter().map(|our| {
            let writer = match theirs {
                Some(theirs) => theirs.records.iter().find(|their| their.kind == our.kind),
                None => Some(our),
            };
            writer.map(|record| record.size as usize)
        });
        Self {
            fixed: fixed.collect(),
        }
    }

    /// Bytes of the writer's fixed part; `None` where the writer does not know the message.
    #[inline]
    pub(crate) fn fixed(&self, index: usize) -> Option<usize> {
        self.fixed.get(index).copied().flatten()
    }
}
