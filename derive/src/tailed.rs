//! A message with a variable part: its fixed part becomes a struct of its own.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, LitStr, Result};

use crate::attributes::Attributes;
use crate::fields::{Fields, plain};

pub(crate) fn make(
    input: &DeriveInput,
    attributes: &Attributes,
    fields: &Fields,
) -> Result<TokenStream> {
    let Some(tail) = &fields.tail else {
        return Err(Error::new_spanned(
            &input.ident,
            "there is no variable part",
        ));
    };
    let name = &input.ident;
    let root = &attributes.root;
    let derived = quote!(#root::typed::__derived);
    let core = quote!(#derived::core);
    let (text, doc) = (plain(name), &attributes.doc);
    let (tail_name, tail_doc, tail_type) = (plain(&tail.name), &tail.doc, &tail.ty);

    let head = format_ident!("{}Head", name);
    let head_doc = format!("The fields of [`{text}`] before its variable part.");
    let visibility = &input.vis;
    let zerocopy = path(&quote!(#root::zerocopy));
    let ringway = path(&quote!(#root));
    let head_fields = fields.fixed.iter().map(|field| {
        let (visibility, ident, ty, since) =
            (&field.visibility, &field.name, &field.ty, field.since);
        let since = (since > 1).then(|| quote!(#[message(since = #since)]));
        let default = field.said.default.as_ref();
        let default = default.map(|value| quote!(#[message(default = #value)]));
        let note = &field.said.deprecated;
        let deprecated = (!note.is_empty()).then(|| quote!(#[message(deprecated = #note)]));
        let doc = &field.said.doc;
        // None where there was none: it is in the schema.
        let doc = (!doc.is_empty()).then(|| quote!(#[doc = #doc]));
        quote! {
            #doc
            #since
            #default
            #deprecated
            #visibility #ident: #ty
        }
    });
    let misplaced = format!(
        "the variable part of `{text}` would not begin right behind its fixed part: add padding, so that the size of `{head}` is a multiple of the elements' alignment"
    );
    let wide =
        format!("`{text}` needs an alignment above 16, which frames that are copied do not have");

    Ok(quote! {
        #[doc = #head_doc]
        #[derive(
            Clone, Copy, Debug,
            #root::typed::Message,
            #root::zerocopy::TryFromBytes, #root::zerocopy::IntoBytes,
            #root::zerocopy::Immutable, #root::zerocopy::KnownLayout,
        )]
        #[zerocopy(crate = #zerocopy)]
        #[message(crate = #ringway)]
        #[allow(missing_docs)]
        #[repr(C)]
        #visibility struct #head {
            #(#head_fields),*
        }

        const _: () = {
            const _: () = {
                const CONTENT: &#derived::Content = &<#tail_type as #root::typed::Part>::CONTENT;
                if let #derived::Content::Elements(ty, size) = CONTENT {
                    if *size == 0 || #derived::is_countless(ty) {
                        ::core::panic!("{}", #derived::Hint::countless(#text, #tail_name).as_str());
                    }
                    if #derived::is_too_roomy(ty) {
                        ::core::panic!("{}", #derived::Hint::too_roomy(#text, #tail_name).as_str());
                    }
                }
                let align = <#tail_type as #root::typed::Part>::ALIGN;
                ::core::assert!(::core::mem::size_of::<#head>() % align == 0, #misplaced);
                ::core::assert!(align <= 16, #wide);
            };

            impl #root::typed::Message for #name {
                const NAME: &'static str = #text;
                const DOC: &'static str = #doc;
                const FIELDS: &'static [#derived::Field] = <#head as #root::typed::Message>::FIELDS;
                const TAIL: #core::option::Option<#derived::Tail> = #core::option::Option::Some(#derived::Tail {
                    name: #derived::Shared::Static(#tail_name),
                    doc: #derived::Shared::Static(#tail_doc),
                    content: <#tail_type as #root::typed::Part>::CONTENT,
                });
                const SIZE: usize = #core::mem::size_of::<#head>();
                const ALIGN: usize = #derived::max(
                    <#head as #root::typed::Message>::ALIGN,
                    <#tail_type as #root::typed::Part>::ALIGN,
                );
            }

            impl #root::typed::Tailed for #name {
                type Head = #head;
                type Tail = #tail_type;
                const TAIL_NAME: &'static str = #tail_name;
            }

            impl #root::typed::Messages for #name {
                type Received = #root::typed::Received<Self>;
                const RECORDS: &'static [#derived::Record] = &[#derived::record::<Self>(0)];

                fn encode(message: &Self::Received) -> (u16, &[u8]) {
                    (0, #derived::encoded(message))
                }

                fn take(
                    inbox: &mut #derived::Inbox,
                    wait: #core::option::Option<#core::option::Option<::std::time::Instant>>,
                ) -> #core::result::Result<Self::Received, #root::typed::RecvError> {
                    #derived::only_tailed(inbox, wait)
                }
            }

            impl #root::typed::Carries<Self> for #name {
                const KIND: u16 = 0;
                const INDEX: usize = 0;
            }
        };
    })
}

/// A path as the text that an attribute takes.
fn path(path: &TokenStream) -> LitStr {
    let text = path.to_string().replace(' ', "");
    LitStr::new(&text, proc_macro2::Span::call_site())
}
