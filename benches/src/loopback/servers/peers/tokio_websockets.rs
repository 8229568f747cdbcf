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

/// Flushes when no more messages are there.
pub(crate) async fn one_flush(socket: TcpStream) -> Result<(), Error> {
    let (_, mut websocket) = builder().accept(socket).await?;
    while let Some(message) = websocket.next().await {
        let mut next = Some(Some(message));
        while let Some(Some(message)) = next {
            let message = message?;
            if message.is_text() || message.is_binary() {
                websocket.feed(message).await?;
            }
            next = websocket.next().now_or_never();
        }
        websocket.flush().await?;
    }
    Ok(())
}

fn builder() -> ServerBuilder {
    ServerBuilder::new().config(Config::default().frame_size(usize::MAX)).limits(Limits::unlimited())
}
