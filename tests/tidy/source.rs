//! A Rust file, taken apart just far enough: code without comments and text, and comments line by line.

/// One file of the tree.
pub(crate) struct Source {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    /// The code, line for line as in the file; comments are gone and the insides of text and characters are spaces.
    pub(crate) code: String,
    /// The comments of each line, with their slashes.
    pub(crate) comments: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut source = Self {
            path: path.to_owned(),
            code: String::new(),
            comments: Vec::new(),
        };
        Cut {
            rest: text,
            code: &mut source.code,
            comments: &mut source.comments,
            comment: String::new(),
        }
        .run();
        source
    }

    /// The line, counted from zero, of a place in the code.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count()
    }

    /// A finding, in the form that editors jump to.
    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }

    /// The places where `word` stands as a word of its own.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        let inside = |part: Option<char>| part.is_some_and(is_name);
        let found = self.code.match_indices(word).map(|(offset, _)| offset);
        found
            .filter(|&offset| {
                let (before, after) = (&self.code[..offset], &self.code[offset + word.len()..]);
                !inside(before.chars().next_back()) && !inside(after.chars().next())
            })
            .collect()
    }

    /// The heads of the blocks around a place, outermost first: `impl Drop for Map`, `#[cfg(test)] mod tests`.
    pub(crate) fn around(&self, offset: usize) -> Vec<String> {
        let mut heads = Vec::new();
        let mut start = 0;
        for (at, letter) in self.code[..offset].char_indices() {
            match letter {
                '{' => heads.push(
                    self.code[start..at]
                        .split_whitespace()
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
                '}' => drop(heads.pop()),
                ';' => {}
                _ => continue,
            }
            start = at + 1;
        }
        heads
    }

    /// Whether a place is compiled for tests only.
    pub(crate) fn in_test(&self, offset: usize) -> bool {
        self.around(offset).iter().any(|head| {
            ["cfg(test)", "cfg(all(test", "#[test]"]
                .iter()
                .any(|mark| head.contains(mark))
        })
    }

    /// The comment directly above the statement that `line` belongs to; attributes and the statement's own beginning may
    /// stand in between.
    pub(crate) fn comment_above(&self, line: usize) -> Option<String> {
        let code: Vec<&str> = self.code.lines().collect();
        let alone = |at: usize| code[at].trim().is_empty() && !self.comments[at].is_empty();
        for at in (0..line).rev() {
            if alone(at) {
                let first = (0..=at)
                    .rev()
                    .take_while(|&line| alone(line))
                    .last()
                    .unwrap_or(at);
                return Some(self.comments[first..=at].join("\n"));
            }
            let text = code[at].trim();
            let attribute = text.starts_with("#[");
            let ends = text.is_empty()
                || text.ends_with([';', '{', '}', ',']) && !text.ends_with("unsafe {");
            if ends && !attribute {
                return None;
            }
        }
        None
    }
}

pub(crate) fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The separation of code, comments and text.
struct Cut<'a> {
    rest: &'a str,
    code: &'a mut String,
    comments: &'a mut Vec<String>,
    /// The comments of the line that is being read.
    comment: String,
}

impl<'a> Cut<'a> {
    fn run(mut self) {
        while let Some(letter) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.read_comment(end);
            } else if self.rest.starts_with("/*") {
                self.read_comment(block_comment(self.rest));
            } else if let Some(length) = text_length(self.rest, self.code.chars().next_back()) {
                self.blank(length);
            } else {
                self.read_code(letter.len_utf8());
            }
        }
        self.comments.push(self.comment);
    }

    fn take(&mut self, length: usize) -> std::str::Chars<'a> {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken.chars()
    }

    fn end_line(&mut self) {
        self.code.push('\n');
        self.comments.push(std::mem::take(&mut self.comment));
    }

    fn read_comment(&mut self, length: usize) {
        for letter in self.take(length) {
            if letter == '\n' {
                self.end_line();
            } else {
                self.comment.push(letter);
            }
        }
    }

    fn read_code(&mut self, length: usize) {
        for letter in self.take(length) {
            if letter == '\n' {
                self.end_line();
            } else {
                self.code.push(letter);
            }
        }
    }

    fn blank(&mut self, length: usize) {
        self.code.push('"');
        for letter in self.take(length).skip(1) {
            if letter == '\n' {
                self.end_line();
            } else {
                self.code.push(' ');
            }
        }
        self.code.pop();
        self.code.push('"');
    }
}

/// The length of the block comment that `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let here = &text[at..];
        let step = if here.starts_with("/*") {
            depth += 1;
            2
        } else if here.starts_with("*/") {
            depth -= 1;
            2
        } else {
            here.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the text or character literal that `rest` starts with, if it starts with one.
fn text_length(rest: &str, before: Option<char>) -> Option<usize> {
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut letters = inside.char_indices();
        let (_, first) = letters.next()?;
        // A lifetime has no second quote right after its first letter.
        let (second, letter) = letters.next()?;
        return match (first, letter) {
            ('\\', _) => inside[second + letter.len_utf8()..]
                .find('\'')
                .map(|end| 1 + second + letter.len_utf8() + end + 1),
            (_, '\'') => Some(1 + second + 1),
            _ => None,
        };
    }
    if !before.is_some_and(is_name) {
        let raw = ["r", "br", "cr"].iter().find_map(|start| {
            let after = rest.strip_prefix(start)?;
            let hashes = after.len() - after.trim_start_matches('#').len();
            after[hashes..]
                .starts_with('"')
                .then_some((start.len() + hashes + 1, hashes))
        });
        if let Some((start, hashes)) = raw {
            let end = format!("\"{}", "#".repeat(hashes));
            return rest[start..].find(&end).map(|at| start + at + end.len());
        }
    }
    let inside = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (at, letter) in inside.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(1 + at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_text_are_no_code() {
        let text = "let a = \"// no { \\\" comment\"; // yes\nlet b = r#\"\" unsafe\"#; /* x /* y */\nz */ let c = '\"'; let d: &'a str;\n";
        let source = Source::new("a.rs", text);
        assert_eq!(source.code.lines().count(), 3);
        assert!(
            !source.code.contains("comment")
                && !source.code.contains("unsafe")
                && !source.code.contains('{')
        );
        assert!(source.code.contains("let c") && source.code.contains("&'a str"));
        assert_eq!(source.comments[0], "// yes");
        assert_eq!(source.comments[1], "/* x /* y */");
        assert_eq!(source.comments[2], "z */");
    }

    #[test]
    fn the_blocks_around_a_place_are_known() {
        let source = Source::new(
            "a.rs",
            "impl Drop for A { fn drop(&mut self) { x(); here } }\n#[cfg(test)]\nmod t { there }",
        );
        let here = source.words("here")[0];
        assert_eq!(
            source.around(here),
            ["impl Drop for A", "fn drop(&mut self)"]
        );
        assert!(!source.in_test(here) && source.in_test(source.words("there")[0]));
    }

    #[test]
    fn a_comment_belongs_to_the_statement_below_it() {
        let text = "// one\n#[inline]\nlet a =\n    b;\nlet c;\n// two\n\nlet d;\n";
        let source = Source::new("a.rs", text);
        assert_eq!(source.comment_above(3).as_deref(), Some("// one"));
        assert_eq!(
            source.comment_above(4),
            None,
            "the statement before it ends in between"
        );
        assert_eq!(
            source.comment_above(7),
            None,
            "there is an empty line in between"
        );
    }
}
