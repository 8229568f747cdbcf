//! Tests of more than one file.

mod accounting;
