//! An enum of messages: what one lane carries.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    DataEnum, DeriveInput, Error, Fields, GenericArgument, Ident, PathArguments, Result, Type,
};

use crate::attributes::{self, Attributes};

struct Variant<'a> {
    name: &'a Ident,
    ty: &'a Type,
    kind: u16,
}

pub(crate) fn make(
    input: &DeriveInput,
    attributes: &Attributes,
    data: &DataEnum,
) -> Result<TokenStream> {
    let name = &input.ident;
    let root = &attributes.root;
    let derived = quote!(#root::typed::__derived);
    let core = quote!(#derived::core);
    let variants = read(input, data)?;

    let payload = |ty: &Type| quote!(<#ty as #root::typed::Payload>);
    let records = variants.iter().map(|variant| {
        let (kind, message) = (variant.kind, message(variant.ty));
        quote!(#derived::record::<#message>(#kind))
    });
    let encoded = variants.iter().map(|variant| {
        let (ident, kind, payload) = (variant.name, variant.kind, payload(variant.ty));
        quote!(Self::#ident(message) => (#kind, #payload::encoded(message)))
    });
    let decoded = variants.iter().enumerate().map(|(index, variant)| {
        let (ident, kind, payload) = (variant.name, variant.kind, payload(variant.ty));
        quote!(#kind => #core::result::Result::Ok(Self::#ident(#payload::decode(&parcel, #index)?)))
    });
    let carries = variants.iter().enumerate().map(|(index, variant)| {
        let (ident, ty, kind, message) =
            (variant.name, variant.ty, variant.kind, message(variant.ty));
        quote! {
            impl #root::typed::Carries<#message> for #name {
                const KIND: u16 = #kind;
                const INDEX: usize = #index;
            }

            impl #core::convert::From<#ty> for #name {
                fn from(message: #ty) -> Self {
                    Self::#ident(message)
                }
            }
        }
    });

    Ok(quote! {
        const _: () = {
            impl #root::typed::Messages for #name {
                type Received = Self;
                const RECORDS: &'static [#derived::Record] = &[#(#records),*];

                fn encode(message: &Self) -> (u16, &[u8]) {
                    match message {
                        #(#encoded),*
                    }
                }

                #[inline]
                fn take(
                    inbox: &mut #derived::Inbox,
                    wait: #core::option::Option<#core::option::Option<::std::time::Instant>>,
                ) -> #core::result::Result<Self, #root::typed::RecvError> {
                    let parcel = #derived::next(inbox, wait)?;
                    match parcel.kind() {
                        #(#decoded,)*
                        _ => #core::result::Result::Err(parcel.unknown()),
                    }
                }
            }

            #(#carries)*
        };
    })
}

/// The message that a variant holds: `T`, also of `Received<T>`. By its name, because two implementations of one trait for types that are
/// only computed count as two for the same type.
fn message(ty: &Type) -> &Type {
    let Type::Path(path) = ty else { return ty };
    let Some(last) = path.path.segments.last() else {
        return ty;
    };
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) if last.ident == "Received" => {
            match arguments.args.first() {
                Some(GenericArgument::Type(message)) => message,
                _ => ty,
            }
        }
        _ => ty,
    }
}

/// The variants, by ascending kind.
fn read<'a>(input: &DeriveInput, data: &'a DataEnum) -> Result<Vec<Variant<'a>>> {
    let mut found: Vec<Variant<'a>> = Vec::new();
    for variant in &data.variants {
        let name = &variant.ident;
        let ty = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => &fields.unnamed[0].ty,
            Fields::Unit => {
                let what = format!(
                    "`{name}` holds no message: an enum that derives Message lists the messages of a lane, as `{name}(SomeMessage)`; \
                     an enum of plain values derives Enumeration"
                );
                return Err(Error::new_spanned(variant, what));
            }
            _ => {
                let what = format!(
                    "`{name}` must hold one message, as `{name}(SomeMessage)`: put its fields into a struct that derives Message"
                );
                return Err(Error::new_spanned(variant, what));
            }
        };
        let Some(kind) = attributes::kind(&variant.attrs)? else {
            let what = format!(
                "`{name}` needs `#[message(kind = {})]`: the number by which the peer tells its frames from others",
                data.variants.len()
            );
            return Err(Error::new_spanned(name, what));
        };
        let number = kind
            .base10_parse::<u16>()
            .map_err(|_| Error::new_spanned(&kind, "a kind is from 0 to 65535"))?;
        if let Some(other) = found.iter().find(|other| other.kind == number) {
            let what = format!(
                "`{name}` has the kind of `{}`: each needs its own",
                other.name
            );
            return Err(Error::new_spanned(&kind, what));
        }
        found.push(Variant {
            name,
            ty,
            kind: number,
        });
    }
    if found.is_empty() {
        let what = "an enum without variants lists no message: use `ringway::typed::Nothing`";
        return Err(Error::new_spanned(&input.ident, what));
    }
    found.sort_by_key(|variant| variant.kind);
    Ok(found)
}
