//! gRPC's interoperability cases, by one code over each kind of stream; client and server are two processes.

use ringway_interop::cases;

use super::scene::{Process, channel, run, targets};

fn all_over(target: &str) {
    let server = Process::serve(target);
    run(async {
        let channel = channel(target);
        for (name, case) in cases::ALL {
            println!("{name} over {target}");
            case(channel.clone()).await;
        }
        // On one connection, all at once: some wait until no call of theirs is open.
        let alone = |name: &str| name.starts_with("cancel") || name.starts_with("timeout");
        let together = cases::ALL.iter().filter(|(name, _)| !alone(name));
        let calls: Vec<_> = together
            .cycle()
            .take(100)
            .map(|(_, case)| tokio::spawn(case(channel.clone())))
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    });
    drop(server);
}

#[test]
fn pass_over_a_ring() {
    all_over(&targets()[0]);
}

#[test]
fn pass_over_a_unix_socket() {
    all_over(&targets()[1]);
}

#[test]
fn pass_over_tcp() {
    all_over(&targets()[2]);
}

#[test]
fn are_all_that_the_page_names() {
    let names: Vec<_> = cases::ALL.iter().map(|(name, _)| *name).collect();
    let page = include_str!("../../../docs/migration.md");
    for name in &names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    assert_eq!(names.len(), 14);
}
