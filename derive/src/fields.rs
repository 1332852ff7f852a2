//! The fields of a struct, and what is wrong with them that can be seen without knowing any size.

use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, FieldsNamed, Ident, Result, Type, Visibility};

use crate::attributes::OfField;

/// A field of a fixed size.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) visibility: Visibility,
    pub(crate) since: u16,
    pub(crate) said: OfField,
}

/// The variable part.
pub(crate) struct Tail {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) doc: String,
}

/// All of them.
pub(crate) struct Fields {
    pub(crate) fixed: Vec<Field>,
    pub(crate) tail: Option<Tail>,
}

impl Field {
    /// Whether it is there for the layout alone.
    pub(crate) fn is_padding(&self) -> bool {
        self.plain_name().starts_with('_')
    }

    /// Its name, without what makes a keyword a name.
    pub(crate) fn plain_name(&self) -> String {
        plain(&self.name)
    }
}

/// A name, without what makes a keyword one.
pub(crate) fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").unwrap_or(&name).to_owned()
}

pub(crate) fn read(input: &DeriveInput, fields: &FieldsNamed) -> Result<Fields> {
    require_c(input)?;
    let mut found = Fields {
        fixed: Vec::new(),
        tail: None,
    };
    let mut newest = 1;
    let last = fields.named.len().saturating_sub(1);
    for (index, field) in fields.named.iter().enumerate() {
        let Some(name) = field.ident.clone() else {
            continue;
        };
        refuse(&name, &field.ty)?;
        let said = OfField::read(&field.attrs)?;
        if is_unsized(&field.ty) {
            if index != last {
                let what = format!(
                    "`{name}` has a variable length, so nothing can come behind it: make it the last field, or use Text<N>, Bytes<N> or an array"
                );
                return Err(Error::new_spanned(&field.ty, what));
            }
            if let Some(since) = &said.since {
                let what = "the variable part cannot be added later: it begins where the fixed part of a message ends";
                return Err(Error::new_spanned(since, what));
            }
            if let Some(default) = &said.default {
                let what = "the variable part has no default: it may be empty";
                return Err(Error::new_spanned(default, what));
            }
            found.tail = Some(Tail {
                name,
                ty: field.ty.clone(),
                doc: said.doc,
            });
            continue;
        }
        let since = match &said.since {
            Some(since) => since.base10_parse::<u16>()?,
            // Padding belongs to what it lies behind.
            None if plain(&name).starts_with('_') => newest,
            None => 1,
        };
        if since < newest || since == 0 {
            let what = if since == 0 {
                "versions begin with 1".to_owned()
            } else {
                format!(
                    "`{name}` is of version {since} and comes behind a field of version {newest}: fields are only appended, so put it before that or give it `#[message(since = {newest})]`"
                )
            };
            return Err(Error::new(field.span(), what));
        }
        newest = since;
        found.fixed.push(Field {
            name,
            ty: field.ty.clone(),
            visibility: field.vis.clone(),
            since,
            said,
        });
    }
    Ok(found)
}

fn require_c(input: &DeriveInput) -> Result<()> {
    let attributes = crate::Attributes::of_type(input)?;
    let name = &input.ident;
    if !attributes.has_repr("C") && matches!(input.data, Data::Struct(_)) {
        let what = format!(
            "`{name}` must be `#[repr(C)]`: otherwise the compiler is free to choose the order of its fields"
        );
        return Err(Error::new_spanned(name, what));
    }
    if let Some(word) = attributes.repr.iter().find(|word| *word != "C") {
        let what = format!(
            "`{name}` must be `#[repr(C)]` and nothing besides: `{word}` would give it a layout that other languages do not know"
        );
        return Err(Error::new_spanned(word, what));
    }
    Ok(())
}

fn is_unsized(ty: &Type) -> bool {
    match ty {
        Type::Slice(_) => true,
        Type::Path(path) => path.path.is_ident("str"),
        Type::Group(group) => is_unsized(&group.elem),
        Type::Paren(group) => is_unsized(&group.elem),
        _ => false,
    }
}

/// Types that often stand where they cannot, and what to use.
const INSTEAD: &[(&str, &str)] = &[
    (
        "String",
        "an address means nothing in another process: use Text<N>, or `str` as the last field",
    ),
    (
        "Vec",
        "an address means nothing in another process: use an array, Bytes<N>, or `[T]` as the last field",
    ),
    (
        "Box",
        "an address means nothing in another process: use the type that it points to",
    ),
    (
        "Rc",
        "an address means nothing in another process: use the type that it points to",
    ),
    (
        "Arc",
        "an address means nothing in another process: use the type that it points to",
    ),
    (
        "Option",
        "its bytes are the compiler's to choose: use Maybe<T>",
    ),
    ("usize", "its size differs between machines: use u64"),
    ("isize", "its size differs between machines: use i64"),
    (
        "char",
        "it has no counterpart in other languages: use u32, or Text<4>",
    ),
];

fn refuse(name: &Ident, ty: &Type) -> Result<()> {
    let why = match ty {
        Type::Reference(_) => {
            "is a reference, and an address means nothing in another process: use Text<N>, Bytes<N>, or `str` or `[T]` as the last field"
        }
        Type::Ptr(_) | Type::BareFn(_) => {
            "is a pointer, and an address means nothing in another process"
        }
        Type::Tuple(_) => {
            "is a tuple, whose layout is the compiler's to choose: use a struct that derives Message"
        }
        Type::Array(array) => return refuse(name, &array.elem),
        Type::Slice(slice) => return refuse(name, &slice.elem),
        Type::Path(path) => {
            let last = path.path.segments.last().map(|last| last.ident.to_string());
            let known = INSTEAD
                .iter()
                .find(|(known, _)| last.as_deref() == Some(known));
            let Some((known, instead)) = known else {
                return Ok(());
            };
            let what = format!("`{name}` is of the type `{known}`, and {instead}");
            return Err(Error::new_spanned(ty, what));
        }
        _ => return Ok(()),
    };
    Err(Error::new_spanned(ty, format!("`{name}` {why}")))
}
