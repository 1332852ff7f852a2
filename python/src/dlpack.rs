//! A view as a tensor, by DLPack 1.0: bytes, in one dimension, read only.
//!
//! <https://dmlc.github.io/dlpack/latest/c_api.html> has the layout of the structures below, and
//! <https://dmlc.github.io/dlpack/latest/python_spec.html> what a capsule promises.

use std::ffi::{CStr, c_void};

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::view::View;

/// The processor's memory.
pub(crate) const DEVICE: (i32, i32) = (1, 0);

const NAME: &CStr = c"dltensor_versioned";
const READ_ONLY: u64 = 1;
const UNSIGNED: u8 = 1;

#[repr(C)]
struct Version {
    major: u32,
    minor: u32,
}

#[repr(C)]
struct Device {
    kind: i32,
    number: i32,
}

#[repr(C)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device: Device,
    dimensions: i32,
    data_type: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    version: Version,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
    flags: u64,
    tensor: Tensor,
    /// Behind what the standard lays down: one number each.
    shape: i64,
    stride: i64,
}

const _: () = {
    assert!(size_of::<Tensor>() == 48);
    assert!(std::mem::offset_of!(Managed, tensor) == 32);
};

/// The capsule of a view, which pins it until the consumer is done.
pub(crate) fn capsule<'py>(
    view: &Bound<'py, View>,
    max_version: Option<(u32, u32)>,
    device: Option<(i32, i32)>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let refuse = |text: &str| Err(PyBufferError::new_err(text.to_owned()));
    if max_version.is_none_or(|(major, _)| major < 1) {
        return refuse(
            "a received frame cannot be written to, which only DLPack 1.0 and newer can say: use a newer consumer (NumPy 2.1), or copy the frame",
        );
    }
    if device.is_some_and(|device| device != DEVICE) {
        return refuse("a received frame is in the processor's memory");
    }
    if copy == Some(true) {
        return refuse("a received frame is not copied here: copy what `from_dlpack` returns");
    }
    let (py, lease) = (view.py(), view.get().lease());
    lease.export(py)?;
    let shape = i64::try_from(lease.len())?;
    let managed = Box::into_raw(Box::new(Managed {
        version: Version { major: 1, minor: 0 },
        context: view.clone().into_ptr().cast(),
        deleter: Some(delete),
        flags: READ_ONLY,
        tensor: Tensor {
            data: std::ptr::with_exposed_provenance_mut(lease.address()),
            device: Device {
                kind: DEVICE.0,
                number: DEVICE.1,
            },
            dimensions: 1,
            data_type: DataType {
                code: UNSIGNED,
                bits: 8,
                lanes: 1,
            },
            shape: std::ptr::null_mut(),
            strides: std::ptr::null_mut(),
            byte_offset: 0,
        },
        shape,
        stride: 1,
    }));
    // SAFETY: it was made above, and nobody else has it yet; its address is its own until the deleter frees it. The capsule gets it, or it is deleted here.
    unsafe {
        (*managed).tensor.shape = &raw mut (*managed).shape;
        (*managed).tensor.strides = &raw mut (*managed).stride;
        let made = ffi::PyCapsule_New(managed.cast(), NAME.as_ptr(), Some(unused));
        if made.is_null() {
            delete(managed);
        }
        Bound::from_owned_ptr_or_err(py, made)
    }
}

/// The consumer is done. It may call this from any thread.
///
/// # Safety
/// `managed` is what [`capsule`] made, and this is called once.
unsafe extern "C" fn delete(managed: *mut Managed) {
    // SAFETY: the consumer calls it once, with what `capsule` made.
    let managed = unsafe { Box::from_raw(managed) };
    let _ = Python::try_attach(|py| {
        // SAFETY: the context is the reference that `capsule` gave away, to a view.
        let view = unsafe { Bound::from_owned_ptr(py, managed.context.cast()) };
        if let Ok(view) = view.cast::<View>() {
            view.get().unexport(py);
        }
    });
}

/// The capsule ends. Where a consumer has taken the tensor it has renamed the capsule, and deletes the tensor by itself.
///
/// # Safety
/// The interpreter calls it, attached, with a capsule that [`capsule`] made.
unsafe extern "C" fn unused(capsule: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls it with the capsule that `capsule` made, attached.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, NAME.as_ptr()) != 0 {
            let managed = ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr());
            delete(managed.cast());
        }
    }
}
