//! Between C and Rust: what is taken in is checked, and no panic goes out.

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::Failure;
use crate::status::ringway_status;

/// Does `work`, and tells how it went.
///
/// A panic may have left what it worked on in any state that is sound: that `PANICKED` asks to free the handle is why the assertion holds.
#[inline(always)]
pub(crate) fn call(work: impl FnOnce() -> Result<(), Failure>) -> ringway_status {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => ringway_status::RINGWAY_OK,
        Ok(Err(failure)) => failure.told(),
        Err(panic) => panicked(panic),
    }
}

/// The same, for what tells nothing.
pub(crate) fn quietly(work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        panicked(panic);
    }
}

#[cold]
#[inline(never)]
fn panicked(panic: Box<dyn Any + Send>) -> ringway_status {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    // What a panic carries may panic when it is dropped.
    std::mem::forget(panic);
    let text = text.unwrap_or_else(|| "it does not say why".into());
    let text = format!("a fault of the library: {text}");
    Failure::new(ringway_status::RINGWAY_PANICKED, text).told()
}

/// The answer of a shortest way that does not lead on. Apart, and called at the end, so that nothing is made ready for it on the way that does.
#[cold]
#[inline(never)]
pub(crate) extern "C" fn not_at_once() -> ringway_status {
    call(|| Err(Failure::plain(ringway_status::RINGWAY_NOT_AT_ONCE)))
}

/// The answer to an argument that makes no sense, of what has no closure around it.
#[cold]
#[inline(never)]
#[allow(
    improper_ctypes_definitions,
    reason = "of this ABI so that nothing unwinds through its caller; C never calls it"
)]
pub(crate) extern "C" fn refused(why: &'static CStr) -> ringway_status {
    call(|| Err(Failure::argument(why.to_string_lossy())))
}

/// Frees what a handle has. Of one whose call panicked the connection ends without a goodbye, as where a panic drops it: the peer must not take what it has for the whole.
pub(crate) fn end<T>(handle: Box<T>, poisoned: bool) {
    if !poisoned {
        return drop(handle);
    }
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _handle = handle;
        resume_unwind(Box::new(()));
    }));
}

/// What is there, if it is.
#[inline(always)]
pub(crate) fn given<T>(pointer: Option<T>, name: &str) -> Result<T, Failure> {
    pointer.ok_or_else(|| null(name))
}

#[cold]
#[inline(never)]
fn null(name: &str) -> Failure {
    Failure::argument(format!("`{name}` is NULL"))
}

/// `length` bytes that the caller lends.
///
/// # Safety
/// NULL, or as many bytes are there, initialised, and nobody changes them while the slice lives.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(
    start: *const c_void,
    length: usize,
    name: &str,
) -> Result<&'a [u8], Failure> {
    check(start, length, name)?;
    // SAFETY: the caller's promise; neither NULL nor longer than an object can be, as just checked.
    Ok(unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

/// `length` bytes that the caller has written to. What is in them is not looked at before it is written.
///
/// # Safety
/// NULL, or as many bytes are there, which nobody else uses while the slice lives.
#[inline(always)]
pub(crate) unsafe fn room<'a>(
    start: *mut c_void,
    length: usize,
    name: &str,
) -> Result<&'a mut [u8], Failure> {
    check(start, length, name)?;
    // SAFETY: the caller's promise; neither NULL nor longer than an object can be, as just checked. They may never have been written, which for bytes that come from
    // another language means that they have some value.
    Ok(unsafe { std::slice::from_raw_parts_mut(start.cast(), length) })
}

#[inline(always)]
fn check(start: *const c_void, length: usize, name: &str) -> Result<(), Failure> {
    if start.is_null() {
        return Err(null(name));
    }
    if isize::try_from(length).is_err() {
        return Err(Failure::argument(format!(
            "`{name}` has {length} bytes, more than there can be"
        )));
    }
    Ok(())
}

/// A text that ends with a zero.
///
/// # Safety
/// NULL, or a text that ends so, which nobody changes while it lives here.
pub(crate) unsafe fn text<'a>(start: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if start.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(start) };
    text.to_str()
        .map_err(|_| Failure::argument(format!("`{name}` is no UTF-8")))
}

/// Copies `text` and a zero behind it into the caller's buffer, and its length to where that is wanted. Of one that does not fit nothing is copied, which
/// the status tells, and the length is that of the whole.
///
/// # Safety
/// As for [`room`].
pub(crate) unsafe fn tell(
    text: &[u8],
    buffer: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let buffer = unsafe { room(buffer.cast(), capacity, "buffer") }?;
    let length = given(length, "length")?;
    length.write(text.len());
    if text.len() >= capacity {
        let text = format!(
            "the text has {} bytes and a zero, {capacity} are there for it",
            text.len()
        );
        return Err(Failure::new(ringway_status::RINGWAY_TRUNCATED, text));
    }
    buffer[..text.len()].copy_from_slice(text);
    buffer[text.len()] = 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ringway_last_error;

    #[test]
    fn a_panic_ends_here_and_says_what_it_was() {
        let status = call(|| panic!("number {}", 7));
        assert_eq!(status, ringway_status::RINGWAY_PANICKED);
        // SAFETY: it is never NULL, and this thread makes no other call meanwhile.
        let text = unsafe { CStr::from_ptr(ringway_last_error()) };
        assert_eq!(text.to_str(), Ok("a fault of the library: number 7"));
        quietly(|| panic!("and this one too"));
    }
}
