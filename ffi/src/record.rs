//! Records, made by calls.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use ringway::schema::{Content, Field, Record, Tail};

use crate::boundary::{bytes, call, given, quietly, text};
use crate::error::Failure;
use crate::status::ringway_status;
use crate::ty::ringway_type;

/// The layout of one type of message. What is made of it copies it. One thread at a time uses it.
#[derive(Clone, Debug)]
pub struct ringway_record {
    pub(crate) record: Record,
    /// That of its deepest field.
    pub(crate) depth: usize,
}

/// A field to be added to a record. All of it is copied. It never gets more members, as no struct of this header does: what needs more has another name and a function of its own.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_field {
    /// Its name. What begins with `_` is padding, which has to be told too: fields follow each other without gaps.
    pub name: *const c_char,
    /// What it means, for people; NULL for nothing. No part of the fingerprint.
    pub doc: *const c_char,
    /// What its bytes are.
    pub type_: *const ringway_type,
    /// Bytes before it in its record: `offsetof`.
    pub offset: u32,
    /// Bytes that it takes: `sizeof`.
    pub size: u32,
    /// What its offset is a multiple of: `alignof`.
    pub align: u32,
    /// The version of the record that added it: 1 for the first, which 0 means too. No part of the fingerprint.
    pub since: u16,
    /// Why it should no longer be used; NULL: it may be. No part of the fingerprint.
    pub deprecated: *const c_char,
    /// Its `size` bytes where the sender did not know it; NULL for zeros. No part of the fingerprint.
    pub default_: *const c_void,
}

/// A record without fields. `kind`: the number that its frames have; 0, where a lane carries one type only, and of a record in a record. Free it with `ringway_record_free`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_record_new(
    kind: u16,
    name: *const c_char,
    size: u32,
    align: u32,
    record: Option<&mut MaybeUninit<Box<ringway_record>>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") }?;
        let made = Record {
            kind,
            name: name.to_owned().into(),
            doc: String::new().into(),
            size,
            align,
            fields: Vec::new().into(),
            tail: None,
        };
        given(record, "record")?.write(Box::new(ringway_record {
            record: made,
            depth: 0,
        }));
        Ok(())
    })
}

/// Adds a field, behind those that are there.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_record_add(
    record: Option<&mut ringway_record>,
    field: Option<&ringway_field>,
) -> ringway_status {
    call(|| {
        let ringway_record { record, depth } = given(record, "record")?;
        let field = given(field, "field")?;
        // SAFETY: the caller's promise: NULL, or a type that lives.
        let ty = given(unsafe { field.type_.as_ref() }, "field->type_")?;
        // SAFETY: the caller's promise, of each.
        let (name, doc, deprecated) = unsafe {
            (
                text(field.name, "field->name")?,
                words(field.doc, "field->doc")?,
                words(field.deprecated, "field->deprecated")?,
            )
        };
        let default = if field.default_.is_null() {
            &[]
        } else {
            // SAFETY: the caller's promise.
            unsafe { bytes(field.default_, field.size as usize, "field->default_") }?
        };
        let mut fields = record.fields.to_vec();
        fields.push(Field {
            name: name.to_owned().into(),
            doc: doc.to_owned().into(),
            ty: ty.ty.clone(),
            offset: field.offset,
            size: field.size,
            align: field.align,
            since: field.since.max(1),
            deprecated: deprecated.to_owned().into(),
            default: default.to_vec().into(),
        });
        record.fields = fields.into();
        *depth = ty.depth.max(*depth);
        Ok(())
    })
}

/// # Safety
/// NULL, or a text that ends with a zero.
unsafe fn words<'a>(start: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if start.is_null() {
        return Ok("");
    }
    // SAFETY: the caller's promise.
    unsafe { text(start, name) }
}

/// Says what is behind the fixed fields: text in UTF-8.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_record_tail_text(
    record: Option<&mut ringway_record>,
    name: *const c_char,
) -> ringway_status {
    call(|| {
        let record = &mut given(record, "record")?.record;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") }?;
        record.tail = Some(Tail {
            name: name.to_owned().into(),
            doc: String::new().into(),
            content: Content::Text,
        });
        Ok(())
    })
}

/// Says what is behind the fixed fields: elements of a type, of `size` bytes each, as many as there are.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_record_tail_elements(
    record: Option<&mut ringway_record>,
    name: *const c_char,
    of: Option<&ringway_type>,
    size: u32,
) -> ringway_status {
    call(|| {
        let ringway_record { record, depth } = given(record, "record")?;
        let of = given(of, "of")?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") }?;
        record.tail = Some(Tail {
            name: name.to_owned().into(),
            doc: String::new().into(),
            content: Content::Elements(of.ty.clone(), size),
        });
        *depth = of.depth.max(*depth);
        Ok(())
    })
}

/// Frees a record. What was made of it stays as it is.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_record_free(record: Option<Box<ringway_record>>) {
    quietly(|| drop(record));
}
