//! Where the functions of a source file are.

use std::ops::Range;

/// One function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// What is between its braces.
    pub(super) body: Range<usize>,
    /// Its body can stand beside another one: it has a type that can be named.
    pub(super) is_plain: bool,
}

/// What a `fn` has been read of, up to its body.
struct Head {
    /// So many parentheses and brackets are open around it.
    depth: usize,
    is_plain: bool,
    returns: bool,
}

/// All functions, in the order in which they end. The text is Rust, of which only the words, the brackets and what may hide them are read.
pub(super) fn functions(text: &str) -> Vec<Function> {
    let bytes = text.as_bytes();
    let (mut all, mut open, mut depth) = (Vec::new(), Vec::new(), 0_usize);
    let mut head: Option<Head> = None;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let hidden = comment(rest).or_else(|| literal(rest));
        if let Some(length) = hidden {
            at += length;
            continue;
        }
        let word = word(rest);
        if !word.is_empty() {
            match (word, &mut head) {
                // Not the type of one, which has no name.
                (b"fn", None) if is_named(&rest[2..]) => {
                    head = Some(Head {
                        depth,
                        is_plain: true,
                        returns: false,
                    });
                }
                (b"impl" | b"async", Some(head)) if head.returns => head.is_plain = false,
                (b"where", Some(head)) => head.returns = false,
                _ => {}
            }
            at += word.len();
            continue;
        }
        match (bytes[at], &mut head) {
            (b'(' | b'[', _) => depth += 1,
            (b')' | b']', _) => depth = depth.saturating_sub(1),
            (b'-', Some(head)) if depth == head.depth && rest.starts_with(b"->") => {
                head.returns = true;
            }
            (b'{', Some(found)) if depth == found.depth => {
                open.push(Some((at + 1, found.is_plain)));
                head = None;
            }
            (b'{', _) => open.push(None),
            (b'}', _) => {
                if let Some((start, is_plain)) = open.pop().flatten() {
                    let body = start..at;
                    all.push(Function { body, is_plain });
                }
            }
            (b';', Some(found)) if depth == found.depth => head = None,
            _ => {}
        }
        at += 1;
    }
    all
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word(rest: &[u8]) -> &[u8] {
    let length = rest.iter().position(|byte| !is_letter(*byte));
    &rest[..length.unwrap_or(rest.len())]
}

/// Whether a name comes behind `fn`.
fn is_named(rest: &[u8]) -> bool {
    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    next.is_some_and(|byte| is_letter(*byte))
}

fn comment(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(
            rest.iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len()),
        );
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// A text, a byte or a letter; not a lifetime.
fn literal(rest: &[u8]) -> Option<usize> {
    let prefix = match word(rest) {
        prefix @ (b"" | b"b" | b"c" | b"r" | b"br" | b"cr") => prefix.len(),
        _ => return None,
    };
    let (is_raw, tail) = (rest[..prefix].contains(&b'r'), &rest[prefix..]);
    if is_raw {
        let hashes = tail.iter().take_while(|byte| **byte == b'#').count();
        let start = hashes + 1;
        if tail.get(hashes) != Some(&b'"') {
            return None;
        }
        let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
        let length = tail[start..]
            .windows(end.len())
            .position(|part| part == end);
        return Some(length.map_or(rest.len(), |length| prefix + start + length + end.len()));
    }
    let quote = *tail.first()?;
    if quote == b'\'' && tail.get(1) != Some(&b'\\') {
        // One letter, of as many bytes as it takes, or a lifetime.
        let letter = std::str::from_utf8(&tail[1..tail.len().min(5)]);
        let valid = letter.unwrap_or_else(|error| {
            std::str::from_utf8(&tail[1..=error.valid_up_to()]).unwrap_or_default()
        });
        let length = valid.chars().next()?.len_utf8();
        return (tail.get(1 + length) == Some(&b'\'')).then_some(prefix + length + 2);
    }
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let mut at = 1;
    while at < tail.len() && tail[at] != quote {
        at += if tail[at] == b'\\' { 2 } else { 1 };
    }
    Some(prefix + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<(&str, bool)> {
        let all = functions(text);
        let body = |it: &Function| (text[it.body.clone()].trim(), it.is_plain);
        // The text outlives what is returned.
        all.iter()
            .map(body)
            .map(|(body, plain)| (&text[text.find(body).unwrap()..][..body.len()], plain))
            .collect()
    }

    #[test]
    fn bodies_are_what_is_between_the_braces() {
        let text =
            "impl A { fn a(&self, x: [u8; 3]) -> u8 where u8: B { x[0] } fn b(); }\nfn c() {}";
        assert_eq!(bodies(text), [("x[0]", true), ("", true)]);
        assert_eq!(
            bodies("fn a() { fn b() { 1 } b() }"),
            [("1", true), ("fn b() { 1 } b()", true)]
        );
    }

    #[test]
    fn braces_in_texts_and_comments_are_none() {
        for body in [
            r#""}" "#,
            r##"r#"}"}"# "##,
            r"'}' ",
            r"'\'' ",
            r#"b"\"}" "#,
            "/* } /* } */ } */ 1",
            "// }\n 1",
            "b'}' ",
            "'é' ",
            "let x: &'static str = y; '{'",
        ] {
            let text = format!("fn a<'b>() {{ {body} }}\nfn c() {{ 2 }}");
            assert_eq!(bodies(&text), [(body.trim(), true), ("2", true)], "{text}");
        }
    }

    #[test]
    fn some_bodies_cannot_stand_beside_another() {
        assert_eq!(bodies("const unsafe fn a() { 1 }"), [("1", true)]);
        assert_eq!(bodies("fn a() -> Box<[impl B]> { 1 }"), [("1", false)]);
        assert_eq!(
            bodies("fn a(b: impl Fn() -> u8) -> u8 { 1 }"),
            [("1", true)]
        );
        assert_eq!(bodies("fn a(b: fn(u8) -> u8) { b(1) }"), [("b(1)", true)]);
    }
}
