//! What the README owes to somebody who has never seen the project.

const README: &str = include_str!("../../README.md");

/// The words that mean something particular here.
const WORDS: [&str; 9] = [
    "frame", "kind", "lane", "ring", "half", "group", "spin", "park", "bell",
];

#[test]
fn every_word_is_explained_before_it_is_used() {
    let (before, after) = README.split_once("## Words").expect("a glossary");
    let (glossary, _) = after.split_once("\n## ").expect("more behind it");
    let used: Vec<&str> = before.split(|c: char| !c.is_alphanumeric()).collect();
    for word in WORDS {
        assert!(
            glossary.contains(&format!("| **{word}** |")),
            "{word} is not explained"
        );
        let plural = format!("{word}s");
        assert!(
            !used.contains(&word) && !used.contains(&plural.as_str()),
            "{word} is used before it is explained"
        );
    }
}

#[test]
fn near_and_far_are_explained_before_the_figures() {
    let (_, after) = README.split_once("## Words").expect("a glossary");
    let (glossary, _) = after.split_once("\n## ").expect("more behind it");
    assert!(glossary.contains("| **near**, **far** |"));
}

#[test]
fn what_the_figures_are_is_said() {
    let command = include_str!("../../docs/command.md");
    let measurements = include_str!("../../docs/measurements.md");
    for document in [README, command, measurements] {
        assert!(document.contains("median of the rounds' own ratios"));
    }
    for document in [command, measurements] {
        assert!(document.contains("reading of the clock"));
    }
    for note in ["gave up: ", "limit badly written"] {
        assert!(command.contains(note), "{note:?} is not explained");
    }
    let met = "On near cores every target was met in the run that the table shows.";
    assert!(measurements.contains(met));
}

/// What README shows of the figures is what was measured, and so stands with the rest.
#[test]
fn each_figure_of_the_readme_is_among_the_measurements() {
    let measurements = include_str!("../../docs/measurements.md");
    let (_, after) = README.split_once("## How fast is it?").expect("figures");
    let (figures, _) = after.split_once("\n## ").expect("more behind it");
    let rows = figures
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2);
    let mut count = 0;
    for row in rows {
        let (work, figures) = row
            .trim_end_matches(" |")
            .split_once(" | ")
            .expect("figures");
        let stands = |line: &str| line.starts_with(work) && line.contains(figures);
        assert!(measurements.lines().any(stands), "{row}");
        count += 1;
    }
    assert!(count > 5, "{count} rows: the check has lost its subject");
}

#[test]
fn it_says_how_to_install_and_what_stays_behind() {
    for needed in [
        "cargo install --locked --path cli",
        "ringway = { path =",
        "not on crates.io",
        "leaves its socket file",
    ] {
        assert!(README.contains(needed), "no word of {needed:?}");
    }
}

#[test]
fn the_manifest_promises_no_more_than_there_is() {
    let manifest = include_str!("../../Cargo.toml");
    assert!(!manifest.contains("typed messages"));
}
