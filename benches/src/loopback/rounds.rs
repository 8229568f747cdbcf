//! Contenders in turns, and the tables of what they needed.

use std::io::IsTerminal;

use super::Result;
use super::contenders::Contender;
use super::options::Options;
use crate::results::{self, Cell, Results};

/// The tables of a bench: one for each kind of figure that is measured at the same time.
pub struct Tables<'a, const N: usize> {
    options: &'a Options,
    rounds: usize,
    results: [Results; N],
}

impl<'a, const N: usize> Tables<'a, N> {
    /// Creates them, each with its name and its unit. `bench` is the program that makes them.
    pub fn new(options: &'a Options, bench: &str, tables: [(&str, &str); N]) -> Self {
        let command = options.command(bench);
        Self {
            options,
            rounds: options.rounds,
            results: tables.map(|(name, unit)| Results::new(name, unit, &command)),
        }
    }

    /// Measures once, for figures that are the same each time.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.rounds = 1;
        self
    }

    /// Measures a row of each table: all contenders in each round. One that fails is left out of the row, with a word why.
    ///
    /// # Errors
    ///
    /// If the first one fails, which the others are compared with.
    pub fn row(
        &mut self,
        work: &str,
        contenders: &[Contender],
        mut measure: impl FnMut(&Contender) -> Result<[f64; N]>,
    ) -> Result<()> {
        let mut figures: Vec<Option<Vec<[f64; N]>>> = vec![Some(Vec::new()); contenders.len()];
        for round in 1..=self.rounds {
            for (i, (contender, rounds)) in contenders.iter().zip(&mut figures).enumerate() {
                let Some(found) = rounds else { continue };
                self.progress(&format!(
                    "{}, {work}: round {round} of {}, {}",
                    self.name(),
                    self.rounds,
                    contender.name
                ));
                match measure(contender) {
                    Ok(figures) => found.push(figures),
                    Err(error) if i > 0 => {
                        self.progress("");
                        eprintln!("{work}: {} is left out: {error}", contender.name);
                        *rounds = None;
                    }
                    Err(error) => return Err(format!("{work}, {}: {error}", contender.name).into()),
                }
            }
        }
        self.progress("");
        if !std::io::stderr().is_terminal() {
            eprintln!("{}, {work}: done", self.name());
        }
        for (n, results) in self.results.iter_mut().enumerate() {
            let found = contenders.iter().zip(&figures);
            let contenders = found.filter_map(|(contender, rounds)| {
                let rounds = rounds.as_ref()?.iter().map(|figures| figures[n]).collect();
                Some(results::Contender { name: contender.name.clone(), rounds })
            });
            results.cells.push(Cell { work: work.into(), contenders: contenders.collect() });
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.results.first().map_or("", |results| &results.bench)
    }

    /// The line at the bottom of a terminal.
    fn progress(&self, line: &str) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{line}");
        }
    }

    /// Prints them, and saves them if all contenders were measured as they should be.
    ///
    /// # Errors
    ///
    /// If they can't be saved.
    pub fn finish(self) -> Result<()> {
        for results in &self.results {
            println!("{}", results.markdown());
            if self.options.is_complete() {
                eprintln!("saved as {}", results.save()?.display());
            }
        }
        Ok(())
    }
}
