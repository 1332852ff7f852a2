//! NULL in the place of every pointer of every function: a program that is made of the committed list, so that no function is forgotten.

use std::fmt::Write;
use std::fs;

use super::Stop;
use crate::place;

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    /// As it is declared, without the name.
    ty: String,
    name: String,
}

impl Parameter {
    fn read(text: &str) -> Self {
        // `uint8_t (*fingerprint)[16]`
        if let Some((before, rest)) = text.split_once("(*") {
            let name = rest.split(')').next().unwrap_or_default();
            return Self {
                ty: format!("{before}*"),
                name: name.to_owned(),
            };
        }
        let at = text.rfind([' ', '*']).map_or(0, |at| at + 1);
        Self {
            ty: text[..at].trim().to_owned(),
            name: text[at..].to_owned(),
        }
    }

    fn is_pointer(&self) -> bool {
        self.ty.ends_with('*')
    }

    /// Something that is in order.
    fn good(&self) -> String {
        let plain = self.ty.trim_start_matches("const ");
        match plain {
            "ringway_field *" => return "&field".to_owned(),
            "ringway_payload *" => return "&payload".to_owned(),
            "char *" if self.ty.starts_with("const") => return "\"x\"".to_owned(),
            _ => {}
        }
        if let Some(handle) = plain
            .strip_prefix("ringway_")
            .and_then(|it| it.strip_suffix(" *"))
        {
            if HANDLES.contains(&handle) && self.name.trim_end_matches('_') != "about" {
                return format!("have.{handle}");
            }
        }
        if self.is_pointer() {
            return "(void *)room".to_owned();
        }
        match self.name.as_str() {
            "timeout" | "index" | "kind" => "0".to_owned(),
            "length" | "capacity" => "8".to_owned(),
            _ => "1".to_owned(),
        }
    }
}

const HANDLES: &[&str] = &[
    "config",
    "listener",
    "connection",
    "sender",
    "receiver",
    "schema",
    "record",
    "type",
    "interrupter",
    "observed",
    "counters",
    "redial",
];

/// They free, and take NULL, or take no pointer.
fn is_checked(declared: &Declared) -> bool {
    let frees = declared.name.ends_with("_free");
    !frees && declared.parameters.iter().any(Parameter::is_pointer)
}

fn read(line: &str) -> Option<Declared> {
    let (head, rest) = line.split_once('(')?;
    let name = head.rsplit([' ', '*']).next()?;
    let inside = rest.strip_suffix(");")?;
    let parameters = match inside {
        "void" => Vec::new(),
        some => some.split(", ").map(Parameter::read).collect(),
    };
    Some(Declared {
        name: name.to_owned(),
        parameters,
    })
}

/// The committed list, in the order of the names.
pub(super) fn list() -> Result<Vec<Declared>, Stop> {
    let path = place::root().join("ffi/symbols.txt");
    let text = fs::read_to_string(&path)
        .map_err(|error| Stop::failed(format!("ffi/symbols.txt: {error}")))?;
    let list: Option<Vec<_>> = text.lines().map(read).collect();
    list.filter(|list| !list.is_empty())
        .ok_or_else(|| Stop::failed("a line of ffi/symbols.txt is no declaration"))
}

/// The program.
pub(super) fn program() -> Result<String, Stop> {
    let mut text = String::from(BEGIN);
    for declared in list()?.iter().filter(|declared| is_checked(declared)) {
        for (at, pointer) in declared.parameters.iter().enumerate() {
            if !pointer.is_pointer() {
                continue;
            }
            let words = declared.parameters.iter().enumerate();
            let words: Vec<String> = words
                .map(|(other, parameter)| {
                    if other == at {
                        "NULL".to_owned()
                    } else {
                        parameter.good()
                    }
                })
                .collect();
            let called = pointer.name.trim_end_matches('_');
            let (name, words) = (&declared.name, words.join(", "));
            // It says how many were sent whatever it answers: none.
            let told = name == "ringway_sender_send_many" && pointer.name != "sent";
            let (first, told) = if told {
                (8, "    CHECK(room[0] == 0);")
            } else {
                (0, "")
            };
            let _ = writeln!(
                text,
                "    memset(room, 0xA5, sizeof room);\n    GIVES(RINGWAY_INVALID_ARGUMENT, {name}({words}));\n    SAYS(\"`{called}` is NULL\");\n    for (size_t at = {first}; at < sizeof room; at++) CHECK(((unsigned char *)room)[at] == 0xA5);\n{told}\n    calls++;"
            );
        }
    }
    text.push_str(END);
    Ok(text)
}

const BEGIN: &str = "\
#include \"check.h\"

static struct {
    ringway_config *config;
    ringway_listener *listener;
    ringway_connection *connection;
    ringway_sender *sender;
    ringway_receiver *receiver;
    ringway_schema *schema;
    ringway_record *record;
    ringway_type *type;
    ringway_interrupter *interrupter;
    ringway_observed *observed;
    ringway_counters *counters;
    ringway_redial *redial;
} have;

#include <pthread.h>

static void *accept_one(void *nothing) {
    OK(ringway_listener_accept(have.listener, LONG, &have.connection));
    return nothing;
}

int main(void) {
    struct pair pair;
    pthread_t thread;
    static uint64_t room[64];
    int calls = 0;
    ringway_payload payload = {\"x\", 1};
    have.config = new_config();
    make_pair(&pair, have.config);
    have.sender = pair.sender[0];
    have.receiver = pair.receiver[0];
    OK(ringway_receiver_interrupter(have.receiver, &have.interrupter));
    const char *path = new_path();
    OK(ringway_bind(have.config, path, &have.listener));
    CHECK(pthread_create(&thread, NULL, accept_one, NULL) == 0);
    OK(ringway_observe(have.config, path, &have.observed));
    ringway_connection *other;
    OK(ringway_connect(have.config, path, &other));
    CHECK(pthread_join(thread, NULL) == 0);
    OK(ringway_redial_new(have.config, path, &pair.sender[1], &pair.receiver[1], 0, &have.redial));
    OK(ringway_counters_own(&have.counters));
    OK(ringway_record_new(0, \"R\", 0, 1, &have.record));
    OK(ringway_schema_new(&have.schema));
    OK(ringway_schema_add(have.schema, have.record));
    OK(ringway_type_enumeration(\"E\", 1, false, &have.type));
    ringway_field field = {.name = \"f\", .type_ = have.type, .size = 1, .align = 1, .since = 1};
";

const END: &str = "\
    ringway_redial_free(have.redial);
    free_pair(&pair);
    ringway_connection_free(other);
    ringway_connection_free(have.connection);
    ringway_listener_free(have.listener);
    ringway_interrupter_free(have.interrupter);
    ringway_observed_free(have.observed);
    ringway_counters_free(have.counters);
    ringway_record_free(have.record);
    ringway_schema_free(have.schema);
    ringway_type_free(have.type);
    ringway_config_free(have.config);
    CHECK(calls > 100);
    printf(\"nulls: ok, %d calls\\n\", calls);
    return 0;
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_taken_apart() {
        let line = "ringway_status ringway_x(const ringway_schema *schema, size_t n, uint8_t (*print)[16]);";
        let declared = read(line).unwrap();
        assert_eq!(declared.name, "ringway_x");
        let pointers: Vec<_> = declared
            .parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.is_pointer()))
            .collect();
        assert_eq!(pointers, [("schema", true), ("n", false), ("print", true)]);
        assert_eq!(declared.parameters[0].good(), "have.schema");
        assert_eq!(declared.parameters[1].good(), "1");
        assert!(is_checked(&declared));
        assert!(!is_checked(
            &read("void ringway_x_free(ringway_x *x);").unwrap()
        ));
        assert!(!is_checked(
            &read("uint32_t ringway_abi_version(void);").unwrap()
        ));
    }

    #[test]
    fn every_function_of_the_list_is_in_the_program() {
        let program = program().unwrap();
        for declared in list().unwrap().iter().filter(|it| is_checked(it)) {
            assert!(
                program.contains(&format!("{}(", declared.name)),
                "{declared:?}"
            );
        }
    }
}
