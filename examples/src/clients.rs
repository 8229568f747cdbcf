//! The client side: a [`chat_client`] and a [`live_data_client`] over a connection that comes back by itself, and what the terminal
//! programs share.

pub mod command_line;
pub mod lines;
pub mod signals;
pub mod terminal;
