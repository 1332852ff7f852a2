//! Where a field is in a frame, by its name.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ringway::schema::{Content, Record, Type};

use crate::boundary::{call, given, text};
use crate::error::Failure;
use crate::schema::ringway_schema;
use crate::status::ringway_status;
use crate::ty::ringway_shape;

/// Where a field is, and what it is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_place {
    /// Bytes before it in the payload.
    pub offset: usize,
    /// Bytes that it takes; of a variable part, of one of its elements (1 for text).
    pub size: usize,
    /// What kind of type it is.
    pub shape: ringway_shape,
    /// How many there are: of an array its elements, of a text or bytes the room, of a variable part 0, else 1.
    pub count: u32,
    /// Of what an array, a variable part or what may be absent is made: its shape; else the same as `shape`.
    pub of: ringway_shape,
}

/// Where the field `path` is in frames of `kind`: a name, or names with dots between them where records lie in records. `RINGWAY_NO_SUCH_FIELD` says what there is.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_schema_field(
    schema: Option<&ringway_schema>,
    kind: u16,
    path: *const c_char,
    place: Option<&mut MaybeUninit<ringway_place>>,
) -> ringway_status {
    call(|| {
        let schema = given(schema, "schema")?;
        // SAFETY: the caller's promise.
        let path = unsafe { text(path, "path") }?;
        let place = given(place, "place")?;
        let record = schema
            .schema
            .record(kind)
            .ok_or_else(|| absent(format!("no record has the kind {kind}")))?;
        place.write(find(record, path, 0)?);
        Ok(())
    })
}

/// The bytes of the fixed part of frames of `kind`, and the name of their record, with a zero behind it; `length` as for `ringway_listener_path`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_schema_record(
    schema: Option<&ringway_schema>,
    kind: u16,
    size: Option<&mut MaybeUninit<usize>>,
    buffer: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let schema = given(schema, "schema")?;
        let size = given(size, "size")?;
        let record = schema
            .schema
            .record(kind)
            .ok_or_else(|| absent(format!("no record has the kind {kind}")))?;
        // SAFETY: the caller's promise.
        unsafe { crate::boundary::tell(record.name.as_bytes(), buffer, capacity, length) }?;
        size.write(record.size as usize);
        Ok(())
    })
}

fn absent(text: String) -> Failure {
    Failure::new(ringway_status::RINGWAY_NO_SUCH_FIELD, text)
}

fn find(record: &Record, path: &str, before: usize) -> Result<ringway_place, Failure> {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    if let Some(field) = record.fields.iter().find(|field| &*field.name == name) {
        let offset = before + field.offset as usize;
        return match (&field.ty, rest) {
            (Type::Record(inner), Some(rest)) => find(inner, rest, offset),
            (_, Some(_)) => Err(absent(format!("`{name}` is no record"))),
            (ty, None) => Ok(place(ty, offset, field.size as usize)),
        };
    }
    if let Some(tail) = record.tail.as_ref().filter(|tail| &*tail.name == name) {
        if rest.is_some() {
            // Which of its elements is not said.
            return Err(absent(format!("`{name}` is no record")));
        }
        let offset = before + record.size as usize;
        return Ok(match &tail.content {
            Content::Text => ringway_place {
                offset,
                size: 1,
                shape: ringway_shape::RINGWAY_TEXT,
                count: 0,
                of: ringway_shape::RINGWAY_TEXT,
            },
            Content::Elements(ty, size) => ringway_place {
                offset,
                size: *size as usize,
                shape: ringway_shape::RINGWAY_ARRAY,
                count: 0,
                of: shape(ty),
            },
        });
    }
    let fields = record.fields.iter().map(|field| &*field.name);
    let names: Vec<&str> = fields
        .chain(record.tail.iter().map(|tail| &*tail.name))
        .collect();
    let text = format!(
        "`{}` has no field `{name}`; it has {}",
        &*record.name,
        names.join(", ")
    );
    Err(absent(text))
}

fn place(ty: &Type, offset: usize, size: usize) -> ringway_place {
    let (count, of) = match ty {
        Type::Array(of, count) => (*count, shape(of)),
        Type::Maybe(of) => (1, shape(of)),
        Type::Text(room) | Type::Bytes(room) => (*room, shape(ty)),
        _ => (1, shape(ty)),
    };
    ringway_place {
        offset,
        size,
        shape: shape(ty),
        count,
        of,
    }
}

fn shape(ty: &Type) -> ringway_shape {
    use ringway_shape as S;
    match ty {
        Type::Unsigned(_) => S::RINGWAY_UNSIGNED,
        Type::Signed(_) => S::RINGWAY_SIGNED,
        Type::Float(_) => S::RINGWAY_FLOAT,
        Type::Bool => S::RINGWAY_BOOL,
        Type::Enumeration(_) => S::RINGWAY_ENUMERATION,
        Type::Array(..) => S::RINGWAY_ARRAY,
        Type::Record(_) => S::RINGWAY_RECORD,
        Type::Text(_) => S::RINGWAY_TEXT,
        Type::Bytes(_) => S::RINGWAY_BYTES,
        Type::Maybe(_) => S::RINGWAY_MAYBE,
        _ => S::RINGWAY_OTHER_SHAPE,
    }
}
