//! Types of fields, made by calls.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ringway::schema::{Enumeration, MAX_DEPTH, Shared, Type, Variant};

use crate::boundary::{call, given, quietly, text};
use crate::error::Failure;
use crate::record::ringway_record;
use crate::status::ringway_status;

/// What the bytes of a field are: a part of a schema. What is made of it copies it. One thread at a time uses it.
#[derive(Clone, Debug)]
pub struct ringway_type {
    pub(crate) ty: Type,
    /// How many types lie in each other here, this one among them: no more than a schema may have, since whatever walks through them calls itself for each.
    pub(crate) depth: usize,
}

/// What kind of type one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum ringway_shape {
    /// One that this version of the header has no name for.
    RINGWAY_OTHER_SHAPE = 0,
    /// An unsigned integer of 1, 2, 4, 8 or 16 bytes, little-endian as all numbers.
    RINGWAY_UNSIGNED = 1,
    /// A signed integer in two's complement, of 1, 2, 4, 8 or 16 bytes.
    RINGWAY_SIGNED = 2,
    /// A number of IEEE 754, of 4 or 8 bytes.
    RINGWAY_FLOAT = 3,
    /// One byte: 0 or 1.
    RINGWAY_BOOL = 4,
    /// An integer that has one of some named values.
    RINGWAY_ENUMERATION = 5,
    /// So many of one type, one behind the other.
    RINGWAY_ARRAY = 6,
    /// A record inside a record.
    RINGWAY_RECORD = 7,
    /// UTF-8 of at most so many bytes, filled up with zeros.
    RINGWAY_TEXT = 8,
    /// At most so many bytes: their number in two bytes, then room for all of them.
    RINGWAY_BYTES = 9,
    /// A value and behind it a number as wide as the value's alignment: 1 if the value is there, else 0.
    RINGWAY_MAYBE = 10,
}

type Out<'a> = Option<&'a mut MaybeUninit<Box<ringway_type>>>;

/// `inner`: the depth of what lies in it.
fn put(out: Out<'_>, ty: Type, inner: usize) -> Result<(), Failure> {
    let depth = inner + 1;
    let out = given(out, "type")?;
    if depth > MAX_DEPTH {
        let text = format!("types lie too deep in each other: at most {MAX_DEPTH} do");
        return Err(Failure::new(ringway_status::RINGWAY_SCHEMA, text));
    }
    out.write(Box::new(ringway_type { ty, depth }));
    Ok(())
}

/// A type that is told by a number: `RINGWAY_UNSIGNED`, `RINGWAY_SIGNED` and `RINGWAY_FLOAT` of `size` bytes; `RINGWAY_TEXT` and `RINGWAY_BYTES` of at most `size` bytes; `RINGWAY_BOOL`, of 1. Free it with `ringway_type_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_type_plain(
    shape: i32,
    size: u32,
    type_: Option<&mut MaybeUninit<Box<ringway_type>>>,
) -> ringway_status {
    const UNSIGNED: i32 = ringway_shape::RINGWAY_UNSIGNED as i32;
    const SIGNED: i32 = ringway_shape::RINGWAY_SIGNED as i32;
    const FLOAT: i32 = ringway_shape::RINGWAY_FLOAT as i32;
    const BOOL: i32 = ringway_shape::RINGWAY_BOOL as i32;
    const TEXT: i32 = ringway_shape::RINGWAY_TEXT as i32;
    const BYTES: i32 = ringway_shape::RINGWAY_BYTES as i32;
    call(|| {
        let ty = match (shape, size) {
            (UNSIGNED, 1 | 2 | 4 | 8 | 16) => Type::Unsigned(size as u8),
            (SIGNED, 1 | 2 | 4 | 8 | 16) => Type::Signed(size as u8),
            (FLOAT, 4 | 8) => Type::Float(size as u8),
            (BOOL, 1) => Type::Bool,
            (TEXT, _) => Type::Text(size),
            (BYTES, 0..=0xFFFF) => Type::Bytes(size),
            _ => {
                let text = format!("no plain type has the shape {shape} and the size {size}");
                return Err(Failure::argument(text));
            }
        };
        put(type_, ty, 0)
    })
}

/// An array of `count` values of a type, which is copied. `RINGWAY_SCHEMA`, here and of the next two: types lie too deep in each other.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_type_array(
    of: Option<&ringway_type>,
    count: u32,
    type_: Option<&mut MaybeUninit<Box<ringway_type>>>,
) -> ringway_status {
    call(|| {
        let of = given(of, "of")?;
        put(type_, Type::Array(of.ty.clone().into(), count), of.depth)
    })
}

/// A value of a type, which is copied, or its absence.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_type_maybe(
    of: Option<&ringway_type>,
    type_: Option<&mut MaybeUninit<Box<ringway_type>>>,
) -> ringway_status {
    call(|| {
        let of = given(of, "of")?;
        put(type_, Type::Maybe(of.ty.clone().into()), of.depth)
    })
}

/// A record inside of a record. It is copied.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_type_record(
    of: Option<&ringway_record>,
    type_: Option<&mut MaybeUninit<Box<ringway_type>>>,
) -> ringway_status {
    call(|| {
        let of = given(of, "of")?;
        put(type_, Type::Record(of.record.clone().into()), of.depth)
    })
}

/// An integer of `size` bytes with named values, which `ringway_type_value` adds.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_type_enumeration(
    name: *const c_char,
    size: u8,
    is_signed: bool,
    type_: Option<&mut MaybeUninit<Box<ringway_type>>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") }?;
        let enumeration = Enumeration {
            name: name.to_owned().into(),
            size,
            signed: is_signed,
            variants: Vec::new().into(),
        };
        put(type_, Type::Enumeration(enumeration.into()), 0)
    })
}

/// Adds a named value to an enumeration: 64 bits, in two's complement where it is signed.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_type_value(
    type_: Option<&mut ringway_type>,
    name: *const c_char,
    value: i64,
) -> ringway_status {
    call(|| {
        let ty = &mut given(type_, "type")?.ty;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") }?;
        let Type::Enumeration(enumeration) = ty else {
            return Err(Failure::argument("`type` is no enumeration"));
        };
        let mut changed: Enumeration = (**enumeration).clone();
        let mut variants = changed.variants.to_vec();
        variants.push(Variant {
            name: name.to_owned().into(),
            value,
        });
        // In the order of their values, whatever the order of the calls.
        variants.sort_by_key(|variant| changed.number(variant.value));
        changed.variants = Shared::from(variants);
        *enumeration = changed.into();
        Ok(())
    })
}

/// Frees a type. What was made of it stays as it is.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_type_free(type_: Option<Box<ringway_type>>) {
    quietly(|| drop(type_));
}
