//! What the fuzz targets share.

use std::sync::OnceLock;

/// Whether the target's check is to be left out, to see that it is found: with `RINGWAY_PLANTED` in the environment.
pub fn is_planted() -> bool {
    static PLANTED: OnceLock<bool> = OnceLock::new();
    *PLANTED.get_or_init(|| std::env::var_os("RINGWAY_PLANTED").is_some())
}
