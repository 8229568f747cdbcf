//! tokio-websockets.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Error, Limits, ServerBuilder};

/// Flushes after each message.
pub(crate) async fn example(socket: TcpStream) -> Result<(), Error> {
    let (_, mut websocket) = builder().accept(socket).await?;
    while let Some(Ok(message)) = websocket.next().await {
        if message.is_text() || message.is_binary() {
            websocket.send(message).await?;
        }
    }
    Ok(())
}

/// Flushes when no more messages are there. They are collected first, as it flushes before it looks for a next one.
pub(crate) async fn one_flush(socket: TcpStream) -> Result<(), Error> {
    let (_, mut websocket) = builder().accept(socket).await?;
    while let Some(message) = websocket.next().await {
        let mut messages = vec![message?];
        while let Some(Some(message)) = websocket.next().now_or_never() {
            messages.push(message?);
        }
        for message in messages {
            if message.is_text() || message.is_binary() {
                websocket.feed(message).await?;
            }
        }
        websocket.flush().await?;
    }
    Ok(())
}

fn builder() -> ServerBuilder {
    ServerBuilder::new().config(Config::default().frame_size(usize::MAX)).limits(Limits::unlimited())
}
