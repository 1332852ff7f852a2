//! A host with swap, as this thread sees it: the host itself may have none, and nobody gives it any for a test.

use std::ffi::CString;
use std::fs;
use std::io;

/// Has this thread read of 8 GiB of free swap. Whoever it starts reads the same.
pub(crate) fn shown() -> io::Result<()> {
    let real = fs::read_to_string("/proc/meminfo")?;
    let others = real.split_inclusive('\n');
    let mut told: String = others.filter(|line| !line.starts_with("Swap")).collect();
    told.push_str("SwapTotal:        8388608 kB\nSwapFree:         8388608 kB\n");
    let file = super::path(&format!("swap-{:?}", std::thread::current().id()));
    fs::write(&file, told)?;
    let shown = lay_over(&file);
    fs::remove_file(&file)?;
    shown
}

fn lay_over(file: &std::path::Path) -> io::Result<()> {
    let done = |result: libc::c_int| {
        let failed = || Err(io::Error::last_os_error());
        if result == 0 { Ok(()) } else { failed() }
    };
    let file = CString::new(file.to_str().unwrap()).unwrap();
    let (none, target) = (std::ptr::null(), c"/proc/meminfo".as_ptr());
    // SAFETY: no memory is passed but strings that live during the calls.
    unsafe {
        done(libc::unshare(libc::CLONE_NEWNS))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        done(libc::mount(none, c"/".as_ptr(), none, private, none.cast()))?;
        done(libc::mount(
            file.as_ptr(),
            target,
            none,
            libc::MS_BIND,
            none.cast(),
        ))
    }
}
