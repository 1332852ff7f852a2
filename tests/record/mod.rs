//! Schemas made by hand.

use ringway::schema::{Field, Record, Schema, Shared, Type};

fn text(text: &str) -> Shared<str> {
    text.to_owned().into()
}

/// One message, `Quote`, whose fields are unsigned integers of so many bytes.
pub(crate) fn quote(fields: &[(&str, u8)]) -> Schema {
    let mut offset = 0;
    let fields: Vec<Field> = fields
        .iter()
        .map(|(name, size)| {
            let field = Field {
                name: text(name),
                doc: text(""),
                ty: Type::Unsigned(*size),
                offset,
                size: u32::from(*size),
                align: u32::from(*size),
                since: 1,
                deprecated: text(""),
                // What a field has where it was not written.
                default: vec![0; usize::from(*size)].into(),
            };
            offset += field.size;
            field
        })
        .collect();
    let record = Record {
        kind: 0,
        name: text("Quote"),
        doc: text("What a thing costs."),
        size: offset,
        align: 8,
        fields: fields.into(),
        tail: None,
    };
    Schema {
        records: vec![record].into(),
    }
}
