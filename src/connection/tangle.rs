//! Bells that a peer has tangled.
//!
//! A half's bell is watched by an `epoll` instance, which somebody's loop may watch in turn. The kernel lets no descriptor have more than 500 ways to an instance over another one, and
//! a bell is the peer's too, who can take them all. What is watched by then stays so; what fails is to have such a half watched from outside, which is to be nobody's affair but that peer's.

use crate::error::Error;

/// Whether it was on account of its peer that a connection could not be watched.
pub(crate) fn is_by_peer(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    source.and_then(std::io::Error::raw_os_error) == Some(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_we_lack_is_not_the_peer_s_doing() {
        let answered = |number| Error::io("watching", io::Error::from_raw_os_error(number));
        assert!(is_by_peer(&answered(libc::EINVAL)));
        for lack in [libc::EMFILE, libc::ENOMEM, libc::ENOSPC, libc::EPERM] {
            assert!(!is_by_peer(&answered(lack)), "{lack}");
        }
        assert!(!is_by_peer(&Error::new(
            ErrorKind::Io,
            "anything".to_owned()
        )));
    }
}
