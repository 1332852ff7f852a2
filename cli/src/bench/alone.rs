//! What is no row: it has tables of its own, and comes by itself.

use std::io::{self, Write};
use std::time::Duration;

use super::{BenchArgs, Code, bridge, codecs, death, exit, grpc, jitter, meeting, sweep};

/// Each by its name and what it is.
const ALL: [(&str, &str); 7] = [
    (codecs::NAME, codecs::ABOUT),
    (sweep::NAME, sweep::ABOUT),
    (jitter::NAME, jitter::ABOUT),
    (death::DEATH, death::ABOUT_DEATH),
    (death::NEXT, death::ABOUT_NEXT),
    (grpc::NAME, grpc::ABOUT),
    (bridge::NAME, bridge::ABOUT),
];

/// A line for each.
pub(super) fn list(output: &mut impl Write) -> io::Result<()> {
    for (name, about) in ALL {
        writeln!(output, "{name:<20} {about}")?;
    }
    Ok(())
}

/// Runs the one that was named; `None` if none was.
pub(super) fn run(args: &BenchArgs, output: &mut impl Write) -> Option<Result<(), exit::Failure>> {
    let first = |name: &String| name.split(':').next().unwrap_or_default().to_owned();
    let mut named = args.names.iter().map(first);
    let found = named.find_map(|name| ALL.into_iter().find(|(known, _)| *known == name));
    let Some((name, about)) = found else {
        let what = "--svg draws what `sweep` or `jitter` found";
        return args.svg.is_some().then(|| usage(what));
    };
    Some(run_named(name, about, args, output))
}

fn usage(what: &str) -> Result<(), exit::Failure> {
    Err(exit::Failure::new(Code::Usage, what))
}

fn run_named(
    name: &str,
    about: &str,
    args: &BenchArgs,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let only = args.names.iter().all(|other| {
        let size = other.strip_prefix(name);
        // One of the sweep's sizes may be named.
        size == Some("") || (name == sweep::NAME && size.is_some_and(|size| size.starts_with(':')))
    });
    let checked = [sweep::NAME, death::DEATH, death::NEXT, grpc::NAME].contains(&name);
    if !only || args.ways || (args.check && !checked) {
        return usage(match name {
            death::DEATH | death::NEXT => {
                "`death` and `next-client` come by themselves, without --ways"
            }
            sweep::NAME => "`sweep` comes by itself, without --ways",
            grpc::NAME => "`grpc` comes by itself, without --ways",
            bridge::NAME => "`bridge` is measured by itself, without --check and --ways",
            codecs::NAME => "`codecs` is compared by itself, without --check and --ways",
            _ => "`jitter` comes by itself, without --check and --ways",
        });
    }
    if args.svg.is_some() && ![sweep::NAME, jitter::NAME].contains(&name) {
        return usage("--svg draws what `sweep` or `jitter` found");
    }
    if args.list {
        writeln!(output, "{name:<20} {about}")?;
        return Ok(());
    }
    let rounds = |quick, full| {
        let usual = if args.quick { quick } else { full };
        args.rounds.map_or(usual, usize::from)
    };
    match name {
        codecs::NAME => codecs::run(&args.effort(), args.json, &mut meeting()?, output),
        sweep::NAME => {
            let sizes = args.names.iter().filter_map(|name| name.split_once(':'));
            let Ok(sizes) = sizes.map(|(_, size)| sweep::size(size)).collect() else {
                return usage("the sizes of `sweep` are the powers of 4 from 1 to 16777216");
            };
            let effort = sweep::Effort {
                rounds: rounds(2, 7),
                time: Duration::from_secs(if args.quick { 50 } else { 900 }),
                batch: args.effort().batch / 2,
                json: args.json,
                check: args.check,
                svg: args.svg.as_deref(),
                sizes,
            };
            sweep::run(&effort, &mut meeting()?, output)
        }
        grpc::NAME => {
            let effort = grpc::Effort {
                rounds: rounds(3, 15),
                json: args.json,
                check: args.check,
            };
            grpc::run(effort, &mut meeting()?, output)
        }
        bridge::NAME => {
            let effort = bridge::Effort {
                rounds: rounds(3, 15),
                part: args.effort().batch * 20,
                json: args.json,
            };
            bridge::run(effort, &mut meeting()?, output)
        }
        death::DEATH | death::NEXT => {
            let effort = death::Effort {
                kills: rounds(50, 500),
                json: args.json,
                check: args.check,
            };
            if name == death::DEATH {
                death::run_death(effort, &mut meeting()?, output)
            } else {
                death::run_next(effort, &mut meeting()?, output)
            }
        }
        _ => {
            let effort = jitter::Effort {
                rounds: rounds(2, 10),
                millis: if args.quick { 100 } else { 200 },
                json: args.json,
                svg: args.svg.as_deref(),
            };
            jitter::run(effort, &mut meeting()?, output)
        }
    }
}
