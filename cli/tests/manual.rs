//! Completions and manual pages, and that they know every command and option.

mod support;

use std::fs;
use std::process::{Command, Output, Stdio};

use support::Place;

fn run(place: &Place, arguments: &[&str]) -> Output {
    place
        .command("manual", arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

/// The commands that `ringway --help` lists.
fn commands(place: &Place) -> Vec<String> {
    let help = run(place, &["--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    let listed = help.split("Commands:").nth(1).unwrap();
    let listed = listed.split("Options:").next().unwrap();
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .map(str::to_owned)
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn bash_completes_every_command_and_nothing_hidden() {
    let place = Place::new();
    let script = run(&place, &["completions", "bash"]);
    assert!(script.status.success());
    let file = place.file("ringway.bash");
    fs::write(&file, script.stdout).unwrap();
    let ask = "source \"$1\"; COMP_WORDS=(ringway ''); COMP_CWORD=1; _ringway ringway '' ringway; echo \"${COMPREPLY[@]}\"";
    let answer = Command::new("bash")
        .args(["-c", ask, "bash"])
        .arg(&file)
        .output()
        .unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    let offered: Vec<&str> = answer.split_whitespace().collect();
    for command in commands(&place) {
        assert!(offered.contains(&command.as_str()), "{command}: {answer}");
    }
    assert!(!answer.contains("bench-"), "{answer}");
}

#[test]
fn every_command_has_a_page_with_all_its_options() {
    let place = Place::new();
    let pages = place.file("man1");
    let made = run(&place, &["man", pages.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    let commands = commands(&place);
    assert!(commands.len() >= 6);
    for command in &commands {
        let page = fs::read_to_string(pages.join(format!("ringway-{command}.1"))).unwrap();
        let page = page.replace("\\-", "-");
        assert!(page.contains(".TH"), "{command}");
        let help = run(&place, &[command, "--help"]).stdout;
        let help = String::from_utf8(help).unwrap();
        let options = help
            .split_whitespace()
            .filter(|word| word.starts_with("--"));
        for option in
            options.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-'))
        {
            assert!(page.contains(option), "{command}: {option} in {page}");
        }
    }
    // One for the whole, and none for what is hidden.
    assert_eq!(fs::read_dir(&pages).unwrap().count(), commands.len() + 1);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = Place::new();
    let file = place.file("file");
    fs::write(&file, "").unwrap();
    let below = file.join("man1");
    let failed = run(&place, &["man", below.to_str().unwrap()]);
    assert_eq!(failed.status.code(), Some(1));
    let words = String::from_utf8(failed.stderr).unwrap();
    assert!(words.contains("man1"), "{words}");
}
