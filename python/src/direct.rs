//! `send` and `recv` by the interpreter's own calling convention.
//!
//! A method as `PyO3` makes it reads its arguments by name, counts how often this thread has attached, and turns panics into exceptions: as much again as the message itself costs.
//! These functions know the one form of a call that programs make a million times, `send(buffer)` and `recv()`. With any other arguments a call is left to the method that `PyO3`
//! made.

use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyClass, PyTypeInfo};

use crate::connection::Connection;
use crate::receiver::Receiver;
use crate::sender::Sender;

/// The methods that `PyO3` made, in the order of [`Call::INDEX`].
static METHODS: [PyOnceLock<Py<PyAny>>; 4] = [const { PyOnceLock::new() }; 4];

/// A method that is called directly.
trait Call {
    const INDEX: usize;
    const NAME: &'static str;
    type Class: PyClass<Frozen = True> + Sync;

    /// Does it; `None`: these are other arguments, and nothing was done.
    fn perform(
        py: Python<'_>,
        this: &Self::Class,
        arguments: &[*mut ffi::PyObject],
    ) -> Option<PyResult<*mut ffi::PyObject>>;
}

struct Send;
struct SendOn;
struct Recv;
struct RecvFrom;

impl Call for Send {
    const INDEX: usize = 0;
    const NAME: &'static str = "send";
    type Class = Sender;

    #[inline]
    fn perform(
        py: Python<'_>,
        this: &Sender,
        arguments: &[*mut ffi::PyObject],
    ) -> Option<PyResult<*mut ffi::PyObject>> {
        let &[payload] = arguments else {
            return None;
        };
        // SAFETY: the caller's arguments are alive until the call returns.
        let payload = unsafe { Borrowed::from_ptr(py, payload) };
        let sent = this.send(py, &payload, None, 0);
        Some(sent.map(|()| py.None().into_ptr()))
    }
}

impl Call for SendOn {
    const INDEX: usize = 1;
    const NAME: &'static str = "send";
    type Class = Connection;

    #[inline]
    fn perform(
        py: Python<'_>,
        this: &Connection,
        arguments: &[*mut ffi::PyObject],
    ) -> Option<PyResult<*mut ffi::PyObject>> {
        Send::perform(py, this.sender.get(), arguments)
    }
}

impl Call for Recv {
    const INDEX: usize = 2;
    const NAME: &'static str = "recv";
    type Class = Receiver;

    #[inline]
    fn perform(
        py: Python<'_>,
        this: &Receiver,
        arguments: &[*mut ffi::PyObject],
    ) -> Option<PyResult<*mut ffi::PyObject>> {
        let none = arguments.is_empty();
        none.then(|| this.recv(py, None).map(Bound::into_ptr))
    }
}

impl Call for RecvFrom {
    const INDEX: usize = 3;
    const NAME: &'static str = "recv";
    type Class = Connection;

    #[inline]
    fn perform(
        py: Python<'_>,
        this: &Connection,
        arguments: &[*mut ffi::PyObject],
    ) -> Option<PyResult<*mut ffi::PyObject>> {
        Recv::perform(py, this.receiver.get(), arguments)
    }
}

/// Does that on this thread, which `PyO3` does not know to be attached.
///
/// Where it needs to be it looks, and while the interpreter ends it finds none that it could attach to, and panics: destructors, and generators that are closed then, call too.
///
/// # Safety
/// This thread is attached.
#[inline]
unsafe fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> R {
    // SAFETY: it may be asked at any time.
    if unsafe { ffi::Py_IsInitialized() } != 0 {
        // SAFETY: the caller promises it.
        return work(unsafe { Python::assume_attached() });
    }
    // SAFETY: code of Python's runs, in this thread.
    unsafe { Python::attach_unchecked(work) }
}

/// What the interpreter calls.
///
/// # Safety
/// As the interpreter does, of a method of `C::Class` with `METH_FASTCALL | METH_KEYWORDS`: attached, with an instance of the class, `count` arguments and then one for each of `names`.
unsafe extern "C" fn call<C: Call>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if names.is_null() {
        let count = count.unsigned_abs();
        let given = match count {
            0 => &[],
            // SAFETY: the caller promises so many.
            _ => unsafe { std::slice::from_raw_parts(arguments, count) },
        };
        let perform = |py: Python<'_>| {
            // SAFETY: the caller promises that it is an instance of the class; a method descriptor looks at that before it calls.
            let class = unsafe { Borrowed::from_ptr(py, this).cast_unchecked::<C::Class>() };
            match catch_unwind(AssertUnwindSafe(|| C::perform(py, class.get(), given))) {
                Ok(Some(Ok(done))) => Some(done),
                Ok(Some(Err(error))) => {
                    error.restore(py);
                    Some(std::ptr::null_mut())
                }
                Ok(None) => None,
                Err(_) => Some(panicked()),
            }
        };
        // SAFETY: the caller promises that this thread is attached.
        if let Some(done) = unsafe { attached(perform) } {
            return done;
        }
    }
    // SAFETY: the caller's promises.
    unsafe { leave::<C>(this, arguments, count, names) }
}

/// Calls the method that `PyO3` made.
///
/// # Safety
/// That of [`call`].
#[cold]
unsafe fn leave<C: Call>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let call = |py: Python<'_>| {
        let object = |place: *mut ffi::PyObject| {
            // SAFETY: the caller's arguments are alive until the call returns.
            unsafe { Bound::from_borrowed_ptr(py, place) }
        };
        // SAFETY: there are `count` arguments, and then one for each name.
        let argument = |index: usize| object(unsafe { *arguments.add(index) });
        let answer = || -> PyResult<Bound<'_, PyAny>> {
            let count = count.unsigned_abs();
            let places = std::iter::once(object(this)).chain((0..count).map(argument));
            let given = PyTuple::new(py, places.collect::<Vec<_>>())?;
            let named = PyDict::new(py);
            if !names.is_null() {
                let names = object(names).cast_into::<PyTuple>()?;
                for (index, name) in names.iter().enumerate() {
                    named.set_item(name, argument(count + index))?;
                }
            }
            let method = METHODS[C::INDEX].get(py);
            let method = method.expect("kept before the method could be called");
            method.bind(py).call(given, Some(&named))
        };
        // A panic that the method has told as an exception goes on where it is taken for an error.
        match catch_unwind(AssertUnwindSafe(answer)) {
            Ok(Ok(answer)) => answer.into_ptr(),
            Ok(Err(error)) => {
                error.restore(py);
                std::ptr::null_mut()
            }
            Err(_) => panicked(),
        }
    };
    // SAFETY: the caller promises that this thread is attached. `PyO3` counts attachments, and here it was not asked before.
    unsafe { Python::attach_unchecked(call) }
}

/// A function of the module that is called directly: with a half, and so many arguments behind it, without names.
pub(crate) trait Function {
    const NAME: &'static CStr;
    type Half: PyClass<Frozen = True> + Sync;
    const MORE: usize;

    /// Does it, with so many more arguments.
    fn perform<'py>(
        py: Python<'py>,
        half: &Self::Half,
        more: &[Borrowed<'_, 'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>>;
}

/// What the interpreter calls.
///
/// # Safety
/// As the interpreter does, of a function with `METH_FASTCALL`: attached, with `count` arguments.
unsafe extern "C" fn call_function<F: Function>(
    _: *mut ffi::PyObject,
    arguments: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    let perform = |py: Python<'_>| {
        let count = count.unsigned_abs();
        if count != 1 + F::MORE {
            let text = format!("{:?} takes {} arguments", F::NAME, 1 + F::MORE);
            PyTypeError::new_err(text).restore(py);
            return std::ptr::null_mut();
        }
        // SAFETY: so many arguments, at least one, which are alive until the call returns; a borrowed reference is nothing but the pointer.
        let given: &[Borrowed<'_, '_, PyAny>] =
            unsafe { std::slice::from_raw_parts(arguments.cast(), count) };
        let perform = || F::perform(py, given[0].cast::<F::Half>()?.get(), &given[1..]);
        match catch_unwind(AssertUnwindSafe(perform)) {
            Ok(Ok(done)) => done.into_ptr(),
            Ok(Err(error)) => {
                error.restore(py);
                std::ptr::null_mut()
            }
            Err(_) => panicked(),
        }
    };
    // SAFETY: the caller promises that this thread is attached.
    unsafe { attached(perform) }
}

/// Says so.
#[cold]
fn panicked() -> *mut ffi::PyObject {
    let text = c"Ringway has panicked: this is a fault in it";
    // SAFETY: attached, as the callers are, and both are what it takes.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_RuntimeError, text.as_ptr()) };
    std::ptr::null_mut()
}

/// Makes the object of such a function, in that module.
pub(crate) fn function<'py, F: Function>(
    module: &Bound<'py, PyModule>,
) -> PyResult<Bound<'py, PyAny>> {
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: F::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFast: call_function::<F>,
        },
        ml_flags: ffi::METH_FASTCALL,
        ml_doc: std::ptr::null(),
    }));
    let name = module.name()?;
    // SAFETY: a definition that stays, and two objects; the answer is a new object, or null with an error.
    unsafe {
        let made = ffi::PyCFunction_NewEx(definition, module.as_ptr(), name.as_ptr());
        Bound::from_owned_ptr_or_err(module.py(), made)
    }
}

/// Puts the direct call in the place of the method, which it keeps.
fn install<C: Call>(py: Python<'_>) -> PyResult<()> {
    let class: Bound<'_, PyType> = C::Class::type_object(py);
    let method = class.getattr(C::NAME)?;
    let signature: String = method.getattr("__text_signature__")?.extract()?;
    let doc: Option<String> = method.getattr("__doc__")?.extract()?;
    let doc = format!("{}{signature}\n--\n\n{}", C::NAME, doc.unwrap_or_default());
    // The interpreter refers to the definition for as long as it runs.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: CString::new(C::NAME)?.into_raw(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: call::<C>,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: CString::new(doc)?.into_raw(),
    }));
    // SAFETY: a class, and a definition that stays; the answer is a new object, or null with an error.
    let direct = unsafe {
        let made = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
        Bound::from_owned_ptr_or_err(py, made)?
    };
    // In a module that is imported again the class is another one, and the first method does for it too: both look at nothing but their arguments.
    let _ = METHODS[C::INDEX].set(py, method.unbind());
    class.setattr(C::NAME, direct)
}

/// Puts all of them in their places.
pub(crate) fn install_all(py: Python<'_>) -> PyResult<()> {
    install::<Send>(py)?;
    install::<SendOn>(py)?;
    install::<Recv>(py)?;
    install::<RecvFrom>(py)
}
