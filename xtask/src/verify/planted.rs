//! Faults that are planted in the library, which its tests must find: a check that cannot fail is worthless.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::binaries;
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
    },
    Fault {
        name: "unheeded_errno",
        package: "ringway",
        test: ["failing", "each_call_of_a_client_fails"],
        says: "the segment is sparse",
    },
    Fault {
        name: "everybody_is_us",
        package: "ringway",
        test: ["hidden", "who_has_no_uid_here_is_not_taken_for_ourselves"],
        says: "was taken for ourselves",
    },
    Fault {
        name: "unasked_limit",
        package: "ringway",
        test: ["memory", "a_limit_on_files_refuses_rings_and_kills_nobody"],
        says: "no client connected before the deadline",
    },
    Fault {
        name: "late_commit",
        package: "ringway",
        test: ["killed", "killed_at_every_label_first_share"],
        says: "frames arrived where",
    },
    Fault {
        name: "kept_descriptor",
        package: "ringway",
        test: ["crash", "killed_peers_lose_nothing_first_share"],
        says: "shared mappings leak",
    },
    Fault {
        name: "untaken_frame",
        package: "ringway",
        test: ["resume", "kills::frames_one_by_one"],
        says: "handled again, and not said",
    },
    Fault {
        name: "left_task",
        package: "ringway",
        test: ["tokio", "no_way_to_receive_loses_a_frame"],
        says: "a task was left behind",
    },
    Fault {
        name: "shared_watch",
        package: "ringway",
        test: [
            "tokio",
            "forked::a_child_that_drops_everything_takes_no_wake_from_its_parent",
        ],
        says: "nothing woke it",
    },
    Fault {
        name: "stopped_is_dead",
        package: "ringway",
        test: ["tokio", "ends::a_client_that_is_stopped_ends_no_wait"],
        says: "PeerDied",
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
    },
    Fault {
        name: "untaken_ring",
        package: "ringway",
        test: [
            "bell",
            "ways::a_ring_that_io_uring_does_not_take_goes_by_the_byte",
        ],
        says: "its wake is lost",
    },
    Fault {
        name: "twice_taken",
        package: "ringway",
        test: [
            "soak",
            "mixed_patterns_leave_nothing_behind_and_lose_nothing",
        ],
        says: "not what was sent",
    },
    Fault {
        name: "kept_mapping",
        package: "ringway",
        test: [
            "soak",
            "mixed_patterns_leave_nothing_behind_and_lose_nothing",
        ],
        says: "left something behind",
    },
    Fault {
        name: "kept_memory",
        package: "ringway",
        test: [
            "soak",
            "mixed_patterns_leave_nothing_behind_and_lose_nothing",
        ],
        says: "left something behind: bytes of the heap",
    },
    Fault {
        name: "hidden_refusal",
        package: "ringway-interop",
        test: [
            "services",
            "a_stranger_is_refused_and_does_not_come_in_by_the_next_target",
        ],
        says: "Tcp(",
    },
    Fault {
        name: "ended_by_lack",
        package: "ringway-interop",
        test: [
            "services",
            "a_server_without_descriptors_goes_on_when_it_has_some_again",
        ],
        says: "no connection to any target",
    },
];

/// One build has all of them: each is in the way of its own test alone, or is there only in who asks for it (`RINGWAY_PLANTED`). Of dependencies there is no build of its own.
pub(super) fn planted(job: &mut Job) -> Result<String, Stop> {
    job.note("# Faults are planted here: the failures that follow are wanted.");
    let mut cargo = job.cargo("test");
    // Of the workspace, as all tests are: then what they depend on is built for both at once.
    cargo.args(["--workspace", "--features", "ringway/chaos"]);
    for fault in FAULTS {
        cargo.args(["--test", fault.test[0]]);
    }
    let names = FAULTS.iter().map(|fault| fault.name);
    cargo.env("RUSTC_WORKSPACE_WRAPPER", compiler("rustc", names)?);
    let binaries = binaries::build(job, cargo)?;
    let mut tasks = Vec::new();
    for fault in FAULTS {
        let [target, test] = fault.test;
        let mut built = binaries.iter();
        let found = built.find(|binary| binary.is(fault.package, target));
        let found = found.ok_or_else(|| Stop::failed(format!("{target} was not built")))?;
        let mut task = found.task(seconds(300));
        fault.name.clone_into(&mut task.name);
        task.command.args([test, "--nocapture"]);
        // Those that others would meet too are there for who asks.
        task.command.env("RINGWAY_PLANTED", fault.name);
        task.command.env("RINGWAY_SOAK_SECONDS", "5");
        // One kill is enough for what each leaves behind.
        task.command.env("RINGWAY_KILLS", "200");
        tasks.push(task);
    }
    let mut skipped = Vec::new();
    for (fault, ran) in FAULTS.iter().zip(job.several(tasks, 4)) {
        let status = ran.status?;
        if SKIPPED.iter().any(|text| ran.printed.contains(text)) {
            skipped.push(fault.name);
            continue;
        }
        // By a signal a process says nothing itself.
        let said = format!("{}{status}", ran.printed);
        if status.success() || !said.contains(fault.says) {
            return Err(Stop::failed(format!(
                "the fault `{}` was planted, and `{}` did not find it",
                fault.name, fault.test[1]
            )));
        }
    }
    let found = FAULTS.len() - skipped.len();
    match skipped[..] {
        [] => Ok(format!("{found} faults found")),
        _ if found == 0 => Err(Stop::failed("no fault could be looked for here")),
        _ => Ok(format!(
            "{found} faults found; not here: {}",
            skipped.join(", ")
        )),
    }
}

/// What a test says that cannot run here.
const SKIPPED: [&str; 3] = [
    "this sandbox forbids ptrace",
    "SKIPPED: no namespaces",
    "SKIPPED: only root",
];

/// A compiler for the packages of this workspace alone, which plants these faults, in a file of that name. Flags in the environment would be everybody's, and all dependencies would be built again for them.
pub(super) fn compiler<'a>(
    file: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<PathBuf, Stop> {
    let flags = names.map(|name| format!(" --cfg 'ringway_planted=\"{name}\"'"));
    let script = format!("#!/bin/sh\nexec \"$@\"{}\n", flags.collect::<String>());
    let path = place::target().join(format!("verify/planted-{file}"));
    let written = fs::write(&path, script)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
    written.map_err(|error| Stop::failed(format!("{}: {error}", path.display())))?;
    Ok(path)
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
            "src/ring/consumer.rs",
            "src/sys/map.rs",
            "src/connection/book.rs",
            "src/ring/consumer/account.rs",
            "src/connection/sender/room.rs",
            "src/sys/memfd.rs",
            "src/sys/uring.rs",
            "src/sys/credentials.rs",
            "src/planted.rs",
            "src/tokio/any/connect.rs",
            "src/tonic/incoming.rs",
            "src/tokio/ours.rs",
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
            let name = test.rsplit("::").next().unwrap_or(test);
            assert!(texts.any(|text| text.contains(name)), "{test}");
        }
    }
}
