//! What a run of instrumented programs reached: `ringway-coverage FOLDER PROGRAM... -- PROFILE...` prints a line for each region of code in a file below FOLDER,
//! `FILE LINE:COLUMN-LINE:COLUMN TIMES`, with the times of all instances of a generic function added up.
//!
//! A package of its own, with a lock file of its own: the crate that can read the profiles of rustc is no dependency of anything else here, and `xtask` has none.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use llvm_profparser::{CoverageMapping, merge_profiles};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-coverage: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = words.next().ok_or("which folder?")?;
    let programs: Vec<_> = words.by_ref().take_while(|word| *word != *"--").collect();
    let profiles: Vec<_> = words.collect();
    if programs.is_empty() || profiles.is_empty() {
        return Err("programs, `--` and profiles are needed".into());
    }
    let profile = merge_profiles(&profiles)?;
    let report = CoverageMapping::new(&programs, &profile, false)?.generate_report()?;
    let mut regions = BTreeMap::new();
    for (file, result) in &report.files {
        let Ok(file) = file.strip_prefix(&folder) else {
            continue;
        };
        for (at, times) in &result.hits {
            let at = (at.line_start, at.column_start, at.line_end, at.column_end);
            *regions.entry((file, at)).or_insert(0_usize) += times;
        }
    }
    let mut output = BufWriter::new(io::stdout().lock());
    for ((file, (line, column, end, last)), times) in regions {
        let file = file.display();
        writeln!(output, "{file} {line}:{column}-{end}:{last} {times}")?;
    }
    Ok(output.flush()?)
}
