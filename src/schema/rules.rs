//! What every schema must be like, whoever made it: what reads a table relies on it.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Content, Enumeration, Field, Record, Schema, Type};
use crate::layout::is_printable;

/// The most bytes of a table.
pub const MAX_TABLE: usize = 64 << 10;
/// The most records of a schema.
pub const MAX_RECORDS: usize = 256;
/// The most fields of a schema, nested ones too, and as many named values.
pub const MAX_FIELDS: usize = 4096;
/// How deep types may lie in each other.
pub const MAX_DEPTH: usize = 8;
/// The most bytes of a name.
const MAX_NAME: usize = 200;

/// A rule that a schema breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsound {
    place: String,
    rule: Cow<'static, str>,
}

impl fmt::Display for Unsound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return out.write_str(&self.rule);
        }
        write!(out, "`{}`: {}", self.place, self.rule)
    }
}

impl std::error::Error for Unsound {}

impl Schema {
    /// Checks every rule. A schema that was decoded keeps them, and one that the derive macro made.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Unsound> {
        let mut check = Check::default();
        check.that(self.records.len() <= MAX_RECORDS, "more than 256 records")?;
        let ascending = self
            .records
            .windows(2)
            .all(|pair| pair[0].kind < pair[1].kind);
        check.that(ascending, "kinds do not ascend")?;
        for record in self.records.iter() {
            check.record(record, 0)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Check {
    place: Vec<String>,
    fields: usize,
}

impl Check {
    fn that(&self, sound: bool, rule: &'static str) -> Result<(), Unsound> {
        if sound {
            return Ok(());
        }
        Err(self.broken(rule))
    }

    /// The same, where numbers tell what is broken.
    fn told(&self, sound: bool, rule: impl FnOnce() -> String) -> Result<(), Unsound> {
        if sound {
            return Ok(());
        }
        Err(self.broken(rule()))
    }

    fn broken(&self, rule: impl Into<Cow<'static, str>>) -> Unsound {
        Unsound {
            place: self.place.join("."),
            rule: rule.into(),
        }
    }

    fn name(&self, name: &str) -> Result<(), Unsound> {
        let printable = name.chars().all(is_printable);
        let sound = !name.is_empty() && name.len() <= MAX_NAME && printable;
        self.that(sound, "a name is empty, too long or not printable")
    }

    /// Words about something; they may have lines.
    fn words(&self, words: &str) -> Result<(), Unsound> {
        let mut letters = words.chars();
        let sound = letters.all(|letter| is_printable(letter) || matches!(letter, '\n' | '\t'));
        self.that(sound, "documentation or a note is not printable")
    }

    fn record(&mut self, record: &Record, depth: usize) -> Result<(), Unsound> {
        self.name(&record.name)?;
        self.place.push(record.name.to_string());
        self.words(&record.doc)?;
        self.that(depth < MAX_DEPTH, "types lie too deep in each other")?;
        let align = record.align;
        self.told(align.is_power_of_two() && align <= 64, || {
            format!("its alignment is {align}, which is no power of two up to 64")
        })?;
        let mut names = BTreeSet::new();
        let mut offset = 0u64;
        let mut since = 1;
        for field in record.fields.iter() {
            self.name(&field.name)?;
            self.place.push(field.name.to_string());
            self.fields += 1;
            self.that(self.fields <= MAX_FIELDS, "more than 4096 fields")?;
            let unique = names.insert(&*field.name);
            self.that(unique, "two fields have this name")?;
            self.told(u64::from(field.offset) == offset, || {
                let begins = field.offset;
                format!("it begins at {begins}, and what is before it ends at {offset}: padding is a field too")
            })?;
            self.field(field, record, depth)?;
            self.told(field.since >= since, || {
                let own = field.since;
                format!("it is of version {own}, and version {since} comes before it")
            })?;
            since = field.since;
            offset += u64::from(field.size);
            self.place.pop();
        }
        self.told(u64::from(record.size) == offset, || {
            let size = record.size;
            format!("it has {size} bytes, and its fields end at {offset}: padding is a field too")
        })?;
        if let Some(tail) = &record.tail {
            self.that(
                depth == 0,
                "it is a part of a message, and has a variable part",
            )?;
            self.name(&tail.name)?;
            self.place.push(tail.name.to_string());
            self.words(&tail.doc)?;
            let unique = !names.contains(&*tail.name);
            self.that(unique, "two fields have this name")?;
            if let Content::Elements(ty, size) = &tail.content {
                let bytes = self.ty(ty, depth + 1)?;
                self.told(bytes == u64::from(*size) && bytes > 0, || {
                    format!("its elements have {size} bytes, and their type has {bytes}")
                })?;
            }
            self.place.pop();
        }
        self.place.pop();
        Ok(())
    }

    fn field(&mut self, field: &Field, record: &Record, depth: usize) -> Result<(), Unsound> {
        self.words(&field.doc)?;
        self.words(&field.deprecated)?;
        let bytes = self.ty(&field.ty, depth + 1)?;
        let Field {
            size,
            align,
            offset,
            ..
        } = field;
        self.told(bytes == u64::from(*size), || {
            format!("it has {size} bytes, and its type has {bytes}")
        })?;
        let aligned = field.align.is_power_of_two()
            && field.align <= record.align
            && field.offset % field.align == 0;
        self.told(aligned, || {
            let most = record.align;
            format!("it lies at {offset} and is to be aligned to {align}, in a record that is aligned to {most}")
        })?;
        let default = field.default.len();
        self.told(default == 0 || default == *size as usize, || {
            format!("it has {size} bytes, and its default has {default}")
        })
    }

    /// The bytes of a type.
    fn ty(&mut self, ty: &Type, depth: usize) -> Result<u64, Unsound> {
        self.that(depth < MAX_DEPTH, "types lie too deep in each other")?;
        Ok(match ty {
            Type::Unsigned(size) | Type::Signed(size) => {
                self.told(matches!(size, 1 | 2 | 4 | 8 | 16), || {
                    format!("an integer of {size} bytes, where 1, 2, 4, 8 or 16 are possible")
                })?;
                u64::from(*size)
            }
            Type::Float(size) => {
                self.told(matches!(size, 4 | 8), || {
                    format!("a floating-point number of {size} bytes, where 4 or 8 are possible")
                })?;
                u64::from(*size)
            }
            Type::Bool => 1,
            Type::Enumeration(enumeration) => self.enumeration(enumeration)?,
            Type::Array(of, count) => {
                let bytes = self.ty(of, depth + 1)?;
                // Nobody shall count to four thousand millions for a frame of no bytes.
                self.that(bytes > 0, "the elements of an array have no bytes")?;
                bytes.saturating_mul(u64::from(*count))
            }
            Type::Record(record) => {
                self.record(record, depth)?;
                u64::from(record.size)
            }
            Type::Text(size) => u64::from(*size),
            Type::Bytes(size) => {
                let counted = u16::try_from(*size).is_ok();
                self.told(counted, || {
                    format!("room for {size} bytes, where two bytes count up to 65535")
                })?;
                u64::from(*size) + 2
            }
            Type::Maybe(of) => {
                let bytes = self.ty(of, depth + 1)?;
                let rule = "all zeros are no value of what may be absent";
                self.that(takes_zeros(of), rule)?;
                // An array in it may be as large as numbers go.
                bytes.saturating_add(flag(of))
            }
        })
    }

    fn enumeration(&mut self, enumeration: &Enumeration) -> Result<u64, Unsound> {
        self.name(&enumeration.name)?;
        let sized = matches!(enumeration.size, 1 | 2 | 4 | 8);
        self.told(sized, || {
            let size = enumeration.size;
            format!("an enumeration of {size} bytes, where 1, 2, 4 or 8 are possible")
        })?;
        self.that(!enumeration.variants.is_empty(), "no value has a name")?;
        let mut names = BTreeSet::new();
        for (index, variant) in enumeration.variants.iter().enumerate() {
            self.name(&variant.name)?;
            self.fields += 1;
            self.that(self.fields <= MAX_FIELDS, "more than 4096 values")?;
            let unique = names.insert(&*variant.name);
            self.that(unique, "two values have one name")?;
            let ascending = index == 0 || in_order(enumeration, index);
            self.that(ascending, "values do not ascend")?;
            let number = enumeration.number(variant.value);
            let bits = u32::from(enumeration.size) * 8;
            let low = if enumeration.signed {
                -(1i128 << (bits - 1))
            } else {
                0
            };
            let fits = (low..low + (1 << bits)).contains(&number);
            self.that(fits, "a value does not fit into the enumeration")?;
        }
        Ok(u64::from(enumeration.size))
    }
}

fn in_order(enumeration: &Enumeration, index: usize) -> bool {
    let number = |index: usize| enumeration.number(enumeration.variants[index].value);
    number(index - 1) < number(index)
}

fn takes_zeros(ty: &Type) -> bool {
    match ty {
        Type::Enumeration(enumeration) => {
            let mut variants = enumeration.variants.iter();
            variants.any(|variant| variant.value == 0)
        }
        Type::Array(of, _) | Type::Maybe(of) => takes_zeros(of),
        Type::Record(record) => record.fields.iter().all(|field| takes_zeros(&field.ty)),
        _ => true,
    }
}

/// Bytes of the number that says whether a value is there: as many as the value is aligned to.
pub(super) fn flag(of: &Type) -> u64 {
    u64::from(align(of))
}

/// What the address of a type is a multiple of, in Rust and C.
pub(super) fn align(ty: &Type) -> u32 {
    match ty {
        Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => u32::from(*size),
        Type::Enumeration(enumeration) => u32::from(enumeration.size),
        Type::Array(of, _) | Type::Maybe(of) => align(of),
        Type::Record(record) => record.align,
        Type::Bool | Type::Text(_) | Type::Bytes(_) => 1,
    }
}
