//! The derive macros of Ringway's typed messages. Use them through `ringway::typed`, which documents what they implement.
//!
//! What can be told from the text of a type is an error at its place; what takes the size of a type is an assertion in the code that is
//! made, which names the field and the number of bytes.

mod attributes;
mod choice;
mod enumeration;
mod fields;
mod fixed;
mod padding;
mod tailed;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

use attributes::Attributes;

/// Makes a type a message.
///
/// On a struct with named fields and `#[repr(C)]`: implements `Message`, `Messages` (a lane of this type alone, of kind 0) and what belongs to
/// them. If the last field is `[T]` or `str`, the message has a variable part; its other fields become a struct of their own, `NameHead`, that is
/// sent with the variable part (`Sender::send_with`), and receiving gives a `Received<Name>`. Fields take
///
/// - `#[message(since = 2)]`: the version of the message that added it. It needs a default, or the type `Maybe`.
/// - `#[message(default = 1.0)]`: what an older sender's message has for it; a constant.
/// - `#[message(deprecated = "use price")]`: that it should no longer be used, and what to use. `#[deprecated(note = "..")]` says the same, and
///   has the compiler warn too.
///
/// On an enum, each of whose variants holds one message: implements `Messages` for a lane of all of them. Each variant takes
/// `#[message(kind = 3)]`, its number in the header of its frames; no two may have the same.
///
/// A field whose name begins with `_` is padding: it is as old as the field before it, and zero where it was not sent.
///
/// Doc comments become part of the schema. `#[message(crate = "..")]` on the type names the crate `ringway` where it has another name.
#[proc_macro_derive(Message, attributes(message))]
pub fn message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let made = Attributes::of_type(&input).and_then(|attributes| match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields::read(&input, fields).and_then(|fields| {
                padding::check(&fields::plain(&input.ident), &fields.fixed)?;
                if fields.tail.is_some() {
                    tailed::make(&input, &attributes, &fields)
                } else {
                    Ok(fixed::make(&input, &attributes, &fields))
                }
            }),
            _ => Err(Error::new_spanned(
                &input.ident,
                format!(
                    "`{}` needs named fields: a message's fields are known by their names",
                    input.ident
                ),
            )),
        },
        Data::Enum(data) => choice::make(&input, &attributes, data),
        Data::Union(_) => Err(Error::new_spanned(
            &input.ident,
            "a union cannot be a message: nothing says which of its fields is valid",
        )),
    });
    made.unwrap_or_else(Error::into_compile_error).into()
}

/// Makes an enum without payloads a type that fields can have. It needs `#[repr(u8)]` or another integer of a fixed size, and literal values.
///
/// It is not `Message`, because it is none: an enum that derives `Message` lists what a lane carries.
#[proc_macro_derive(Enumeration, attributes(message))]
pub fn enumeration(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    Attributes::of_type(&input)
        .and_then(|attributes| enumeration::make(&input, &attributes))
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
