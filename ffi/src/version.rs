//! Which ABI this library has.

/// The number of the ABI that this header describes. It grows when something is added; what is there keeps its meaning.
pub const RINGWAY_ABI_VERSION: u32 = 1;

/// The number of the ABI that the library has which the program runs with. At least `RINGWAY_ABI_VERSION` of the header that the program was compiled with, or calls of newer functions do not
/// even link. May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_abi_version() -> u32 {
    RINGWAY_ABI_VERSION
}
