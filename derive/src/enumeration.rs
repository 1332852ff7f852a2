//! An enum without payloads: an integer with named values.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Fields, Ident, Lit, Result, UnOp};

use crate::attributes::Attributes;
use crate::fields::plain;

const INTEGERS: &[(&str, u8, bool)] = &[
    ("u8", 1, false),
    ("u16", 2, false),
    ("u32", 4, false),
    ("u64", 8, false),
    ("i8", 1, true),
    ("i16", 2, true),
    ("i32", 4, true),
    ("i64", 8, true),
];

pub(crate) fn make(input: &DeriveInput, attributes: &Attributes) -> Result<TokenStream> {
    let name = &input.ident;
    let (integer, size, signed) = integer(input, attributes)?;
    let values = values(input)?;
    let root = &attributes.root;
    let derived = quote!(#root::typed::__derived);
    let core = quote!(#derived::core);
    let text = plain(name);
    let variants = values.iter().map(|(name, value)| {
        let value = Literal::i64_suffixed(*value as i64);
        quote!(#derived::Variant { name: #derived::Shared::Static(#name), value: #value })
    });
    let known = values
        .iter()
        .map(|(_, value)| Literal::i128_unsuffixed(*value))
        .map(|value| quote!(#value));

    Ok(quote! {
        const _: () = {
            const VARIANTS: &[#derived::Variant] = &[#(#variants),*];
            const ENUMERATION: &#derived::Enumeration = &#derived::Enumeration {
                name: #derived::Shared::Static(#text),
                size: #size,
                signed: #signed,
                variants: #derived::Shared::Static(VARIANTS),
            };

            impl #root::typed::Field for #name {
                const TYPE: #derived::Type =
                    #derived::Type::Enumeration(#derived::Shared::Static(ENUMERATION));
                const ALIGN: usize = #core::mem::align_of::<Self>();
                const CHECKED: bool = true;
                type Flag = <#derived::Width<{ #core::mem::align_of::<#name>() }> as #derived::Chosen>::Flag;

                #[inline]
                fn check(bytes: &[u8]) -> #core::result::Result<(), #root::typed::Invalid> {
                    let #core::result::Result::Ok(bytes) = <[u8; #core::mem::size_of::<#integer>()]>::try_from(bytes) else {
                        return #core::result::Result::Err(#root::typed::Invalid::new(#root::typed::Fault::Value));
                    };
                    let value = #integer::from_le_bytes(bytes);
                    match value {
                        #(#known)|* => #core::result::Result::Ok(()),
                        #[allow(unreachable_patterns)]
                        _ => #core::result::Result::Err(#root::typed::Invalid::new(#root::typed::Fault::Variant {
                            name: #text,
                            value: value as i64,
                        })),
                    }
                }
            }
        };
    })
}

fn integer(input: &DeriveInput, attributes: &Attributes) -> Result<(Ident, u8, bool)> {
    let found = attributes.repr.iter().find_map(|word| {
        let (_, size, signed) = INTEGERS.iter().find(|(name, ..)| word == name)?;
        Some((word.clone(), *size, *signed))
    });
    found.ok_or_else(|| {
        let what = format!(
            "`{}` needs `#[repr(u8)]`, or another integer from u8 to i64: otherwise its size is the compiler's to choose",
            input.ident
        );
        Error::new_spanned(&input.ident, what)
    })
}

/// The names and values, in the order of the values.
fn values(input: &DeriveInput) -> Result<Vec<(String, i128)>> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "only an enum can derive Enumeration; a struct derives Message",
        ));
    };
    let mut found = Vec::new();
    let mut next = 0;
    for variant in &data.variants {
        let name = &variant.ident;
        if !matches!(variant.fields, Fields::Unit) {
            let what = format!(
                "`{name}` holds something: an enumeration is a number with names; an enum that lists messages derives Message"
            );
            return Err(Error::new_spanned(variant, what));
        }
        if let Some((_, value)) = &variant.discriminant {
            next = literal(value).ok_or_else(|| {
                let what = format!("the value of `{name}` must be a literal: the schema holds it");
                Error::new_spanned(value, what)
            })?;
        }
        found.push((plain(name), next));
        next += 1;
    }
    if found.is_empty() {
        let what = "an enumeration needs a value";
        return Err(Error::new_spanned(&input.ident, what));
    }
    found.sort_by_key(|(_, value)| *value);
    Ok(found)
}

fn literal(value: &Expr) -> Option<i128> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => literal(expr).map(|value| -value),
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Group(inner) => literal(&inner.expr),
        _ => None,
    }
}
