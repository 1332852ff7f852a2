//! `ringway schema`: what it prints and how it ends.

mod support;

use std::path::PathBuf;
use std::process::Stdio;

use ringway::schema::{self, Field, Record, Schema, Shared, Type};
use support::Place;

fn text(text: &str) -> Shared<str> {
    text.to_owned().into()
}

fn field(name: &str, ty: Type, offset: u32, size: u32, since: u16) -> Field {
    Field {
        name: text(name),
        doc: text(if since == 1 { "What it is." } else { "" }),
        ty,
        offset,
        size,
        align: size.min(8),
        since,
        deprecated: text(if name == "flags" { "use `venue`" } else { "" }),
        default: if name == "flags" {
            vec![1, 0, 0, 0, 0, 0, 0, 0].into()
        } else {
            Vec::new().into()
        },
    }
}

/// One of three generations of a message; the last change of `price` is against the rules.
fn schema(fields: usize, price: Type) -> Schema {
    let all = [
        field("id", Type::Unsigned(8), 0, 8, 1),
        field("price", price, 8, 8, 1),
        field("venue", Type::Maybe(Type::Unsigned(4).into()), 16, 8, 2),
        field("flags", Type::Unsigned(8), 24, 8, 3),
    ];
    let record = Record {
        kind: 0,
        name: text("Quote"),
        doc: text("The best price.\nNow."),
        size: 8 * u32::try_from(fields).unwrap(),
        align: 8,
        fields: all[..fields].to_vec().into(),
        tail: None,
    };
    Schema {
        records: vec![record].into(),
    }
}

struct Files(Place);

impl Files {
    fn new() -> Self {
        let place = Place::new();
        let files = [
            ("one", schema(2, Type::Float(8))),
            ("three", schema(4, Type::Float(8))),
            ("broken", schema(2, Type::Signed(8))),
        ];
        for (name, schema) in files {
            std::fs::write(place.file(name), schema::encode(&schema).unwrap()).unwrap();
        }
        std::fs::write(place.file("foreign"), "{}").unwrap();
        std::fs::write(place.file("noise"), [7; 100]).unwrap();
        let json = schema::to_json(&schema(4, Type::Float(8)));
        std::fs::write(place.file("json"), &json).unwrap();
        let changed = |from: &str, to: &str| {
            let text = json.replace(from, to);
            assert_ne!(text, json, "{from}");
            text
        };
        let files = [
            ("edited", changed("\"price\"", "\"cost\"")),
            ("unsound", changed("\"offset\": 8", "\"offset\": 9")),
            ("type", changed("\"f64\"", "\"f63\"")),
            (
                "unknown",
                changed("\"offset\": 8", "\"offset\": 8, \"colour\": 1"),
            ),
            ("version", changed("\"schema\": 1", "\"schema\": 2")),
        ];
        for (name, text) in files {
            std::fs::write(place.file(name), text).unwrap();
        }
        Self(place)
    }

    /// The code, standard output, and what was said besides.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let files = arguments[1..].iter().map(|name| match *name {
            "--json" => PathBuf::from(name),
            _ if name.contains('/') => PathBuf::from(name),
            _ => self.0.file(name),
        });
        let mut command = self.0.command("schema", &["schema", arguments[0]]);
        let output = command.args(files).stdout(Stdio::piped()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code().unwrap(),
            printed,
            self.0.words("schema"),
        )
    }
}

#[test]
fn a_schema_is_shown_with_all_that_is_said_of_it() {
    let (code, printed, _) = Files::new().run(&["show", "three"]);
    assert_eq!(code, 0);
    let expected = "
Quote (kind 0, 32 bytes)
       The best price. Now.
    0  id: u64                    What it is.
    8  price: f64                 What it is.
   16  venue: Maybe<u32>          since 2
   24  flags: u64                 since 3; deprecated: use `venue`
";
    let (fingerprint, rest) = printed.split_once('\n').unwrap();
    assert!(fingerprint.starts_with("fingerprint "), "{fingerprint}");
    assert_eq!(rest, expected);
}

#[test]
fn a_difference_is_told_by_words_tables_and_code() {
    let files = Files::new();
    assert_eq!(files.run(&["diff", "one", "one"]).0, 0);
    let (code, printed, _) = files.run(&["diff", "one", "three"]);
    assert_eq!(code, 9, "they go together");
    assert_eq!(
        printed,
        "B can read what A writes\nA can read what B writes\n"
    );
    let (code, printed, words) = files.run(&["diff", "one", "broken"]);
    assert_eq!(code, 10);
    assert!(printed.contains("field `price` of `Quote`"), "{printed}");
    assert!(
        printed.contains("    8  price: f64         |      8  price: i64"),
        "{printed}"
    );
    assert!(words.contains("do not go together"), "{words}");
}

#[test]
fn a_check_passes_what_both_sides_can_read() {
    let files = Files::new();
    assert_eq!(files.run(&["check", "one", "three"]).0, 0);
    let (code, _, words) = files.run(&["check", "one", "broken"]);
    assert_eq!(code, 10);
    assert!(words.contains("append fields"), "{words}");
    // Each side could read the other, and a field that is appended later would lie where the removed one was.
    let (code, printed, _) = files.run(&["check", "three", "one"]);
    assert_eq!(code, 10);
    assert!(printed.contains("new no longer has `"), "{printed}");
}

#[test]
fn what_is_no_schema_is_named() {
    let files = Files::new();
    for name in [
        "foreign", "nowhere", "noise", "edited", "unsound", "type", "unknown", "version",
    ] {
        let (code, _, words) = files.run(&["show", name]);
        assert_eq!(code, 1);
        assert!(words.contains(name), "{words}");
    }
}

#[test]
fn both_forms_of_a_file_say_the_same() {
    let files = Files::new();
    let (code, printed, words) = files.run(&["diff", "three", "json"]);
    assert_eq!((code, &*printed), (0, "they are the same\n"), "{words}");
    let text = std::fs::read_to_string(files.0.file("json")).unwrap();
    for form in ["three", "json"] {
        assert_eq!(files.run(&["show", "--json", form]).1, text);
    }
}

/// What the library's golden files say comes back letter by letter: every type, every variable part.
#[test]
fn json_goes_there_and_back() {
    let files = Files::new();
    for name in ["empty", "everything", "quote"] {
        let file = format!(
            "{}/../tests/golden/schema/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let (code, printed, words) = files.run(&["show", "--json", &file]);
        assert_eq!(code, 0, "{words}");
        assert_eq!(printed, std::fs::read_to_string(&file).unwrap());
    }
}

#[test]
fn a_message_that_is_gone_breaks_those_who_send_it() {
    let files = Files::new();
    let all = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/schema/everything.json"
    );
    let text = std::fs::read_to_string(all).unwrap();
    let mut less: serde_json::Value = serde_json::from_str(&text).unwrap();
    less["records"].as_array_mut().unwrap().remove(1);
    less.as_object_mut().unwrap().remove("fingerprint");
    std::fs::write(files.0.file("less"), less.to_string()).unwrap();
    let (code, printed, _) = files.run(&["check", all, "less"]);
    assert_eq!(code, 10);
    assert!(printed.contains("new no longer has Note"), "{printed}");
    assert_eq!(files.run(&["check", "less", all]).0, 0, "one more is fine");
}

#[test]
fn what_a_message_is_made_of_is_shown_too() {
    let files = Files::new();
    let quote = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/schema/quote.json"
    );
    let (code, printed, _) = files.run(&["show", quote]);
    assert_eq!(code, 0);
    assert!(
        printed.contains("\nSide (u32)\n    0  Buy\n    1  Sell\n"),
        "{printed}"
    );
    assert!(printed.contains("\nLeg (16 bytes)\n"), "{printed}");
}
