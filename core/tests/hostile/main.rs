//! Attacks that are known from advisories, on the protocol alone: what a hostile peer sends, and what must hold.
//! `conformance/RULES.md` lists them; the rows' numbers are with the tests.

#[path = "../support/mod.rs"]
mod support;

mod first_bytes;
mod floods;
mod heads;
mod lengths;
mod splits;
mod teardown;
