//! An echo server on hyper: hyper reads the request and writes the response, the engine does the rest.

use std::convert::Infallible;
use std::io::Result;
use std::mem::take;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use sansws::handshake::server::{self, Accept};
use sansws::handshake::{HandshakeError, HeaderStorage};
use sansws::{Assembler, Config, Connection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let addr = std::env::args().nth(1);
    serve(TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:8080")).await?).await
}

pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    loop {
        let (tcp, _) = listener.accept().await?;
        let service = service_fn(async |request| Ok::<_, Infallible>(answer(request)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service).with_upgrades());
    }
}

/// Opens a WebSocket and echoes what comes, or refuses the request. A handler of axum can call it too.
pub(crate) fn answer<B: Send + 'static>(request: Request<B>) -> Response<String> {
    let (mut response, mut content) = (Response::builder(), String::new());
    match open(&request, |name, value| response = take(&mut response).header(name, value)) {
        Ok(ws) => {
            response = response.status(101);
            tokio::spawn(async {
                echo(ws, TokioIo::new(hyper::upgrade::on(request).await.ok()?)).await.ok()
            });
        }
        Err(error) => {
            response = response.status(error.status());
            for (name, value) in error.response_headers() {
                response = response.header(*name, *value);
            }
            content = format!("{error}\n");
        }
    }
    response.body(content).expect("the engine hands over valid headers")
}

/// A server that trusts cookies or its network has to refuse what `is_cross_origin`, too (RFC 6455 §10.2).
fn open<B>(
    request: &Request<B>,
    header: impl FnMut(&str, &str),
) -> std::result::Result<Connection, HandshakeError> {
    let (method, target) = (request.method().as_str(), request.uri().to_string());
    let minor_version = u8::from(request.version() != Version::HTTP_10);
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut storage = HeaderStorage::new();
    let request = server::Request::from_parts(method, &target, minor_version, headers, &mut storage)?;
    request.upgrade()?.accept_parts(&Accept::new(), &Config::default(), header)
}

async fn echo(mut ws: Connection, mut io: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    let (mut buffer, mut out, mut messages) = (vec![0; 16 << 10], Vec::new(), Assembler::new());
    while !ws.should_close_transport() {
        let n @ 1.. = io.read(&mut buffer).await? else { return Ok(()) };
        let mut input = &mut buffer[..n]; // frames that came with the request are the first
        while let Some(message) = messages.receive(&mut ws, &mut input) {
            ws.send(message, &mut out)?;
        }
        ws.poll_transmit(&mut out)?; // a Pong, a Close
        io.write_all(&out).await?;
        out.clear();
    }
    io.shutdown().await
}
