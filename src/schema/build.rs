//! A frame from values with names: the way back of `value`.

use super::{Content, Enumeration, Field, Invalid, Record, Type, Value};

impl Record {
    /// The payload of a frame that says what `value` says: a [`Value::Record`] whose fields have the names of this record's, in any order. A field that
    /// is left out has its default, is absent, or is zero if its name begins with `_` as padding does; a variable part that is left out is empty.
    /// What fills up a text or bytes is zero.
    ///
    /// # Errors
    /// The first field that is missing, unknown, of another type, or does not fit.
    pub fn encode(&self, value: &Value<'_>) -> Result<Vec<u8>, Invalid> {
        let values = fields_of(value)?;
        let mut out = Vec::with_capacity(self.size as usize);
        known(self, values)?;
        put_fields(&mut out, self, values)?;
        if let Some(tail) = &self.tail {
            if let Some(value) = find(values, &tail.name)? {
                put_content(&mut out, &tail.content, value)
                    .map_err(|invalid| invalid.within(&tail.name))?;
            }
        }
        Ok(out)
    }
}

type Values<'a, 's> = &'a [(&'s str, Value<'s>)];

fn fields_of<'a, 's>(value: &'a Value<'s>) -> Result<Values<'a, 's>, Invalid> {
    match value {
        Value::Record(values) => Ok(values),
        other => Err(other.is_no("record")),
    }
}

/// No value is for nobody: a misspelt name would otherwise leave a default in place.
fn known(record: &Record, values: Values<'_, '_>) -> Result<(), Invalid> {
    let tail = record.tail.as_ref();
    let unknown = values.iter().find(|(name, _)| {
        let field = record.fields.iter().any(|field| &*field.name == *name);
        !field && tail.is_none_or(|tail| &*tail.name != *name)
    });
    match unknown {
        None => Ok(()),
        Some((name, _)) => {
            let what = format!("`{}` has no such field", &*record.name);
            Err(Invalid::new(what).within(name))
        }
    }
}

fn find<'a, 's>(values: Values<'a, 's>, name: &str) -> Result<Option<&'a Value<'s>>, Invalid> {
    let mut found = values.iter().filter(|(known, _)| *known == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Invalid::new("it is given twice").within(name)),
        (first, None) => Ok(first.map(|(_, value)| value)),
    }
}

fn put_fields(out: &mut Vec<u8>, record: &Record, values: Values<'_, '_>) -> Result<(), Invalid> {
    for field in record.fields.iter() {
        let put = match find(values, &field.name)? {
            Some(value) => put_value(out, &field.ty, field.size as usize, value),
            None => put_absent(out, field),
        };
        put.map_err(|invalid| invalid.within(&field.name))?;
    }
    Ok(())
}

fn put_absent(out: &mut Vec<u8>, field: &Field) -> Result<(), Invalid> {
    if !field.default.is_empty() {
        out.extend_from_slice(&field.default);
    } else if field.name.starts_with('_') || matches!(field.ty, Type::Maybe(_)) {
        out.resize(out.len() + field.size as usize, 0);
    } else {
        return Err(Invalid::new("it is missing, and has no default"));
    }
    Ok(())
}

fn put_content(out: &mut Vec<u8>, content: &Content, value: &Value<'_>) -> Result<(), Invalid> {
    match (content, value) {
        (Content::Text, Value::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (Content::Text, other) => return Err(other.is_no("text")),
        (Content::Elements(ty, size), value) => {
            put_elements(out, ty, *size as usize, None, value)?;
        }
    }
    Ok(())
}

/// Elements of `size` bytes each; `count` of them, if that is fixed.
fn put_elements(
    out: &mut Vec<u8>,
    ty: &Type,
    size: usize,
    count: Option<usize>,
    value: &Value<'_>,
) -> Result<(), Invalid> {
    let len = match value {
        Value::List(values) => values.len(),
        Value::Bytes(bytes) if matches!(ty, Type::Unsigned(1)) => bytes.len(),
        other => return Err(other.is_no("list")),
    };
    if let Some(count) = count.filter(|&count| count != len) {
        return Err(Invalid::new(format!(
            "{len} elements, where there are {count}"
        )));
    }
    match value {
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::List(values) => {
            for (index, value) in values.iter().enumerate() {
                put_value(out, ty, size, value).map_err(|invalid| invalid.at(index))?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn put_value(out: &mut Vec<u8>, ty: &Type, size: usize, value: &Value<'_>) -> Result<(), Invalid> {
    let start = out.len();
    match (ty, value) {
        (Type::Unsigned(bytes), Value::Unsigned(number)) => {
            let bits = 8 * u32::from(*bytes).min(16);
            if bits < 128 && number >> bits != 0 {
                return Err(Invalid::new(format!("{number} is too large for {ty}")));
            }
            out.extend_from_slice(&number.to_le_bytes()[..size.min(16)]);
        }
        (Type::Signed(bytes), Value::Signed(number)) => {
            let shift = 128 - 8 * u32::from(*bytes).clamp(1, 16);
            if number << shift >> shift != *number {
                return Err(Invalid::new(format!("{number} does not fit into {ty}")));
            }
            out.extend_from_slice(&number.to_le_bytes()[..size.min(16)]);
        }
        (Type::Float(4), Value::Float(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Type::Float(8), Value::Double(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Type::Bool, Value::Bool(value)) => out.push(u8::from(*value)),
        (Type::Enumeration(enumeration), Value::Variant(name)) => {
            let number = number(enumeration, name)?;
            out.extend_from_slice(&number.to_le_bytes()[..size.min(8)]);
        }
        (Type::Array(of, count), value) => {
            let each = size.checked_div(*count as usize).unwrap_or(0);
            put_elements(out, of, each, Some(*count as usize), value)?;
        }
        (Type::Record(record), Value::Record(values)) => {
            known(record, values)?;
            put_fields(out, record, values)?;
        }
        (Type::Text(room), Value::Text(text)) => {
            if text.contains('\0') {
                let what = "a text that is filled up with zeros cannot hold one";
                return Err(Invalid::new(what));
            }
            fits(text.len(), *room)?;
            out.extend_from_slice(text.as_bytes());
        }
        (Type::Bytes(room), Value::Bytes(bytes)) => {
            fits(bytes.len(), *room)?;
            let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX); // its room is at most that
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(bytes);
        }
        (Type::Maybe(of), Value::Maybe(Some(value))) => {
            let flag = super::rules::flag(of) as usize;
            put_value(out, of, size.saturating_sub(flag), value)?;
            out.push(1);
        }
        (Type::Maybe(_), Value::Maybe(None)) => {}
        (ty, other) => return Err(other.is_no(&ty.to_string())),
    }
    // What is left of its room is filling: of a text, of bytes, of the flag of a value.
    out.resize(start + size, 0);
    Ok(())
}

fn fits(len: usize, room: u32) -> Result<(), Invalid> {
    if len > room as usize {
        let what = format!("{len} bytes, where there is room for {room}");
        return Err(Invalid::new(what));
    }
    Ok(())
}

fn number(enumeration: &Enumeration, name: &str) -> Result<i64, Invalid> {
    let variants = enumeration.variants.iter();
    let mut found = variants.filter(|variant| &*variant.name == name);
    found.next().map(|variant| variant.value).ok_or_else(|| {
        let of = &*enumeration.name;
        Invalid::new(format!("`{name}` is no value of `{of}`"))
    })
}

impl Value<'_> {
    fn is_no(&self, expected: &str) -> Invalid {
        let kind = match self {
            Self::Unsigned(_) => "an unsigned integer",
            Self::Signed(_) => "a signed integer",
            Self::Float(_) => "a number of 32 bits",
            Self::Double(_) => "a number of 64 bits",
            Self::Bool(_) => "a truth value",
            Self::Variant(_) => "the name of a value",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
            Self::Maybe(_) => "a value that may be absent",
        };
        Invalid::new(format!("{kind}, where {expected} is expected"))
    }
}
