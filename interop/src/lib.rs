//! gRPC's interoperability test cases, as a service and a client of tonic that know nothing of Ringway: what differs between a ring, a Unix socket and TCP is the listener and the connector that
//! they are given.
//!
//! The cases are those of <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>, which tonic's own package `interop` runs as well. `proto` has what they call; the code made
//! from it is committed, so that nobody needs `protoc`, and `interop/generate` makes it again.

#![allow(
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "a case that fails panics, and says what it expected"
)]

pub mod cases;
pub mod observed;
pub mod service;

/// The messages, the clients and the traits of the services.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::pedantic,
    reason = "made by a generator"
)]
pub mod pb {
    include!("generated/grpc.testing.rs");
}

/// The snippets of the page are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migration.md")]
struct Migration;

#[cfg(test)]
mod tests {
    /// FNV-1a, as in `interop/generate`.
    fn sum(texts: &[&str]) -> u64 {
        let bytes = texts.iter().flat_map(|text| text.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn the_generated_code_is_of_these_protos_and_nobody_has_changed_it() {
        let (proto, code) = (
            include_str!("../proto/test.proto"),
            include_str!("generated/grpc.testing.rs"),
        );
        let made = include_str!("generated/sum").trim();
        let advice = "run `cargo run --manifest-path interop/generate/Cargo.toml`";
        assert_eq!(format!("{:016x}", sum(&[proto, code])), made, "{advice}");
        // One that is changed is told.
        assert_ne!(
            sum(&[&proto.replace("= 7", "= 8"), code]),
            sum(&[proto, code])
        );
    }
}
