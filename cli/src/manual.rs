//! `ringway completions` and `ringway man`: what shells and readers of manuals are told, made from the commands themselves.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::{self, Code, Failure};

/// Print the completions for a shell.
///
/// For bash: `ringway completions bash > ~/.local/share/bash-completion/completions/ringway`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages: one for `ringway` and one for each command.
///
/// For one user: `ringway man ~/.local/share/man/man1`, then `man ringway-send`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory, which is made if it is not there. Without one, the page of `ringway` is printed.
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs, command: &Command) -> ExitCode {
    let mut command = visible(command);
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ringway", &mut script);
    exit::report("completions", print(&script))
}

pub(crate) fn man(args: &ManArgs, command: &Command) -> ExitCode {
    let command = visible(command);
    let outcome = match &args.directory {
        None => page(command).and_then(|page| print(&page)),
        Some(directory) => write_pages(command, directory),
    };
    exit::report("man", outcome)
}

/// The command without what it hides from its users.
fn visible(command: &Command) -> Command {
    let shown: Vec<Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .cloned()
        .collect();
    let mut bare = Command::new("ringway").version(env!("CARGO_PKG_VERSION"));
    if let Some(about) = command.get_about() {
        bare = bare.about(about.clone());
    }
    bare.subcommand_required(true).subcommands(shown)
}

fn write_pages(command: Command, directory: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Code::Failed, format!("{}: {error}", path.display()))
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    let subs: Vec<Command> = command.get_subcommands().cloned().collect();
    let subs = subs.into_iter().map(|sub| {
        let name = format!("ringway-{}", sub.get_name());
        sub.bin_name(name.clone().replacen('-', " ", 1))
            .display_name(name)
    });
    for command in [command].into_iter().chain(subs) {
        let name = command.get_display_name().unwrap_or("ringway");
        let path = directory.join(format!("{name}.1"));
        fs::write(&path, page(command)?).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    crate::standard::output()?;
    io::stdout().write_all(text)?;
    Ok(())
}
