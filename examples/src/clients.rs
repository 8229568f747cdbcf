//! The client side: a [`chat_client`] and a [`live_data_client`] over a connection that comes back by itself, and what the terminal
//! programs share.

pub mod chat_client;
pub mod chat_terminal;
pub mod close_code;
pub mod command_line;
pub mod connecting;
pub mod line_editor;
pub mod lines;
pub mod live_data_client;
pub mod signals;
pub mod terminal;
pub mod ticker_terminal;
