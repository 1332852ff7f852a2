//! System calls that a sandbox refuses: a seccomp filter.

/// From here on a system call fails with `errno` in this thread, its threads and its children.
#[allow(dead_code, reason = "not every test binary needs both")]
pub(crate) fn forbid(call: libc::c_long, errno: i32) {
    refuse(call, None, errno);
}

/// The same of calls whose argument number `index` has these 32 low bits.
#[allow(dead_code, reason = "not every test binary needs both")]
pub(crate) fn forbid_with(call: libc::c_long, index: u32, value: u32, errno: i32) {
    refuse(call, Some((index, value)), errno);
}

fn refuse(call: libc::c_long, argument: Option<(u32, u32)>, errno: i32) {
    let step = |code: u32, jump_false: u8, operand: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: jump_false,
        k: operand,
    };
    let number = u32::try_from(call).unwrap();
    let refusal = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
    let load = |offset: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset);
    let equals = |jump_false: u8, value: u32| {
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            jump_false,
            value,
        )
    };
    let answer = |answer: u32| step(libc::BPF_RET | libc::BPF_K, 0, answer);
    // The number of the call is the first word that a filter sees; its arguments, of eight bytes each, begin at the fifth.
    let mut filter = match argument {
        None => vec![load(0), equals(1, number)],
        Some((index, value)) => {
            let low = if cfg!(target_endian = "little") { 0 } else { 4 };
            vec![
                load(0),
                equals(3, number),
                load(16 + 8 * index + low),
                equals(1, value),
            ]
        }
    };
    filter.extend([answer(refusal), answer(libc::SECCOMP_RET_ALLOW)]);
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap(),
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: no memory is passed.
    let quiet = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(quiet, 0);
    // SAFETY: `program` and the filter that it points to are valid for reads, and copied by the kernel.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(set, 0, "seccomp: {}", std::io::Error::last_os_error());
}
