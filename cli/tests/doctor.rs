//! `ringway doctor` on this host, and where its directory is unfit.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use support::{Place, Running};

fn examine(place: &Place, arguments: &[&str]) -> (i32, String) {
    let mut doctor = Running::start(place.command("doctor", arguments).stdout(Stdio::piped()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut doctor.child.stdout.take().unwrap(), &mut text).unwrap();
    (doctor.code(), text)
}

#[test]
fn a_fit_host_passes_and_nothing_stays_behind() {
    let place = Place::new();
    let (code, text) = examine(&place, &["doctor"]);
    assert_eq!(code, 0, "{text}");
    for check in [
        "kernel",
        "sealed memory",
        "pidfd",
        "io_uring bell",
        "AIO bell",
        "processors",
        "directory",
        "connection",
    ] {
        assert!(text.contains(check), "{check} is not in:\n{text}");
    }
    assert_eq!(place.sockets(), 0);
}

#[test]
fn each_line_of_json_is_an_object() {
    let place = Place::new();
    let (code, text) = examine(&place, &["doctor", "--json"]);
    assert_eq!(code, 0, "{text}");
    for line in text.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            finding["check"].is_string() && finding["mend"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn a_directory_that_others_can_enter_is_missing_and_says_how_to_mend_it() {
    let place = Place::new();
    let open = place.file("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = place.command("doctor", &["doctor"]);
    let mut doctor = Running::start(command.env("RINGWAY_DIR", &open).stdout(Stdio::piped()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut doctor.child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(doctor.code(), 1, "{text}");
    assert!(text.contains("MISSING") && text.contains("0700"), "{text}");
}

#[test]
fn a_given_directory_that_is_not_there_is_to_be_created() {
    let place = Place::new();
    let given = place.file("above/names");
    let mut command = place.command("doctor", &["doctor"]);
    let mut doctor = Running::start(command.env("RINGWAY_DIR", &given).stdout(Stdio::piped()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut doctor.child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(doctor.code(), 1, "{text}");
    let mend = format!("mkdir -p -m 700 {}", given.display());
    assert!(
        text.contains("does not exist") && text.contains(&mend),
        "{text}"
    );
    assert!(!text.contains("set RINGWAY_DIR"), "it is set: {text}");
}

#[test]
fn a_directory_that_all_use_is_left_as_it_is() {
    let place = Place::new();
    let open = place.file("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let mut command = place.command("doctor", &["doctor"]);
    let mut doctor = Running::start(command.env("RINGWAY_DIR", &open).stdout(Stdio::piped()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut doctor.child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(doctor.code(), 1, "{text}");
    let mend = format!("mkdir -m 700 {}/ringway-", open.display());
    assert!(text.contains(&mend) && !text.contains("chmod"), "{text}");
}

#[test]
fn too_few_descriptors_are_what_is_missing() {
    let place = Place::new();
    // Around 27, where it begins to work: at which number exactly depends on what this test was started with.
    for limit in [5, 6, 8, 10, 12, 16, 20, 24, 25, 26, 27, 28, 29, 30, 40] {
        let script = format!("ulimit -n {limit} && exec \"$@\"");
        let mut command = place.in_shell("doctor", &script, &["doctor"]);
        let mut doctor = Running::start(command.stdout(Stdio::piped()));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut doctor.child.stdout.take().unwrap(), &mut text).unwrap();
        let missing: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("MISSING"))
            .collect();
        if doctor.code() == 0 {
            assert!(limit >= 27, "{text}");
        } else {
            assert!(limit < 40, "{limit}: {text}");
            assert_eq!(missing.len(), 1, "{limit}: {text}");
            assert!(missing[0].contains("RLIMIT_NOFILE"), "{limit}: {text}");
            assert!(text.contains("prlimit"), "{limit}: {text}");
        }
    }
}

#[test]
fn a_report_that_cannot_be_printed_is_a_failure() {
    let place = Place::new();
    for script in ["exec \"$@\" >&-", "exec \"$@\" > /dev/full"] {
        for arguments in [&["doctor"][..], &["doctor", "--json"], &["--help"]] {
            let mut doctor = Running::start(&mut place.in_shell("doctor", script, arguments));
            assert_eq!(doctor.code(), 1, "{script}");
            let words = place.words("doctor");
            assert!(
                words.starts_with(&format!("ringway {}: ", arguments[0])),
                "{words}"
            );
        }
    }
}

#[test]
fn a_low_hard_limit_is_not_its_own_advice() {
    let place = Place::new();
    let script = "ulimit -n 64 && exec \"$@\"";
    let mut command = place.in_shell("doctor", script, &["doctor"]);
    let mut doctor = Running::start(command.stdout(Stdio::piped()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut doctor.child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(doctor.code(), 0, "{text}");
    assert!(text.contains("64 descriptors (at most 64)"), "{text}");
    assert!(
        text.contains("prlimit") && !text.contains("ulimit -n 64"),
        "{text}"
    );
}
