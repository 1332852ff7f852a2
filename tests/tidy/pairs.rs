//! The table of ordering pairs in `docs/SAFETY.md` and the labels of the library are the same set.

use std::collections::BTreeMap;

/// Compares the labels of the library with the table in the document: each must have all of the other's.
pub(crate) fn compare(in_source: &BTreeMap<String, String>, document: &str) -> Vec<String> {
    let in_table = table(document);
    let undocumented = in_source
        .iter()
        .filter(|(name, _)| !in_table.contains(name));
    let unused = in_table
        .iter()
        .filter(|name| !in_source.contains_key(*name));
    undocumented
        .map(|(name, place)| {
            format!("{place}: the label `{name}` is not in the table of docs/SAFETY.md")
        })
        .chain(
            unused.map(|name| format!("docs/SAFETY.md: no atomic access has the label `{name}`")),
        )
        .collect()
}

/// The labels in the document: code in the first cell of each row, in the section whose heading names the pairs of orderings.
fn table(document: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with('#') {
            inside = line.to_lowercase().contains("ordering pairs");
        }
        let first = line.strip_prefix('|').and_then(|row| row.split('|').next());
        if let (true, Some(cell)) = (inside, first) {
            labels.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_source_have_the_same_labels() {
        let document = "# Safety\n| `other` | x |\n## The ordering pairs\n| label | x |\n| --- | --- |\n| `commit`, `take` | `no` |\n## Next\n| `other` |\n";
        let both = |names: &[&str]| {
            names
                .iter()
                .map(|name| (name.to_string(), "src/a.rs:1".to_owned()))
                .collect()
        };
        assert!(compare(&both(&["commit", "take"]), document).is_empty());
        assert_eq!(compare(&both(&["commit", "release"]), document).len(), 2);
    }
}
