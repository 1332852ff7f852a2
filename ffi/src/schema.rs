//! What a lane carries: made, compared, told and read.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use ringway::schema::{Schema, compare, decode, encode, fingerprint, to_json};

use crate::boundary::{bytes, call, given, quietly, room, tell};
use crate::error::Failure;
use crate::record::ringway_record;
use crate::status::ringway_status;

/// What one lane carries: a record for each type of message. It may be read from several threads at once.
#[derive(Debug)]
pub struct ringway_schema {
    pub(crate) schema: Schema,
}

impl ringway_schema {
    pub(crate) fn of(schema: Option<&Schema>) -> Result<Box<Self>, Failure> {
        let schema = schema.cloned().ok_or_else(|| {
            let text = "there is no schema: what is sent are bytes without a meaning";
            Failure::new(ringway_status::RINGWAY_NO_SUCH_FIELD, text)
        })?;
        Ok(Box::new(Self { schema }))
    }
}

/// The schema of a lane that carries nothing, to which records are added. Free it with `ringway_schema_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_schema_new(
    schema: Option<&mut MaybeUninit<Box<ringway_schema>>>,
) -> ringway_status {
    call(|| {
        let empty = Schema {
            records: Vec::new().into(),
        };
        given(schema, "schema")?.write(Box::new(ringway_schema { schema: empty }));
        Ok(())
    })
}

/// Adds a record, which is copied. `RINGWAY_SCHEMA`: a rule is broken, which the detail names (a gap between fields, two records of one kind); the schema is as it was then.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_schema_add(
    schema: Option<&mut ringway_schema>,
    record: Option<&ringway_record>,
) -> ringway_status {
    call(|| {
        let (schema, record) = (given(schema, "schema")?, given(record, "record")?);
        let mut records = schema.schema.records.to_vec();
        records.push(record.record.clone());
        records.sort_by_key(|record| record.kind);
        let made = Schema {
            records: records.into(),
        };
        made.check()
            .map_err(|unsound| Failure::new(ringway_status::RINGWAY_SCHEMA, unsound.to_string()))?;
        schema.schema = made;
        Ok(())
    })
}

/// The schema of a table: what `ringway_schema_encode` writes, and a Rust program or a file may have written. Whatever the bytes are, a schema keeps every rule.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_schema_decode(
    table: *const c_void,
    length: usize,
    schema: Option<&mut MaybeUninit<Box<ringway_schema>>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let table = unsafe { bytes(table, length, "table") }?;
        let out = given(schema, "schema")?;
        let schema = decode(table)?;
        out.write(Box::new(ringway_schema { schema }));
        Ok(())
    })
}

/// The table of a schema. `length` gets its bytes, also where they do not fit (`RINGWAY_TRUNCATED`).
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_schema_encode(
    schema: Option<&ringway_schema>,
    buffer: *mut c_void,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let schema = given(schema, "schema")?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { room(buffer, capacity, "buffer") }?;
        let length = given(length, "length")?;
        let table = encode(&schema.schema)?;
        length.write(table.len());
        match buffer.get_mut(..table.len()) {
            Some(buffer) => buffer.copy_from_slice(&table),
            None => return Err(Failure::plain(ringway_status::RINGWAY_TRUNCATED)),
        }
        Ok(())
    })
}

/// The sixteen bytes that are equal where two schemas mean the same bytes.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_schema_fingerprint(
    schema: Option<&ringway_schema>,
    fingerprint: Option<&mut MaybeUninit<[u8; 16]>>,
) -> ringway_status {
    call(|| {
        let schema = given(schema, "schema")?;
        given(fingerprint, "fingerprint")?.write(self::fingerprint(&schema.schema));
        Ok(())
    })
}

/// Whether who expects `reader` understands what is written by `writer`: `RINGWAY_OK`, or `RINGWAY_SCHEMA`, and the detail shows the first field that differs, in both.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_schema_compare(
    writer: Option<&ringway_schema>,
    reader: Option<&ringway_schema>,
) -> ringway_status {
    call(|| {
        let (writer, reader) = (given(writer, "writer")?, given(reader, "reader")?);
        compare(&writer.schema, &reader.schema).map_err(|difference| {
            let tables = difference.tables("the writer's", "the reader's");
            let text = format!("{difference}\n{tables}");
            Failure::new(ringway_status::RINGWAY_SCHEMA, text.trim_end())
        })
    })
}

/// The schema as JSON, with a zero behind it. `length` as for `ringway_listener_path`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_schema_json(
    schema: Option<&ringway_schema>,
    buffer: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let json = to_json(&given(schema, "schema")?.schema);
        // SAFETY: the caller's promise.
        unsafe { tell(json.as_bytes(), buffer, capacity, length) }
    })
}

/// Frees a schema. What was made with it stays as it is.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_schema_free(schema: Option<Box<ringway_schema>>) {
    quietly(|| drop(schema));
}
