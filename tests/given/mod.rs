//! Paths that a test was given: what lies there is removed when its thread ends, since whoever was killed leaves its socket.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Default)]
struct Given(Vec<PathBuf>);

impl Drop for Given {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

thread_local! {
    static GIVEN: RefCell<Given> = RefCell::default();
}

/// A path of its own, which begins with `prefix`.
pub(crate) fn path(prefix: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("{prefix}-{}-{number}", std::process::id()));
    GIVEN.with_borrow_mut(|given| given.0.push(path.clone()));
    path
}
