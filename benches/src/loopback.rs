//! Servers in processes of their own, and the clients that measure what these need for their work.
//!
//! Server and client have a thread and a core each. What counts is the server's CPU time, which other work on the machine disturbs least.

pub mod contenders;
pub mod fanout;
pub mod load;
pub mod opening;
pub mod options;
pub mod paced;
pub mod process;
pub mod rounds;
pub mod servers;
pub mod shape;
pub mod syscalls;
pub mod tls;
pub mod wire;

/// What can go wrong in a bench ends it, with a word on what it was.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
