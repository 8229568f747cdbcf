//! sockudo-ws.

use futures_util::{FutureExt, SinkExt, StreamExt};
use sockudo_ws::handshake::server_handshake;
use sockudo_ws::protocol::Message;
use sockudo_ws::{Config, Result, WebSocketStream};
use tokio::net::TcpStream;

/// Flushes after each message.
pub(crate) async fn example(mut socket: TcpStream) -> Result<()> {
    server_handshake(&mut socket).await?;
    let mut websocket = WebSocketStream::server(socket, Config::default());
    while let Some(message) = websocket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => websocket.send(message).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

/// Flushes when no more messages are there.
pub(crate) async fn one_flush(mut socket: TcpStream) -> Result<()> {
    server_handshake(&mut socket).await?;
    let mut websocket = WebSocketStream::server(socket, Config::default());
    while let Some(message) = websocket.next().await {
        let mut next = Some(Some(message));
        while let Some(Some(message)) = next {
            match message? {
                message @ (Message::Text(_) | Message::Binary(_)) => websocket.feed(message).await?,
                Message::Close(_) => return websocket.flush().await,
                _ => {}
            }
            next = websocket.next().now_or_never();
        }
        websocket.flush().await?;
    }
    Ok(())
}
