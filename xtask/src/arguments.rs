//! Reading the words of a command line.

/// The value of `--name=value`, or of `--name value`, in which case `rest` advances past it.
pub(crate) fn value<'a>(
    word: &'a str,
    name: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<Option<&'a str>, String> {
    let Some(after) = word.strip_prefix(name) else {
        return Ok(None);
    };
    if let Some(value) = after.strip_prefix('=') {
        return Ok(Some(value));
    }
    if !after.is_empty() {
        return Ok(None);
    }
    match rest.next() {
        Some(value) => Ok(Some(value)),
        None => Err(format!("{name} needs a value")),
    }
}

/// Refuses any word: for a task that takes none.
pub(crate) fn none(words: &[String]) -> Result<(), String> {
    match words.first() {
        None => Ok(()),
        Some(word) => Err(format!("`{word}` is not understood here")),
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    fn read(words: &[&str]) -> Result<Option<String>, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut rest = words[1..].iter();
        Ok(value(&words[0], "--only", &mut rest)?.map(str::to_owned))
    }

    #[test]
    fn both_forms_of_a_value_are_read() {
        assert_eq!(read(&["--only=fmt"]), Ok(Some("fmt".into())));
        assert_eq!(read(&["--only", "fmt"]), Ok(Some("fmt".into())));
        assert_eq!(read(&["--only-this"]), Ok(None));
        assert!(read(&["--only"]).is_err());
    }
}
