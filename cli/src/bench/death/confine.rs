//! What the sandboxes of most containers do: `io_uring` is refused, by a seccomp filter.

use std::io;

use nix::libc;

/// From here on this thread and those that it starts may have no `io_uring`.
pub(super) fn forbid_io_uring() -> io::Result<()> {
    let step = |code: u32, unlike: u8, operand: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: unlike,
        k: operand,
    };
    let number = u32::try_from(libc::SYS_io_uring_setup).map_err(io::Error::other)?;
    let refusal = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut filter = [
        // The number of the call is the first word that a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number),
        step(libc::BPF_RET | libc::BPF_K, 0, refusal),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: no memory is passed.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: `program` and the filter that it points to are valid for reads, and copied by the kernel.
    check(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    })
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
