//! What to say when descriptors run out.

use crate::error::{Error, ErrorKind};
use crate::sys::limit;

/// Descriptors that a connection takes while it is made, on each side.
const PER_HANDSHAKE: u64 = 9;

/// A system's answer, with what we were doing; where descriptors have run out, with how many there may be, how many more are needed, and what raises
/// the limit.
pub(crate) fn lack(doing: &str, source: std::io::Error) -> Error {
    let open = source.raw_os_error() == Some(libc::EMFILE);
    match limit::descriptors() {
        Ok((soft, hard)) if open => Error::new(ErrorKind::Resources, advice(doing, soft, hard)),
        _ => Error::io(doing, source),
    }
}

fn advice(doing: &str, soft: u64, hard: u64) -> String {
    let needed = soft + PER_HANDSHAKE;
    let lack = format!(
        "{doing}: this process may have {soft} descriptors open, and has; {needed} are needed"
    );
    if needed <= hard {
        format!(
            "{lack}: raise the soft limit, with `ulimit -n` or `Config::raise_descriptor_limit`, up to {hard}"
        )
    } else {
        format!("{lack}: raise the hard limit, which is {hard} (`ulimit -Hn`)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_limit_to_raise() {
        let text = advice("accepting a client", 1024, 20_000);
        assert!(text.contains("1024") && text.contains("1033"), "{text}");
        assert!(text.contains("soft") && text.contains("20000"), "{text}");
        let text = advice("accepting a client", 1024, 1024);
        assert!(text.contains("hard limit, which is 1024"), "{text}");
    }

    #[test]
    fn another_error_is_told_as_it_is() {
        let error = lack("x", std::io::Error::from_raw_os_error(libc::ENOMEM));
        assert!(error.to_string().contains("not enough memory"), "{error}");
    }
}
