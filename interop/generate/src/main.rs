//! Makes `../src/generated` from `../proto`: `cargo run --manifest-path interop/generate/Cargo.toml`. With `--check` it writes nothing, and fails where what is there differs.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let committed = interop.join("src/generated");
    let checks = env::args().any(|word| word == "--check");
    let made = if checks {
        env::temp_dir().join(format!("ringway-generate-{}", std::process::id()))
    } else {
        committed.clone()
    };
    fs::create_dir_all(&made)?;
    let proto = interop.join("proto");
    let set = protox::compile([proto.join("test.proto")], [&proto])?;
    tonic_prost_build::configure()
        .out_dir(&made)
        .compile_fds(set)?;
    let name = "grpc.testing.rs";
    let code = fs::read_to_string(made.join(name))?;
    if !checks {
        // The tests of the package compare it: they build in seconds, and this takes minutes.
        let sum = sum(&[&fs::read_to_string(proto.join("test.proto"))?, &code]);
        fs::write(committed.join("sum"), format!("{sum:016x}\n"))?;
        return Ok(());
    }
    let there = fs::read_to_string(committed.join(name))?;
    fs::remove_dir_all(&made)?;
    if code == there {
        println!("{name} is what the protos say");
        return Ok(());
    }
    Err("the generated code is not what the protos say: run this without --check".into())
}

/// FNV-1a, as in `interop/src/lib.rs`.
fn sum(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
