//! Random bytes from the kernel.

use std::io;

use super::{again, check_length};

/// Sixteen bytes that nobody can guess.
pub(crate) fn token() -> io::Result<[u8; 16]> {
    let mut token = [0; 16];
    let got = again(|| {
        // SAFETY: `token` is valid for writes of its length.
        check_length(unsafe { libc::getrandom(token.as_mut_ptr().cast(), token.len(), 0) })
    })?;
    // So few come at once, or not at all.
    if got == token.len() {
        Ok(token)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_alike() {
        assert_ne!(super::token().unwrap(), super::token().unwrap());
    }
}
