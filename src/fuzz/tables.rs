//! A frame and the tables of one or two schemas: a table is refused with words or is a schema that keeps the rules, is told by the same bytes again, and reads any frame without a panic.

use crate::schema::{self, Record, Schema};

/// How a table begins. What is before the first is the frame, and what the second begins with is the other table.
const BEGIN: &[u8] = b"RWSCHEM\x01";

pub(super) fn run(bytes: &[u8]) {
    let (frame, one, other) = parts(bytes);
    let one = sound(one);
    let other = sound(other);
    for schema in [&one, &other].into_iter().flatten() {
        schema.records.iter().for_each(|record| read(record, frame));
    }
    let Some((one, other)) = one.zip(other) else {
        return;
    };
    let verdicts = [schema::compare(&one, &other), schema::compare(&other, &one)];
    let same = schema::fingerprint(&one) == schema::fingerprint(&other);
    for verdict in verdicts {
        if let Err(difference) = verdict {
            assert!(!same, "schemas of one fingerprint differ: {difference}");
            assert!(!difference.to_string().is_empty());
            assert!(!difference.to_string().contains(char::is_control));
            let _ = difference.tables("writer", "reader");
        }
    }
}

/// The frame and the two tables.
fn parts(bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let begins = |bytes: &[u8], from: usize| {
        let windows = bytes.get(from..).unwrap_or_default().windows(BEGIN.len());
        windows
            .enumerate()
            .find(|(_, window)| *window == BEGIN)
            .map(|(at, _)| from + at)
    };
    let first = begins(bytes, 0).unwrap_or(bytes.len());
    let second = begins(bytes, first + 1).unwrap_or(bytes.len());
    (&bytes[..first], &bytes[first..second], &bytes[second..])
}

/// The schema of a table, if it is one.
fn sound(table: &[u8]) -> Option<Schema> {
    let schema = match schema::decode(table) {
        Ok(schema) => schema,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert_eq!(schema.check(), Ok(()), "a schema keeps the rules");
    let again = schema::encode(&schema).expect("what was read can be told");
    assert_eq!(again, table, "one schema has one table");
    assert_eq!(schema::compare(&schema, &schema), Ok(()));
    assert!(schema::to_json(&schema).starts_with('{'));
    Some(schema)
}

/// Reads a frame, and its beginnings, as messages of a record.
fn read(record: &Record, frame: &[u8]) {
    let _ = record.to_string();
    let fixed = frame.len().min(record.size as usize);
    for frame in [frame, &frame[..fixed]] {
        let value = match record.decode(frame) {
            Ok(value) => value,
            Err(invalid) => {
                assert!(!invalid.to_string().is_empty());
                continue;
            }
        };
        // What lies behind bytes and in what is absent need not come back; the values do.
        let again = record.encode(&value).expect("what was read can be written");
        assert_eq!(again.len(), frame.len());
        let value_again = record.decode(&again).expect("what was written can be read");
        assert_eq!(format!("{value:?}"), format!("{value_again:?}"));
    }
}
