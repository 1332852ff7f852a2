//! A message without a variable part.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, LitInt};

use crate::attributes::Attributes;
use crate::fields::{Field, Fields, plain};

pub(crate) fn make(input: &DeriveInput, attributes: &Attributes, fields: &Fields) -> TokenStream {
    let name = &input.ident;
    let root = &attributes.root;
    let derived = quote!(#root::typed::__derived);
    let core = quote!(#derived::core);
    let fixed = &fields.fixed;
    let text = plain(name);
    let doc = &attributes.doc;

    let types: Vec<_> = fixed.iter().map(|field| &field.ty).collect();
    let layouts = fixed.iter().map(|field| layout(input, attributes, field));
    let checks = fixed.iter().map(|field| {
        let (ident, ty, plain) = (&field.name, &field.ty, field.plain_name());
        quote!(#derived::check::<#ty>(bytes, #core::mem::offset_of!(#name, #ident), #plain)?;)
    });
    let places = fixed.iter().enumerate().filter_map(|(index, field)| {
        let (ident, default) = (&field.name, default_name(index));
        image(attributes, field).map(|_| {
            quote!(image = #derived::place(image, #core::mem::offset_of!(#name, #ident), &#default);)
        })
    });
    let defaults = fixed
        .iter()
        .enumerate()
        .filter_map(|(index, field)| default(attributes, index, field));
    let asserts = asserts(input, attributes, fixed);

    quote! {
        #[allow(deprecated, clippy::useless_transmute)]
        const _: () = {
            #(#defaults)*
            #asserts

            impl #root::typed::Message for #name {
                const NAME: &'static str = #text;
                const DOC: &'static str = #doc;
                const FIELDS: &'static [#derived::Field] = &[#(#layouts),*];
                const TAIL: #core::option::Option<#derived::Tail> = #core::option::Option::None;
                const SIZE: usize = #core::mem::size_of::<Self>();
                const ALIGN: usize = <Self as #root::typed::Field>::ALIGN;
            }

            impl #root::typed::Field for #name {
                const TYPE: #derived::Type =
                    #derived::Type::Record(#derived::Shared::Static(<Self as #root::typed::Message>::RECORD));
                const ALIGN: usize = {
                    let align = #core::mem::align_of::<Self>();
                    #(let align = #derived::max(align, <#types as #root::typed::Field>::ALIGN);)*
                    align
                };
                const CHECKED: bool = false #(|| <#types as #root::typed::Field>::CHECKED)*;
                type Flag = <#derived::Width<{ <#name as #root::typed::Field>::ALIGN }> as #derived::Chosen>::Flag;

                #[inline(always)]
                fn check(bytes: &[u8]) -> #core::result::Result<(), #root::typed::Invalid> {
                    let _ = bytes;
                    #(#checks)*
                    #core::result::Result::Ok(())
                }
            }

            impl #root::typed::Fixed for #name {
                type Image = [u8; #core::mem::size_of::<#name>()];
                #[allow(unused_mut)]
                const DEFAULT: Self::Image = {
                    let mut image = [0u8; #core::mem::size_of::<#name>()];
                    #(#places)*
                    image
                };
            }

            impl #root::typed::Messages for #name {
                type Received = Self;
                const RECORDS: &'static [#derived::Record] = &[#derived::record::<Self>(0)];

                #[inline]
                fn encode(message: &Self) -> (u16, &[u8]) {
                    (0, #root::zerocopy::IntoBytes::as_bytes(message))
                }

                #[inline(always)]
                fn take(
                    inbox: &mut #derived::Inbox,
                    wait: #core::option::Option<#core::option::Option<::std::time::Instant>>,
                ) -> #core::result::Result<Self, #root::typed::RecvError> {
                    #derived::only(inbox, wait)
                }
            }

            impl #root::typed::Carries<Self> for #name {
                const KIND: u16 = 0;
                const INDEX: usize = 0;
            }

            impl #root::typed::Payload for #name {
                type Message = Self;

                #[inline]
                fn encoded(&self) -> &[u8] {
                    #root::zerocopy::IntoBytes::as_bytes(self)
                }

                #[inline]
                fn decode(
                    parcel: &#derived::Parcel<'_>,
                    index: usize,
                ) -> #core::result::Result<Self, #root::typed::RecvError> {
                    parcel.whole(index)
                }
            }
        };
    }
}

fn default_name(index: usize) -> syn::Ident {
    format_ident!("DEFAULT_{index}")
}

/// The bytes of a field's default.
fn default(attributes: &Attributes, index: usize, field: &Field) -> Option<TokenStream> {
    let (name, ty, image) = (default_name(index), &field.ty, image(attributes, field)?);
    Some(quote! {
        const #name: [u8; ::core::mem::size_of::<#ty>()] = #image;
    })
}

/// The same, as an expression. Padding that was added later is zero.
fn image(attributes: &Attributes, field: &Field) -> Option<TokenStream> {
    let (root, ty) = (&attributes.root, &field.ty);
    if let Some(value) = &field.said.default {
        return Some(quote! {{
            const VALUE: #ty = #value;
            #root::zerocopy::transmute!(VALUE)
        }});
    }
    let padding = field.is_padding() && field.since > 1;
    padding.then(|| quote!([0u8; ::core::mem::size_of::<#ty>()]))
}

/// A field's entry in the table.
fn layout(input: &DeriveInput, attributes: &Attributes, field: &Field) -> TokenStream {
    let root = &attributes.root;
    let derived = quote!(#root::typed::__derived);
    let (message, ident, ty) = (&input.ident, &field.name, &field.ty);
    let (name, doc) = (field.plain_name(), &field.said.doc);
    let (since, deprecated) = (field.since, &field.said.deprecated);
    let default = image(attributes, field).map_or_else(
        || quote!(&[]),
        |image| {
            quote! {{
                const IMAGE: [u8; ::core::mem::size_of::<#ty>()] = #image;
                const BYTES: &[u8] = &IMAGE;
                BYTES
            }}
        },
    );
    quote! {
        #derived::Field {
            name: #derived::Shared::Static(#name),
            doc: #derived::Shared::Static(#doc),
            ty: <#ty as #root::typed::Field>::TYPE,
            offset: ::core::mem::offset_of!(#message, #ident) as u32,
            size: ::core::mem::size_of::<#ty>() as u32,
            align: <#ty as #root::typed::Field>::ALIGN as u32,
            since: #since,
            deprecated: #derived::Shared::Static(#deprecated),
            default: #derived::Shared::Static(#default),
        }
    }
}

/// What is wrong with the layout: found by the compiler, in constants.
fn asserts(input: &DeriveInput, attributes: &Attributes, fields: &[Field]) -> TokenStream {
    let root = &attributes.root;
    let hint = quote!(#root::typed::__derived::Hint);
    let (message, text) = (&input.ident, plain(&input.ident));
    let mut end = quote!(0usize);
    let mut found = TokenStream::new();
    for field in fields {
        let (ident, ty, name) = (&field.name, &field.ty, field.plain_name());
        let span = field.ty.span();
        found.extend(quote_spanned! {span=>
            const _: () = {
                let offset = ::core::mem::offset_of!(#message, #ident);
                let end = #end;
                if offset > end {
                    ::core::panic!("{}", #hint::gap(#text, #name, offset - end).as_str());
                }
                let ty = <#ty as #root::typed::Field>::TYPE_REF;
                if #root::typed::__derived::is_countless(ty) {
                    ::core::panic!("{}", #hint::countless(#text, #name).as_str());
                }
                if #root::typed::__derived::is_too_roomy(ty) {
                    ::core::panic!("{}", #hint::too_roomy(#text, #name).as_str());
                }
                let align = <#ty as #root::typed::Field>::ALIGN;
                if offset % align != 0 {
                    ::core::panic!("{}", #hint::misplaced(#text, #name, offset, align).as_str());
                }
            };
        });
        if field.since > 1 && image(attributes, field).is_none() {
            let what = format!(
                "the field `{name}` of `{text}` came with version {}, so older messages do not have it: give it `default = ..` or the type `Maybe<..>`",
                field.since
            );
            found.extend(quote_spanned! {span=>
                const _: () = ::core::assert!(<#ty as #root::typed::Field>::ABSENT, #what);
            });
        }
        end = quote!(::core::mem::offset_of!(#message, #ident) + ::core::mem::size_of::<#ty>());
    }
    let span = Span::call_site().located_at(message.span());
    let most = LitInt::new("16", span);
    let wide =
        format!("`{text}` needs an alignment above 16, which frames that are copied do not have");
    found.extend(quote_spanned! {span=>
        const _: () = {
            let size = ::core::mem::size_of::<#message>();
            let end = #end;
            if size > end {
                ::core::panic!("{}", #hint::end(#text, size - end).as_str());
            }
            let align = <#message as #root::typed::Field>::ALIGN;
            ::core::assert!(align <= #most, #wide);
            if size % align != 0 {
                ::core::panic!("{}", #hint::end(#text, align - size % align).as_str());
            }
        };
    });
    found
}
