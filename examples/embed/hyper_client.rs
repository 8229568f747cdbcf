//! A client on hyper: hyper writes the request and reads the response, the engine does the rest.
//! It sends a message and prints what comes back before the Close.

use std::error::Error;
use std::mem::take;

use hyper::client::conn::http1;
use hyper::http::uri::PathAndQuery;
use hyper::upgrade::{self, Upgraded};
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ring::rand::{SystemRandom, generate};
use sansws::handshake::HeaderStorage;
use sansws::handshake::client::{Offer, Response};
use sansws::{Assembler, Config, Connection, FnKeys, MaskingKeys, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:8080/".into());
    let mut rng = ChaCha20Rng::from_seed(generate(&SystemRandom::new()).map_err(|_| "no entropy")?.expose());
    let nonce = std::array::from_fn(|_| rng.next_u32() as u8);
    let (mut ws, mut io) = dial(&Uri::parse(&uri)?, nonce, FnKeys(|| rng.next_u32().to_ne_bytes())).await?;
    let (mut buffer, mut out, mut messages) = (vec![0; 16 << 10], Vec::new(), Assembler::new());
    ws.send("hello", &mut out)?;
    ws.close(1000.into(), "", &mut out)?;
    loop {
        io.write_all(&out).await?;
        out.clear();
        let n @ 1.. = io.read(&mut buffer).await? else { return Ok(()) }; // the server closes TCP first
        let mut input = &mut buffer[..n];
        while let Some(message) = messages.receive(&mut ws, &mut input) {
            println!("{message:?}");
        }
        ws.poll_transmit(&mut out)?;
    }
}

/// `nonce` and `keys` are from a CSPRNG: 16 bytes for each handshake, 4 for each frame.
pub(crate) async fn dial<K: MaskingKeys>(
    uri: &Uri<'_>,
    nonce: [u8; 16],
    keys: K,
) -> Result<(Connection<K>, TokioIo<Upgraded>)> {
    let tcp = TcpStream::connect((uri.host(), uri.port())).await?;
    let (mut sender, http) = http1::handshake(TokioIo::new(tcp)).await?;
    tokio::spawn(http.with_upgrades());
    let offer = Offer::to(uri);
    let mut request = Request::get(offer.resource_name.parse::<PathAndQuery>()?);
    offer.to_parts(&nonce, |name, value| request = take(&mut request).header(name, value))?;
    let response = sender.send_request(request.body(String::new())?).await?;
    let minor = u8::from(response.version() != Version::HTTP_10);
    let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let ws = Response::from_parts(response.status().into(), minor, headers, &mut HeaderStorage::new())?
        .accept_with_masking_keys(&offer, &nonce, &Config::default(), keys)?;
    Ok((ws, TokioIo::new(upgrade::on(response).await?)))
}
