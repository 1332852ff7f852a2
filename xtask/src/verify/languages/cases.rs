//! The list of cases, `actors/cases.txt`, and whether what two sides printed is what it has.

/// What the two sides print, and how they end.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Case {
    pub(super) name: String,
    /// Lines of the server, and of the client.
    says: [Vec<String>; 2],
    /// Which of them is killed.
    pub(super) dies: [bool; 2],
    /// Both are tormented by `ringway chaos`, which does the killing.
    pub(super) chaos: bool,
    /// One side is the program that keeps no rule.
    hostile: bool,
}

/// That program, where a language is asked for.
pub(super) const HOSTILE: &str = "hostile";

/// The sides, as the list and the actors call them.
pub(super) const SIDES: [&str; 2] = ["serve", "connect"];

fn side(word: &str) -> Result<usize, String> {
    let found = SIDES.iter().position(|side| *side == word);
    found.ok_or_else(|| format!("`{word}` is neither `serve` nor `connect`"))
}

/// Reads the list.
pub(super) fn read(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "case" {
            cases.push(Case {
                name: rest.to_owned(),
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().ok_or("a line is before the first case")?;
        match word {
            "both" => case
                .says
                .iter_mut()
                .for_each(|lines| lines.push(rest.to_owned())),
            "chaos" => case.chaos = true,
            "hostile" => case.hostile = true,
            "dies" => case.dies[side(rest)?] = true,
            at => case.says[side(at)?].push(rest.to_owned()),
        }
    }
    Ok(cases)
}

impl Case {
    /// Whether languages can be at both sides.
    pub(super) fn is_for(&self, languages: [&str; 2]) -> bool {
        let strangers = languages.iter().filter(|language| **language == HOSTILE);
        strangers.count() == usize::from(self.hostile)
    }

    /// What is not as the list has it, of what a pair printed: each line behind the name of its side, and at the end how they ended.
    pub(super) fn differs(&self, languages: [&str; 2], printed: &str) -> Option<String> {
        for at in 0..2 {
            let prefix = format!("{} ", SIDES[at]);
            let said = printed
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                .collect::<Vec<_>>();
            // One that is to kill has ended well when it has.
            let status = if self.dies[at] && !self.chaos { 137 } else { 0 };
            let ended = format!("ended {prefix}{status}");
            let wanted = match languages[at] {
                HOSTILE => &Vec::new(),
                _ => &self.says[at],
            };
            let same = said.len() == wanted.len()
                && said.iter().zip(wanted).all(|(a, b)| plain(a) == plain(b));
            if !same || !printed.lines().any(|line| line == ended) {
                return Some(format!(
                    "the side `{}` was to print {wanted:#?} and to end with {status}",
                    SIDES[at]
                ));
            }
        }
        None
    }
}

/// A name, however its language writes names; anything else as it is.
fn plain(line: &str) -> String {
    let is_name = line.starts_with(|letter: char| letter.is_ascii_uppercase())
        && line
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !is_name {
        return line.to_owned();
    }
    let name = line.strip_prefix("RINGWAY_").unwrap_or(line);
    let name = name.strip_suffix("Error").unwrap_or(name);
    name.replace('_', "").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "# a comment\n\ncase a\nboth  two  blanks\nserve PeerDied\ndies connect\ncase b\n";

    #[test]
    fn a_list_is_read() {
        let cases = read(LIST).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[0].says[0], [" two  blanks", "PeerDied"]);
        assert_eq!(cases[0].says[1], [" two  blanks"]);
        assert_eq!(cases[0].dies, [false, true]);
        assert!(cases[0].is_for(["python", "c"]) && cases[0].is_for(["c", "python"]));
        let hostile = &read("case a\nhostile\nboth x").unwrap()[0];
        assert!(hostile.is_for(["hostile", "c"]) && !hostile.is_for(["c", "c"]));
        assert!(!cases[0].is_for(["hostile", "c"]));
        let printed = "connect x\nended serve 0\nended connect 0\n";
        assert_eq!(hostile.differs(["hostile", "c"], printed), None);
        assert!(hostile.differs(["c", "hostile"], printed).is_some());
        assert!(read("both x").is_err() && read("case a\nnobody x").is_err());
    }

    #[test]
    fn names_are_the_same_in_every_language_and_nothing_else_is() {
        let case = &read(LIST).unwrap()[0];
        let good = "serve  two  blanks\nserve RINGWAY_PEER_DIED\nconnect  two  blanks\nended serve 0\nended connect 137\n";
        let pair = ["c", "rust"];
        assert_eq!(case.differs(pair, good), None);
        for (from, to) in [
            ("RINGWAY_PEER_DIED", "PeerClosed"),
            ("serve  two  blanks", "serve  two blanks"),
            ("connect  two", "connect two"),
            ("connect  two  blanks\n", ""),
            ("ended serve 0", "ended serve 1"),
            ("137", "0"),
        ] {
            assert!(
                case.differs(pair, &good.replace(from, to)).is_some(),
                "{to}"
            );
        }
    }

    #[test]
    fn the_list_of_the_project_is_read() {
        let cases = read(include_str!("../../../../actors/cases.txt")).unwrap();
        assert!(cases.len() >= 10);
        assert!(cases.iter().all(|case| !case.says.concat().is_empty()));
    }
}
