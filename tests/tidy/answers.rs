//! Everything that an error can say has one row in the contract's tables, and no row is of anything else.

use crate::source::Source;

/// What is said to whoever asks whether to try again, and how each such cell begins.
pub(crate) const AGAIN: [&str; 3] = [
    "yes, at once",
    "yes, later",
    "not before you change something",
];

/// The variants of the enum `name`.
pub(crate) fn variants(source: &Source, name: &str) -> Vec<String> {
    let head = format!("pub enum {name} {{");
    let body = source.code.lines().skip_while(|line| *line != head).skip(1);
    body.take_while(|line| *line != "}")
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| {
            line.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}

/// Compares `variants` with the rows of the table whose first column is `column`: each has one. Where the table has a column `try again?`, it is answered.
pub(crate) fn compare(path: &str, text: &str, column: &str, variants: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut named: Vec<String> = Vec::new();
    let mut head: Option<Vec<&str>> = None;
    for (at, line) in text.lines().enumerate() {
        let mut say = |what: String| findings.push(format!("{path}:{}: {what}", at + 1));
        let Some(row) = line.strip_prefix("| ") else {
            head = None;
            continue;
        };
        let row = row.trim_end_matches('|').split('|');
        let cells: Vec<&str> = row.map(str::trim).collect();
        let Some(columns) = &head else {
            head = Some(cells);
            continue;
        };
        if columns[0] != column || cells[0].starts_with("---") {
            continue;
        }
        if cells.len() != columns.len() {
            say(format!("{} cells, not {}", cells.len(), columns.len()));
            continue;
        }
        for (cell, column) in cells.iter().zip(columns) {
            if cell.is_empty() {
                say(format!("nothing says `{column}`"));
            } else if *column == "try again?" && !AGAIN.iter().any(|it| cell.starts_with(it)) {
                say(format!("`{column}` is answered by one of {AGAIN:?}"));
            }
        }
        for name in cells[0].split('`').skip(1).step_by(2) {
            if named.iter().any(|it| it == name) {
                say(format!("`{name}` has two rows"));
            } else if !variants.iter().any(|it| it == name) {
                say(format!("no error says `{name}`"));
            }
            named.push(name.to_owned());
        }
    }
    let missing = variants.iter().filter(|it| !named.contains(it));
    findings.extend(missing.map(|name| format!("{path}: `{name}` has no row by `{column}`")));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/// Not `Other`.\n#[derive(Debug)]\npub enum Kind {\n    /// Full.\n    #[error(\n        \"Large: it is full\"\n    )]\n    Full,\n    Large {\n        len: usize,\n    },\n    Broken(Rule),\n}\npub enum Next {\n    Nothing,\n}\n";

    const HEAD: &str = "| kind | what | try again? |\n| --- | --- | --- |\n";

    fn of_kind() -> Vec<String> {
        variants(&Source::new("src/a.rs", SOURCE), "Kind")
    }

    fn findings(rows: &str) -> usize {
        compare("docs/a.md", &format!("{HEAD}{rows}"), "kind", &of_kind()).len()
    }

    #[test]
    fn variants_are_found_in_sources() {
        assert_eq!(of_kind(), ["Full", "Large", "Broken"]);
        assert!(variants(&Source::new("src/a.rs", SOURCE), "Kin").is_empty());
    }

    #[test]
    fn one_row_for_each_is_fine() {
        let rows = "| `Full`, `Large` | x | yes, later: when there is room |\n| `Broken` | x | not before you change something |\n";
        assert_eq!(findings(rows), 0);
        let other = "\n| word | what |\n| --- | --- |\n| `Else` | |\n";
        assert_eq!(findings(&format!("{rows}{other}")), 0);
    }

    #[test]
    fn rows_that_are_missing_or_twice_or_of_nothing_are_found() {
        let row = |name: &str| format!("| {name} | x | yes, at once |\n");
        let all = row("`Full`, `Large`, `Broken`");
        assert_eq!(findings(&all), 0);
        assert_eq!(findings(&row("`Full`, `Broken`")), 1, "missing");
        assert_eq!(findings(&format!("{all}{}", row("`Full`"))), 1, "twice");
        assert_eq!(
            findings(&format!("{all}{}", row("`Empty`"))),
            1,
            "of nothing"
        );
        assert_eq!(findings(&all.replace("yes, at once", "perhaps")), 1);
        assert_eq!(findings(&all.replace("| x |", "| |")), 1);
        assert_eq!(
            findings(&all.replace("| x |", "|")),
            4,
            "a cell too few, so none counts"
        );
        assert_eq!(findings(""), 3, "no row at all");
    }
}
