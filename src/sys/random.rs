//! Random bytes from the kernel.

use std::io;

use super::last_error;

/// Sixteen bytes that nobody can guess.
pub(crate) fn token() -> io::Result<[u8; 16]> {
    let mut token = [0; 16];
    loop {
        // SAFETY: `token` is valid for writes of its length.
        let got = unsafe { libc::getrandom(token.as_mut_ptr().cast(), token.len(), 0) };
        // So few come at once, or not at all.
        if usize::try_from(got) == Ok(token.len()) {
            return Ok(token);
        }
        let error = last_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_alike() {
        assert_ne!(super::token().unwrap(), super::token().unwrap());
    }
}
