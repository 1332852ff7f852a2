//! Fields that should no longer be used, and that both sides still have.

use crate::schema::{Field, Schema};

/// A field that should no longer be used, and that the peer and we still have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// The message's name.
    pub message: String,
    /// The field's name.
    pub field: String,
    /// What to use instead.
    pub note: String,
}

impl core::fmt::Display for Deprecated {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            message,
            field,
            note,
        } = self;
        write!(out, "field `{field}` of `{message}` is deprecated: {note}")
    }
}

/// Adds the deprecated fields of our schema that the peer has too, each once. Either side may have marked them: our words go before the
/// peer's. `theirs`: `None` where the peer has none of its own, and ours tells of both.
pub(crate) fn collect(found: &mut Vec<Deprecated>, ours: &Schema, theirs: Option<&Schema>) {
    for record in ours.records.iter() {
        let peers = match theirs {
            Some(theirs) => theirs.record(record.kind),
            None => Some(record),
        };
        // Fields are only ever appended: those that both have are the first ones.
        let peers = peers.map_or(&[][..], |record| record.fields.get());
        for (our, their) in record.fields.iter().zip(peers) {
            let Some(note) = note(our, their) else {
                continue;
            };
            let known =
                |known: &Deprecated| *known.message == *record.name && *known.field == *our.name;
            if !found.iter().any(known) {
                found.push(Deprecated {
                    message: record.name.to_string(),
                    field: our.name.to_string(),
                    note: note.to_owned(),
                });
            }
        }
    }
}

fn note<'a>(our: &'a Field, their: &'a Field) -> Option<&'a str> {
    let mut notes = [&*our.deprecated, &*their.deprecated].into_iter();
    notes.find(|note| !note.is_empty())
}

/// Tells the application's log of those that it was not told of.
#[cfg(feature = "tracing")]
pub(crate) fn warn(found: &[Deprecated]) {
    use std::collections::BTreeSet;
    use std::sync::PoisonError;

    use crate::sync::Mutex;
    use crate::sys::process::PerProcess;

    /// Messages and fields. They are of our own schemas, so that no peer can make it grow.
    type Told = Mutex<BTreeSet<(String, String)>>;
    static TOLD: PerProcess<Told> = PerProcess::new();

    if found.is_empty() {
        return;
    }
    let Ok(told) = TOLD.get(|| Ok(Mutex::default())) else {
        return;
    };
    for deprecated in found {
        let key = (deprecated.message.clone(), deprecated.field.clone());
        // Given back before the application's code runs.
        let fresh = told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key);
        if fresh {
            // The note may be the peer's, with line ends in it.
            let note: Vec<&str> = deprecated.note.split_whitespace().collect();
            tracing::warn!(
                message_type = deprecated.message.as_str(),
                field = deprecated.field.as_str(),
                "field `{}` of `{}` is deprecated: {}",
                deprecated.field,
                deprecated.message,
                note.join(" ")
            );
        }
    }
}
