//! Faults that are planted in the library, which its tests must find: a check that cannot fail is worthless.

use super::job::{Job, Stop, seconds};
use crate::place;

/// A fault, by its name in the sources (`cfg(ringway_planted = "...")`), and what finds it.
struct Fault {
    name: &'static str,
    /// The package that the test is in.
    package: &'static str,
    /// The test target, and the test in it.
    test: [&'static str; 2],
    /// What it says.
    says: &'static str,
    /// The features that it takes, for cargo.
    features: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "early_header",
        package: "ringway",
        test: [
            "steps",
            "a_survivor_of_any_instruction_finds_all_or_nothing",
        ],
        says: "neither nothing nor all",
        features: "",
    },
    Fault {
        name: "unheeded_errno",
        package: "ringway",
        test: ["failing", "each_call_of_a_client_fails"],
        says: "the segment is sparse",
        features: "",
    },
    Fault {
        name: "everybody_is_us",
        package: "ringway",
        test: ["hidden", "who_has_no_uid_here_is_not_taken_for_ourselves"],
        says: "was taken for ourselves",
        features: "",
    },
    Fault {
        name: "unasked_limit",
        package: "ringway",
        test: ["memory", "a_limit_on_files_refuses_rings_and_kills_nobody"],
        says: "no client connected before the deadline",
        features: "",
    },
    Fault {
        name: "late_commit",
        package: "ringway",
        test: ["killed", "killed_at_every_label_second_share"],
        says: "frames arrived where",
        features: "chaos",
    },
    Fault {
        name: "left_task",
        package: "ringway",
        test: ["tokio", "no_way_to_receive_loses_a_frame"],
        says: "a task was left behind",
        features: "",
    },
    Fault {
        name: "far_frame",
        package: "ringway",
        test: [
            "hostile",
            "whatever_a_client_writes_while_it_is_read_ends_in_a_named_rule",
        ],
        // By the guard behind the ring.
        says: "SIGSEGV",
        features: "",
    },
    Fault {
        name: "hidden_refusal",
        package: "ringway-interop",
        test: [
            "services",
            "a_stranger_is_refused_and_does_not_come_in_by_the_next_target",
        ],
        says: "Tcp(",
        features: "",
    },
    Fault {
        name: "ended_by_lack",
        package: "ringway-interop",
        test: [
            "services",
            "a_server_without_descriptors_goes_on_when_it_has_some_again",
        ],
        says: "no connection to any target",
        features: "",
    },
];

/// One build has all of them: each is in the way of its own test alone.
pub(super) fn planted(job: &mut Job) -> Result<(), Stop> {
    let flags: Vec<String> = FAULTS
        .iter()
        .map(|fault| format!("--cfg ringway_planted=\"{}\"", fault.name))
        .collect();
    job.note("# Faults are planted here: the failures that follow are wanted.");
    for fault in FAULTS {
        let [target, test] = fault.test;
        let mut cargo = job.cargo("test");
        cargo.args(["--package", fault.package, "--features", fault.features]);
        cargo.args(["--test", target, "--", test, "--nocapture"]);
        cargo
            .env("RUSTFLAGS", flags.join(" "))
            .env("CARGO_TARGET_DIR", place::target().join("planted"));
        let (printed, status) = job.try_run(&mut cargo, seconds(900))?;
        if printed.contains("this sandbox forbids ptrace") {
            return Ok(());
        }
        let is_skipped = ["SKIPPED: no namespaces", "SKIPPED: only root"];
        if is_skipped.iter().any(|why| printed.contains(why)) {
            continue;
        }
        if status.success() || !printed.contains(fault.says) {
            return Err(Stop::failed(format!(
                "the fault `{}` was planted, and `{test}` did not find it",
                fault.name
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FAULTS;

    #[test]
    fn every_fault_is_in_the_sources_and_its_test_is_there() {
        let read = |path: String| {
            let path = crate::place::root().join(path);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let sources = [
            "src/ring/producer.rs",
            "src/sys/memfd.rs",
            "src/sys/credentials.rs",
            "src/planted.rs",
            "src/tokio/any/connect.rs",
            "src/tonic/incoming.rs",
            "src/tokio/vigil.rs",
        ];
        let sources: String = sources.map(|path| read(path.into())).concat();
        for fault in FAULTS {
            let planted = format!("cfg(ringway_planted = \"{}\")", fault.name);
            assert!(sources.contains(&planted), "{planted}");
            let [target, test] = fault.test;
            let within = if fault.package == "ringway" {
                "tests"
            } else {
                "interop/tests"
            };
            let folder = crate::place::root().join(within).join(target);
            let files = std::fs::read_dir(folder).unwrap().flatten();
            let files = files.filter(|file| file.path().is_file());
            let mut texts = files.map(|file| std::fs::read_to_string(file.path()).unwrap());
            assert!(texts.any(|text| text.contains(test)), "{test}");
        }
    }
}
