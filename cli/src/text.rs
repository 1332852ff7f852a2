//! Foreign text on its way to a terminal.

use std::fmt::Write;

/// Whether a terminal acts upon a letter, does not show it, or turns the direction of what follows.
pub(crate) fn acts(letter: char) -> bool {
    let hidden = matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    letter.is_control() || hidden
}

/// The text with its harmful letters written as Rust writes them: `\u{1b}`.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_upon_is_spelt_out() {
        assert_eq!(harmless("größe, \"7\""), "größe, \"7\"");
        assert_eq!(
            harmless("\x1b[2J\u{9b}1m\u{202e}\n"),
            "\\u{1b}[2J\\u{9b}1m\\u{202e}\\u{a}"
        );
    }
}
