//! Which tests made a run of tests fail, as libtest tells it.

/// `why`, and the tests in what was printed that are to blame for it, if any.
pub(super) fn with(why: String, printed: &str) -> String {
    let blamed = blamed(printed);
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

/// Characters of a panic that a summary shows.
const LONGEST: usize = 300;

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
    fn a_run_without_tests_has_nobody_to_blame() {
        assert_eq!(with("it ended".into(), "error: x\n"), "it ended");
        let told = with("it ended".into(), "test a ... FAILED\ntest b ... FAILED\n");
        assert_eq!(told, "it ended (a, b)");
    }
}
