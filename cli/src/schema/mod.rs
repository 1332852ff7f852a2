//! `ringway schema`: what exported schema files say, and whether programs that were built with two of them understand each other.

mod file;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ringway::schema::{self, Content, Difference, Enumeration, Record, Schema, Type};

use crate::exit::{self, Code, Failure};
use crate::hex::hex;
use crate::standard::remark;
use file::read;

/// Read exported schema files: what a lane carries, and whether two versions of it go together.
///
/// A program exports its schema with `std::fs::write("quotes.json", ringway::schema::to_json(&schema))`, or as the table that travels with a
/// connection: `ringway::schema::encode(&schema)`. Files of both forms are read.
#[derive(Debug, Args)]
#[command(after_help = exit::SCHEMA_TABLE)]
pub(crate) struct SchemaArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every message with its fields, as text.
    Show {
        /// The schema file.
        file: PathBuf,
        /// As JSON, which the other commands read too.
        #[arg(long)]
        json: bool,
    },
    /// Say whether two schemas are the same, and if not, what differs.
    Diff {
        /// The one.
        a: PathBuf,
        /// The other.
        b: PathBuf,
    },
    /// For continuous integration: whether programs with the new schema understand those with the released one, both ways.
    Check {
        /// The schema that is in use.
        released: PathBuf,
        /// The schema that is to take its place.
        new: PathBuf,
    },
}

pub(crate) fn run(args: &SchemaArgs) -> ExitCode {
    exit::report("schema", act(&args.action, &mut io::stdout()))
}

fn act(action: &Action, output: &mut impl Write) -> Result<(), Failure> {
    match action {
        Action::Show { file, json: true } => {
            Ok(output.write_all(schema::to_json(&read(file)?).as_bytes())?)
        }
        Action::Show { file, json: false } => show(&read(file)?, output),
        Action::Diff { a, b } => diff(&read(a)?, &read(b)?, output),
        Action::Check { released, new } => check(&read(released)?, &read(new)?, output),
    }
}

fn show(schema: &Schema, output: &mut impl Write) -> Result<(), Failure> {
    writeln!(output, "fingerprint {}", hex(&schema::fingerprint(schema)))?;
    let mut inner = Vec::new();
    for record in schema.records.iter() {
        write!(output, "\n{}", described(record))?;
        inside(record, &mut inner);
    }
    for ty in inner {
        match ty {
            // A record inside of others has no kind.
            Type::Record(record) => {
                let table = described(record).replacen("(kind 0, ", "(", 1);
                write!(output, "\n{table}")?;
            }
            Type::Enumeration(enumeration) => write!(output, "\n{}", named(enumeration))?,
            _ => {}
        }
    }
    Ok(())
}

/// The records and enumerations that a record is made of, each once.
fn inside<'a>(record: &'a Record, found: &mut Vec<&'a Type>) {
    let tail = record.tail.as_ref().and_then(|tail| match &tail.content {
        Content::Elements(ty, _) => Some(ty),
        Content::Text => None,
    });
    for ty in record.fields.iter().map(|field| &field.ty).chain(tail) {
        let mut ty = ty;
        while let Type::Array(of, _) | Type::Maybe(of) = ty {
            ty = of;
        }
        if found.contains(&ty) {
            continue;
        }
        match ty {
            Type::Record(inner) => {
                found.push(ty);
                inside(inner, found);
            }
            Type::Enumeration(_) => found.push(ty),
            _ => {}
        }
    }
}

/// The values of an enumeration, a line each.
fn named(enumeration: &Enumeration) -> String {
    let bytes = enumeration.size;
    let ty = if enumeration.signed {
        Type::Signed(bytes)
    } else {
        Type::Unsigned(bytes)
    };
    let mut text = format!("{} ({ty})\n", &*enumeration.name);
    for variant in enumeration.variants.iter() {
        let number = enumeration.number(variant.value);
        let _ = writeln!(text, "{number:>5}  {}", &*variant.name);
    }
    text
}

/// A record's table, with what is said of each field.
pub(crate) fn described(record: &Record) -> String {
    let table = record.to_string();
    let mut lines = table.lines();
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}", lines.next().unwrap_or_default());
    if !record.doc.is_empty() {
        let _ = writeln!(text, "       {}", plain(&record.doc));
    }
    let fields = record.fields.iter().map(|field| {
        let mut words = Vec::new();
        if field.since > 1 {
            words.push(format!("since {}", field.since));
        }
        if !field.deprecated.is_empty() {
            words.push(format!("deprecated: {}", plain(&field.deprecated)));
        }
        if !field.doc.is_empty() {
            words.push(plain(&field.doc));
        }
        words.join("; ")
    });
    let tail = record.tail.iter().map(|tail| plain(&tail.doc));
    for (line, words) in lines.zip(fields.chain(tail)) {
        let _ = writeln!(text, "{}", format!("{line:<32}  {words}").trim_end());
    }
    text
}

/// Says on standard error which fields of a schema should no longer be used: each message's own, once.
pub(crate) fn warn(command: &str, schema: &Schema) {
    for record in schema.records.iter() {
        for field in record
            .fields
            .iter()
            .filter(|field| !field.deprecated.is_empty())
        {
            let (name, message) = (&*field.name, &*record.name);
            let why = plain(&field.deprecated);
            remark(
                command,
                &format_args!("field `{name}` of `{message}` is deprecated: {why}"),
            );
        }
    }
}

/// One line, with nothing that a terminal acts upon.
fn plain(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace(char::is_control, "\u{fffd}")
}

fn diff(a: &Schema, b: &Schema, output: &mut impl Write) -> Result<(), Failure> {
    if schema::fingerprint(a) == schema::fingerprint(b) {
        let words = if a == b {
            "they are the same"
        } else {
            "their bytes are the same; documentation, versions or defaults differ"
        };
        writeln!(output, "{words}")?;
        return Ok(());
    }
    let (forth, back) = (schema::compare(a, b), schema::compare(b, a));
    report("A", "B", forth.as_ref().err(), output)?;
    report("B", "A", back.as_ref().err(), output)?;
    match (forth, back) {
        (Ok(()), Ok(())) => Err(Failure::new(Code::Differs, "they differ, and go together")),
        _ => Err(Failure::new(Code::Incompatible, "they do not go together")),
    }
}

fn report(
    writer: &str,
    reader: &str,
    difference: Option<&Difference>,
    output: &mut impl Write,
) -> Result<(), Failure> {
    match difference {
        None => writeln!(output, "{reader} can read what {writer} writes")?,
        Some(difference) => {
            writeln!(
                output,
                "{reader} cannot read what {writer} writes: {difference}"
            )?;
            write!(output, "{}", difference.tables(writer, reader))?;
        }
    }
    Ok(())
}

/// The fields that are missing in the new version of a message: it is then a prefix of the old one, and each side can read the other for now.
fn removed(released: &Schema, new: &Schema) -> Vec<String> {
    let mut removed = Vec::new();
    for old in released.records.iter() {
        if let Some(record) = new.record(old.kind) {
            let fields = old.fields.iter().skip(record.fields.len());
            removed.extend(fields.map(|field| format!("`{}` of `{}`", &*field.name, &*old.name)));
        }
    }
    removed
}

fn check(released: &Schema, new: &Schema, output: &mut impl Write) -> Result<(), Failure> {
    let forth = schema::compare(released, new);
    let back = schema::compare(new, released);
    report("released", "new", forth.as_ref().err(), output)?;
    report("new", "released", back.as_ref().err(), output)?;
    let gone: Vec<&str> = released
        .records
        .iter()
        .filter(|old| new.records.iter().all(|record| record.kind != old.kind))
        .map(|record| &*record.name)
        .collect();
    if !gone.is_empty() {
        writeln!(
            output,
            "new no longer has {}: whoever still sends it is refused frame by frame",
            gone.join(", ")
        )?;
    }
    let removed = removed(released, new);
    if !removed.is_empty() {
        writeln!(
            output,
            "new no longer has {}: a field that is appended later would lie in its place, and who still has it would be refused; deprecate it instead",
            removed.join(", ")
        )?;
    }
    if forth.is_err() || back.is_err() || !gone.is_empty() || !removed.is_empty() {
        let what = "the change breaks programs that are in use: append fields, with a default, or add a message of a new kind, and leave the others as they are";
        return Err(Failure::new(Code::Incompatible, what));
    }
    Ok(())
}
