//! Writes what the committed results of the benches say into `benches/RESULTS.md`, `benches/plots` and the README, or checks it.

use std::error::Error;
use std::path::{Path, PathBuf};

use lexopt::prelude::{Long, ValueExt};
use sansws_benches::report::{Output, Report};

const HELP: &str = "\
Writes benches/RESULTS.md, benches/plots/*.svg and the figures in README.md from benches/results/*.json.

Options:
  --check     write nothing; exit with 1 if a file does not agree with the results
  --root DIR  the project's folder, if it is not the one this was built in
  --help      this";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut check, mut root) = (false, Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("check") => check = true,
            Long("root") => root = PathBuf::from(args.value()?.string()?),
            Long("help") => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let readme =
        std::fs::read_to_string(root.join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let outputs = Report::read(&root)?.outputs(&readme)?;
    let stale: Vec<&Output> = outputs.iter().filter(|output| !agrees(&root, output)).collect();
    if check && !stale.is_empty() {
        stale
            .iter()
            .for_each(|output| eprintln!("{} does not agree with benches/results", output.path.display()));
        return Err("run: cargo run --release --manifest-path benches/Cargo.toml --bin report".into());
    }
    for output in stale {
        let path = root.join(&output.path);
        match &output.content {
            Some(content) => {
                std::fs::create_dir_all(path.parent().unwrap_or(&root))?;
                std::fs::write(&path, content)?;
                println!("wrote {}", output.path.display());
            }
            None => {
                std::fs::remove_file(&path)?;
                println!("removed {}", output.path.display());
            }
        }
    }
    Ok(())
}

/// Whether the file is as it should be.
fn agrees(root: &Path, output: &Output) -> bool {
    let path = root.join(&output.path);
    match &output.content {
        Some(content) => std::fs::read(path).is_ok_and(|found| found == content.as_bytes()),
        None => !path.exists(),
    }
}
