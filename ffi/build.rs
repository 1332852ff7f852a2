//! Gives the shared library its name for the loader: programs that were linked with one `libringway.so.0` run with any other.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libringway.so.0");
    println!("cargo:rerun-if-changed=build.rs");
}
