//! Other implementations. Each hands out whole messages, validates text if it can, reuses its buffers as its docs suggest, and has the
//! settings that its docs call fast. Where a masking-key's generator is the caller's, it is a constant, as with ours.

use std::future::Future;
use std::io::{IoSlice, Result, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Contender;
use super::wire::Wire;

mod embedded_websocket;
mod fastwebsockets;
mod sockudo_ws;
mod tokio_websockets;
mod tungstenite;
mod web_socket;
mod ws_tool;
mod wtx;
mod yawc;

pub(super) fn all() -> [Box<dyn Contender>; 9] {
    [
        Box::new(tungstenite::Tungstenite),
        Box::new(fastwebsockets::Fastwebsockets),
        Box::new(tokio_websockets::TokioWebsockets),
        Box::new(yawc::Yawc),
        Box::new(sockudo_ws::SockudoWs),
        Box::new(wtx::Wtx),
        Box::new(ws_tool::WsTool),
        Box::new(embedded_websocket::EmbeddedWebsocket),
        Box::new(web_socket::WebSocket),
    ]
}

/// Runs a future that has nothing to wait for: no runtime takes part.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("memory is always ready"),
    }
}

impl AsyncRead for Wire {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        buffer.put_slice(self.next(buffer.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Poll::Ready(self.write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
