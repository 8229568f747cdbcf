//! Other libraries, each as its own example of an echo has it, and with one flush for all messages that came together.
//!
//! All of them disable Nagle's algorithm, and those on tokio have one thread.

use std::io;
use std::net::TcpListener;

use tokio::net::TcpStream;
use tokio::task::unconstrained;

use super::Start;

mod corked;
mod fastwebsockets;
mod sockudo;
mod tokio_websockets;
mod tungstenite;

pub(crate) fn run(name: &str, start: Start) -> io::Result<()> {
    match name {
        "tungstenite" => super::reactor::serve(super::bind(start)?, tungstenite::OneFlush),
        "tungstenite-example" => tungstenite::example(&super::bind(start)?),
        "fastwebsockets" => on_tokio(super::bind(start)?, fastwebsockets::one_flush),
        "fastwebsockets-example" => on_tokio(super::bind(start)?, fastwebsockets::example),
        "tokio-websockets" => on_tokio(super::bind(start)?, tokio_websockets::one_flush),
        "tokio-websockets-example" => on_tokio(super::bind(start)?, tokio_websockets::example),
        "sockudo-ws" => on_tokio(super::bind(start)?, sockudo::one_flush),
        "sockudo-ws-example" => on_tokio(super::bind(start)?, sockudo::example),
        _ => Err(io::Error::other(format!("no server is named {name}"))),
    }
}

/// A task for each connection, all on this thread.
fn on_tokio<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(unconstrained(serve(socket)));
        }
    })
}
