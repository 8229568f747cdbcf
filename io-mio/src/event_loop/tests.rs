//! The loop with the kernel played, in virtual time.

mod commands;
mod deciding;
mod found_by_fuzzing;
mod last_words;
mod metrics;
mod publishing;
mod resting;
mod turns;
mod virtual_time;
mod writing;
