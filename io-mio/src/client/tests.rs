//! Tests of more than one file.

mod accounting;
mod no_thread;
