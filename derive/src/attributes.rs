//! What attributes say: ours, and the standard ones that the schema takes over.

use syn::{
    Attribute, DeriveInput, Error, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Path, Result,
    Token, parse_quote,
};

/// Of a type.
pub(crate) struct Attributes {
    /// Where `ringway` is.
    pub(crate) root: Path,
    pub(crate) doc: String,
    /// The words in `#[repr(..)]`.
    pub(crate) repr: Vec<Ident>,
}

/// Of a field.
#[derive(Default)]
pub(crate) struct OfField {
    pub(crate) doc: String,
    pub(crate) since: Option<LitInt>,
    pub(crate) default: Option<Expr>,
    pub(crate) deprecated: String,
}

impl Attributes {
    pub(crate) fn of_type(input: &DeriveInput) -> Result<Self> {
        let mut found = Self {
            root: parse_quote!(::ringway),
            doc: doc(&input.attrs),
            repr: Vec::new(),
        };
        for attribute in &input.attrs {
            if attribute.path().is_ident("message") {
                attribute.parse_nested_meta(|meta| {
                    if !meta.path.is_ident("crate") {
                        return Err(meta.error("a type takes `crate = \"..\"` only"));
                    }
                    found.root = meta.value()?.parse::<LitStr>()?.parse()?;
                    Ok(())
                })?;
            } else if attribute.path().is_ident("repr") {
                attribute.parse_nested_meta(|meta| {
                    if meta.input.peek(syn::token::Paren) {
                        let content;
                        syn::parenthesized!(content in meta.input);
                        content.parse::<LitInt>()?;
                    }
                    found.repr.extend(meta.path.get_ident().cloned());
                    Ok(())
                })?;
            }
        }
        if let Some(parameter) = input.generics.params.first() {
            return Err(Error::new_spanned(
                parameter,
                format!(
                    "`{}` cannot have parameters: its layout must be the same everywhere; write one type for each use",
                    input.ident
                ),
            ));
        }
        Ok(found)
    }

    pub(crate) fn has_repr(&self, word: &str) -> bool {
        self.repr.iter().any(|found| found == word)
    }
}

impl OfField {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self {
            doc: doc(attributes),
            ..Self::default()
        };
        for attribute in attributes {
            if attribute.path().is_ident("message") {
                attribute.parse_nested_meta(|meta| {
                    if meta.path.is_ident("since") {
                        found.since = Some(meta.value()?.parse()?);
                    } else if meta.path.is_ident("default") {
                        found.default = Some(meta.value()?.parse()?);
                    } else if meta.path.is_ident("deprecated") {
                        found.deprecated = meta.value()?.parse::<LitStr>()?.value();
                    } else {
                        return Err(meta.error(
                            "a field takes `since = 2`, `default = ..` and `deprecated = \"..\"`",
                        ));
                    }
                    Ok(())
                })?;
            } else if attribute.path().is_ident("deprecated") && found.deprecated.is_empty() {
                found.deprecated = note(attribute)?;
            }
        }
        Ok(found)
    }
}

/// The number in `#[message(kind = 3)]`.
pub(crate) fn kind(attributes: &[Attribute]) -> Result<Option<LitInt>> {
    let mut found = None;
    for attribute in attributes {
        if attribute.path().is_ident("message") {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("kind") {
                    return Err(meta.error("a variant takes `kind = 3` only"));
                }
                let value = meta.value()?;
                if value.peek(Token![-]) {
                    return Err(value.error("a kind is from 0 to 65535"));
                }
                found = Some(value.parse()?);
                Ok(())
            })?;
        }
    }
    Ok(found)
}

/// What `#[deprecated]` says.
fn note(attribute: &Attribute) -> Result<String> {
    let mut note = "it may be removed".to_owned();
    match &attribute.meta {
        Meta::Path(_) => {}
        Meta::NameValue(pair) => note = text(&pair.value).unwrap_or(note),
        Meta::List(_) => attribute.parse_nested_meta(|meta| {
            let value: LitStr = meta.value()?.parse()?;
            if meta.path.is_ident("note") {
                note = value.value();
            }
            Ok(())
        })?,
    }
    Ok(note)
}

/// The doc comment, one line behind the other.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => text(&pair.value),
            _ => None,
        });
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}
