//! The applications of the browser: a [`chat`], a [`ticker`] and the small endpoints, on one [`Site`](site::Site).
//!
//! The other end of it: [`clients`] for the chat and the ticker, and [`wsc`].
//!
//! What the first end bears: [`attack`].
//!
//! Each program in `bin/` parses its [`options`], makes a site and [`serve`]s it.

// Allowed in one function of `memory`.
#![deny(unsafe_code)]

pub mod attack;
pub mod chat;
pub mod clients;
pub mod memory;
pub mod metrics;
pub mod options;
pub mod pages;
pub mod serve;
pub mod site;
pub mod ticker;
pub mod tls;
pub mod wsc;
