//! Implicit padding that can be told from the text: where every field before it is of a type whose size is known here. What cannot be told
//! is asserted in the code that is made.

use syn::{Error, Expr, ExprLit, GenericArgument, Lit, PathArguments, Result, Type};

use crate::fields::Field;

pub(crate) fn check(message: &str, fields: &[Field]) -> Result<()> {
    let (mut end, mut widest) = (0, 1);
    for field in fields {
        let Some((size, align)) = known(&field.ty) else {
            return Ok(());
        };
        let gap = gap(end, align);
        if gap > 0 {
            let what = format!(
                "the compiler leaves {gap} bytes free before `{}`: put a field `_pad: [u8; {gap}]` there, or larger fields first",
                field.plain_name()
            );
            return Err(Error::new_spanned(&field.ty, what));
        }
        end += size;
        widest = widest.max(align);
    }
    let gap = gap(end, widest);
    match fields.last() {
        Some(last) if gap > 0 => {
            let what = format!(
                "the compiler leaves {gap} bytes free behind `{}`, the last field of fixed size of `{message}`: put a field `_pad: [u8; {gap}]` there",
                last.plain_name()
            );
            Err(Error::new_spanned(&last.ty, what))
        }
        _ => Ok(()),
    }
}

/// Bytes from `end` to the next multiple of `align`.
fn gap(end: u64, align: u64) -> u64 {
    end.next_multiple_of(align) - end
}

/// Size and alignment, of types whose names say so. A name can be given to another type: then the assertions find what this does not.
fn known(ty: &Type) -> Option<(u64, u64)> {
    let number = |size| Some((size, size));
    match ty {
        Type::Array(array) => {
            let (size, align) = known(&array.elem)?;
            Some((size.checked_mul(literal(&array.len)?)?, align))
        }
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "u8" | "i8" | "bool" => number(1),
                "u16" | "i16" => number(2),
                "u32" | "i32" | "f32" => number(4),
                "u64" | "i64" | "f64" => number(8),
                "u128" | "i128" => number(16),
                "Text" => Some((argument(&last.arguments)?, 1)),
                "Bytes" => Some((argument(&last.arguments)? + 2, 1)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn argument(arguments: &PathArguments) -> Option<u64> {
    match arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Const(value) => literal(value),
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<u64> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse::<u32>().ok().map(u64::from),
        _ => None,
    }
}
