//! Reading a table. It comes from a peer, or from a file: whatever its bytes are, the answer is a schema that keeps every rule, or an error;
//! and neither takes more memory or time than some multiple of its length.

use super::rules::{MAX_DEPTH, MAX_TABLE, Unsound};
use super::table::BEGIN;
use super::{Content, Enumeration, Field, Record, Schema, Shared, Tail, Type, Variant};

/// Bytes are no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They do not begin as one of this version does.
    #[error("it is no schema table, or one of another version")]
    Foreign,
    /// They are more than any table has.
    #[error("it has more than {MAX_TABLE} bytes")]
    TooLong,
    /// They end too early.
    #[error("it ends too early")]
    Truncated,
    /// Bytes follow the last record.
    #[error("{0} bytes follow its end")]
    Surplus(usize),
    /// A text is not UTF-8, or a number has no meaning.
    #[error("byte {0} makes no sense")]
    Nonsense(usize),
    /// What it says breaks a rule.
    #[error("it breaks a rule: {0}")]
    Unsound(#[from] Unsound),
}

/// The schema of a table.
///
/// # Errors
/// What is wrong with it.
pub fn decode(table: &[u8]) -> Result<Schema, DecodeError> {
    if table.len() > MAX_TABLE {
        return Err(DecodeError::TooLong);
    }
    let Some(rest) = table.strip_prefix(&BEGIN) else {
        return Err(DecodeError::Foreign);
    };
    let mut reader = Reader {
        rest,
        length: table.len(),
    };
    let count = reader.count()?;
    let records = reader.many(count, |reader| reader.record(0))?;
    if !reader.rest.is_empty() {
        return Err(DecodeError::Surplus(reader.rest.len()));
    }
    let schema = Schema {
        records: records.into(),
    };
    schema.check()?;
    Ok(schema)
}

struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl Reader<'_> {
    fn nonsense<T>(&self) -> Result<T, DecodeError> {
        Err(DecodeError::Nonsense(self.length - self.rest.len()))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.take().map(u32::from_le_bytes)
    }

    fn count(&mut self) -> Result<usize, DecodeError> {
        Ok(self.u32()? as usize)
    }

    /// So many items, each of which takes bytes: a number alone reserves no memory.
    fn many<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        if count > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn bytes(&mut self) -> Result<&[u8], DecodeError> {
        let length = self.count()?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<Shared<str>, DecodeError> {
        let text = self.bytes()?.to_vec();
        match String::from_utf8(text) {
            Ok(text) => Ok(text.into()),
            Err(_) => self.nonsense(),
        }
    }

    fn record(&mut self, depth: usize) -> Result<Record, DecodeError> {
        if depth >= MAX_DEPTH {
            return self.nonsense();
        }
        let (kind, name, doc) = (self.u16()?, self.text()?, self.text()?);
        let (size, align) = (self.u32()?, self.u32()?);
        let count = self.count()?;
        let fields = self.many(count, |reader| reader.field(depth + 1))?;
        let tail = match self.u8()? {
            0 => None,
            1 => Some(Tail {
                name: self.text()?,
                doc: self.text()?,
                content: Content::Text,
            }),
            2 => Some(Tail {
                name: self.text()?,
                doc: self.text()?,
                content: Content::Elements(self.ty(depth + 1)?, self.u32()?),
            }),
            _ => return self.nonsense(),
        };
        Ok(Record {
            kind,
            name,
            doc,
            size,
            align,
            fields: fields.into(),
            tail,
        })
    }

    fn field(&mut self, depth: usize) -> Result<Field, DecodeError> {
        Ok(Field {
            name: self.text()?,
            doc: self.text()?,
            ty: self.ty(depth)?,
            offset: self.u32()?,
            size: self.u32()?,
            align: self.u32()?,
            since: self.u16()?,
            deprecated: self.text()?,
            default: self.bytes()?.to_vec().into(),
        })
    }

    fn ty(&mut self, depth: usize) -> Result<Type, DecodeError> {
        if depth >= MAX_DEPTH {
            return self.nonsense();
        }
        Ok(match self.u8()? {
            1 => Type::Unsigned(self.u8()?),
            2 => Type::Signed(self.u8()?),
            3 => Type::Float(self.u8()?),
            4 => Type::Bool,
            5 => Type::Enumeration(self.enumeration()?.into()),
            6 => {
                let count = self.u32()?;
                Type::Array(self.ty(depth + 1)?.into(), count)
            }
            7 => Type::Record(self.record(depth)?.into()),
            8 => Type::Text(self.u32()?),
            9 => Type::Bytes(self.u32()?),
            10 => Type::Maybe(self.ty(depth + 1)?.into()),
            _ => return self.nonsense(),
        })
    }

    fn enumeration(&mut self) -> Result<Enumeration, DecodeError> {
        let (name, size) = (self.text()?, self.u8()?);
        let signed = match self.u8()? {
            0 => false,
            1 => true,
            _ => return self.nonsense(),
        };
        let count = self.count()?;
        let variants = self.many(count, |reader| {
            Ok(Variant {
                name: reader.text()?,
                value: i64::from_le_bytes(reader.take()?),
            })
        })?;
        Ok(Enumeration {
            name,
            size,
            signed,
            variants: variants.into(),
        })
    }
}
