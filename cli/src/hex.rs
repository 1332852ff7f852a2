//! Bytes as hexadecimal digits, and back.

use std::fmt::Write;

/// Two digits a byte, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of so many pairs of digits. `None`: they are none.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect()
}

fn digit(letter: u8) -> Option<u8> {
    let value = char::from(letter).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_digits_are_bytes() {
        for digits in ["0", "0g", "+1", "é"] {
            assert_eq!(unhex(digits), None, "{digits}");
        }
        assert_eq!(unhex("00fF"), Some(vec![0, 255]));
        assert_eq!(hex(&[0, 255]), "00ff");
    }
}
