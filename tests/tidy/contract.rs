//! The contract of reliability: each of its tables of operations answers the same four questions in each row, and each test that it names is there.

use std::collections::BTreeSet;

/// The columns of a table that has moments. The first one is what each table calls its operations.
const COLUMNS: [&str; 6] = ["moment", "sees", "lost", "twice", "within", "shown by"];

/// The names of all tests of these sources.
pub(crate) fn tests(sources: impl Iterator<Item = String>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        let mut is_next = false;
        for line in source.lines() {
            let line = line.trim();
            is_next |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_next) {
                names.extend(rest.split('(').next().map(str::to_owned));
                is_next = false;
            }
        }
    }
    names
}

/// Checks one document. A name may be the beginning of several tests', as `cargo test` takes it. Returns what is wrong, and how many tables of operations it has.
pub(crate) fn check(path: &str, text: &str, tests: &BTreeSet<String>) -> (Vec<String>, usize) {
    let (mut findings, mut tables) = (Vec::new(), 0);
    let mut columns: Option<usize> = None;
    for (at, line) in text.lines().enumerate() {
        let mut say = |what: String| findings.push(format!("{path}:{}: {what}", at + 1));
        let is_there = |name: &str| {
            let name = name.rsplit("::").next().unwrap_or(name);
            tests.iter().any(|test| test.starts_with(name))
        };
        for name in line.split('`').skip(1).step_by(2) {
            let plain =
                |letter: char| letter.is_ascii_lowercase() || "_:0123456789".contains(letter);
            // Longer than any function that a document names.
            let is_test = name.chars().all(plain) && name.matches('_').count() > 3;
            if is_test && !is_there(name) {
                say(format!("there is no test `{name}`"));
            }
        }
        let Some(row) = line.strip_prefix("| ") else {
            columns = None;
            continue;
        };
        let cells: Vec<&str> = row
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        match columns {
            None if cells.contains(&"moment") || cells.contains(&"lost") => {
                if cells.len() == COLUMNS.len() + 1 && cells[1..] == COLUMNS {
                    tables += 1;
                    columns = Some(cells.len());
                } else {
                    columns = Some(0);
                    say(format!(
                        "the columns of a table of operations are {COLUMNS:?}"
                    ));
                }
            }
            None => columns = Some(0),
            Some(0) => {}
            Some(_) if cells[0].starts_with("---") => {}
            Some(count) if cells.len() != count => {
                say(format!("{} cells, not {count}", cells.len()));
            }
            Some(_) => {
                let shown = cells[COLUMNS.len()].split('`').skip(1).step_by(2);
                for name in
                    shown.filter(|name| !name.contains('/') && name.matches('_').count() < 4)
                {
                    if !is_there(name) {
                        say(format!("there is no test `{name}`"));
                    }
                }
                for (cell, column) in cells[1..].iter().zip(COLUMNS) {
                    if cell.is_empty() {
                        say(format!("nothing says `{column}`"));
                    }
                }
            }
        }
    }
    (findings, tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| operation | moment | sees | lost | twice | within | shown by |\n| --- | --- | --- | --- | --- | --- | --- |\n";

    fn findings(text: &str) -> (usize, usize) {
        let source = "#[test]\nfn it_is_all_as_it_was() {}\n".to_owned();
        let tests = tests(std::iter::once(source));
        let (findings, tables) = check("docs/a.md", text, &tests);
        (findings.len(), tables)
    }

    #[test]
    fn whole_rows_of_tests_that_are_there_are_fine() {
        let row = "| send | killed | all | nothing | no | at once | `it_is_all_as_it_was` |";
        assert_eq!(findings(&format!("{HEAD}{row}\n")), (0, 1));
        let others =
            "| who | when |\n| --- | --- |\n| a | |\n\n`clock_nanosleep`, `a/b_c_d_e_f.rs`";
        assert_eq!(findings(others), (0, 0));
    }

    #[test]
    fn rows_that_leave_something_out_are_found() {
        for row in [
            "| send | killed | all | nothing | | at once | `it_is_all_as_it_was` |",
            "| send | killed | all | nothing | no | | `it_is_all_as_it_was` |",
            "| send | killed | all | nothing | no | at once | |",
            "| send | killed | all | nothing | no | `it_is_all_as_it_was` |",
            "| send | killed | all | nothing | no | at once | `it_is_not_as_it_was` |",
            "| send | killed | all | nothing | no | at once | `a::it_is_not_as_it_was` |",
            "| send | killed | all | nothing | no | at once | `a::none` |",
        ] {
            assert_eq!(findings(&format!("{HEAD}{row}\n")), (1, 1), "{row}");
        }
        assert_eq!(
            findings("| moment | lost |\n| --- | --- |\n| a | b |"),
            (1, 0)
        );
    }
}
