//! What made a run of tests fail, as libtest, pytest and the sanitizers tell it.

/// `why`, and what a sanitizer or which tests in what was printed are to blame for it, if any.
pub(super) fn with(why: String, printed: &str) -> String {
    let mut blamed = blamed(printed);
    blamed.extend(report(printed));
    // In pytest's summary, with the words of each.
    let of_python = printed
        .lines()
        .filter_map(|line| line.strip_prefix("FAILED "));
    blamed.extend(of_python.map(|line| line.chars().take(LONGEST).collect()));
    match blamed[..] {
        [] => why,
        _ => format!("{why} ({})", blamed.join(", ")),
    }
}

/// The tests that failed, each with its panic, and those that went on for long and never came to an end, as libtest tells them: whoever sees the end of a log alone needs
/// both, and may not see the same again.
fn blamed(printed: &str) -> Vec<String> {
    let told = |end| {
        let lines = printed.lines();
        lines.filter_map(move |line| line.strip_prefix("test ")?.strip_suffix(end))
    };
    let passed: Vec<_> = told(" ... ok").collect();
    let slow = told(" has been running for over 60 seconds");
    let mut blamed: Vec<_> = told(" ... FAILED").collect();
    for name in slow {
        if !passed.contains(&name) && !blamed.contains(&name) {
            blamed.push(name);
        }
    }
    let told = |name: &str| match panic_of(name, printed) {
        Some(panic) => format!("{name}: {panic}"),
        None => name.to_owned(),
    };
    blamed.into_iter().map(told).collect()
}

/// Where a test panicked first, and the words of that in one line; a long text is cut.
fn panic_of(name: &str, printed: &str) -> Option<String> {
    let thread = format!("thread '{name}'");
    let mut lines = printed.lines();
    let place = lines.find_map(|line| {
        let (_, place) = line.strip_prefix(&thread)?.split_once("panicked at ")?;
        Some(place)
    })?;
    let is_empty = |line: &&str| line.is_empty();
    let is_over = |line: &&str| line.is_empty() || line.starts_with("stack backtrace:");
    let mut words = vec![place];
    let text = lines.skip_while(is_empty).take_while(|line| !is_over(line));
    words.extend(text.map(str::trim));
    Some(words.join(" ").chars().take(LONGEST).collect())
}

/// The first report of a sanitizer in one line: what it says, and of each stack the two innermost of our own functions.
fn report(printed: &str) -> Option<String> {
    let begins = |line: &&str| line.contains("WARNING: ") || line.contains("ERROR: ");
    let is_sanitizers = |line: &&str| begins(line) && line.contains("Sanitizer: ");
    let lines = printed.lines().skip_while(|line| !is_sanitizers(line));
    let lines = lines.take_while(|line| !line.starts_with("SUMMARY: "));
    let mut words = Vec::new();
    let mut of_stack = 0;
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        let frame = line.starts_with('#');
        let ours = frame && line.contains("ringway") && !line.contains(" /rustc/");
        of_stack = if frame {
            of_stack + usize::from(ours)
        } else {
            0
        };
        if !frame || ours && of_stack <= 2 {
            words.push(line.split(" (ringway").next().unwrap_or(line));
        }
    }
    (!words.is_empty()).then(|| words.join(" ").chars().take(LONGEST_REPORT).collect())
}

/// Characters of a panic that a summary shows.
const LONGEST: usize = 300;

/// Characters of a sanitizer's report: two stacks, and where the memory is from.
const LONGEST_REPORT: usize = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_or_never_ended_is_named() {
        let printed = "test a ... ok\ntest b ... FAILED\ntest c has been running for over 60 seconds\n\
            test d has been running for over 60 seconds\ntest d ... ok\n";
        assert_eq!(blamed(printed), ["b", "c"]);
        assert!(blamed("test a ... ok\n").is_empty());
    }

    #[test]
    fn who_failed_is_named_with_its_first_panic() {
        let panic = "\nthread 'b' (7) panicked at src/b.rs:1:2:\nassertion `left == right` failed: one\n  left: 1\n right: 2\n";
        let printed = format!(
            "test b ... FAILED\n\n---- b stdout ----\n{panic}stack backtrace:\n   0: x\n{panic}"
        );
        let told = "b: src/b.rs:1:2: assertion `left == right` failed: one left: 1 right: 2";
        assert_eq!(blamed(&printed), [told]);
        let printed = format!(
            "test b ... FAILED\nthread 'b' panicked at x:\n\n{}",
            "é".repeat(400)
        );
        assert_eq!(blamed(&printed)[0].chars().count(), "b: ".len() + LONGEST);
    }

    #[test]
    fn a_race_is_named_with_both_of_its_places() {
        let stack = "    #0 ringway::a::{closure#0} /x/src/a.rs:1:2 (ringway-9+0x5) (BuildId: 1)\n    \
            #1 std::ringway /rustc/1/library/a.rs:1 (ringway-9+0x5)\n    #2 ringway::b /x/src/b.rs:2 (ringway-9+0x5)\n    \
            #3 ringway::c /x/src/c.rs:2 (ringway-9+0x5)\n";
        let printed = format!(
            "test a ... ok\n==================\nWARNING: ThreadSanitizer: data race (pid=1)\n  Read of size 4 by thread T1:\n{stack}\n  \
            Previous write of size 4 by thread T2:\n{stack}\nSUMMARY: ThreadSanitizer: data race\nx\n"
        );
        let own = "#0 ringway::a::{closure#0} /x/src/a.rs:1:2 #2 ringway::b /x/src/b.rs:2";
        let told = format!(
            "it ended (WARNING: ThreadSanitizer: data race (pid=1) Read of size 4 by thread T1: {own} Previous write of size 4 by thread T2: {own})"
        );
        assert_eq!(with("it ended".into(), &printed), told);
        assert_eq!(report("WARNING: nothing of ours\n"), None);
    }

    #[test]
    fn who_failed_in_python_is_named() {
        let printed =
            "E   AssertionError: b\nFAILED tests/test_a.py::test_b - AssertionError: b\n1 failed\n";
        let told = "it ended (tests/test_a.py::test_b - AssertionError: b)";
        assert_eq!(with("it ended".into(), printed), told);
    }

    #[test]
    fn a_run_without_tests_has_nobody_to_blame() {
        assert_eq!(with("it ended".into(), "error: x\n"), "it ended");
        let told = with("it ended".into(), "test a ... FAILED\ntest b ... FAILED\n");
        assert_eq!(told, "it ended (a, b)");
    }
}
