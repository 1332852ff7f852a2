//! Gives the shared library its name for the loader: programs that were linked with one `libringway.so.0` run with any other. `dlclose` leaves it where it is: what its threads still have to
//! do, and what ends with a thread of the program's, is code of the library's.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libringway.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
