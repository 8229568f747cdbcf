//! What an idle connection costs a server in memory: starts one, opens many connections to it, and reads its resident set.
//!
//! `cargo build --release && cargo run --release --manifest-path benches/Cargo.toml --target-dir target --bin idle -- 10000`

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sansws::handshake::{HeaderStorage, client};
use sansws::{Assembler, Config, Connection, Message};
use sansws_benches::KEY;

/// What each connection sends once before it is idle again.
const MESSAGE_LEN: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().as_deref().unwrap_or("10000").parse()?;
    let program = args.next().unwrap_or_else(|| {
        // Beside this program.
        let own = std::env::current_exe().unwrap_or_default();
        own.with_file_name("demo").to_string_lossy().into_owned()
    });
    let server = Server::start(&program)?;
    let before = server.resident()?;
    println!("{program}: {before} bytes resident without connections");

    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(connect(&server.authority)?);
    }
    report("that never sent anything", before, server.resident()?, count);

    for (tcp, ws) in &mut connections {
        echo(tcp, ws)?;
    }
    report(&format!("after an echo of {MESSAGE_LEN} bytes each"), before, server.resident()?, count);
    Ok(())
}

fn report(what: &str, before: u64, after: u64, count: usize) {
    let grown = after.saturating_sub(before);
    println!("{count} connections {what}: {grown} bytes more, {} a connection", grown / count.max(1) as u64);
}

/// A server on a port of its own, ended when this is dropped.
struct Server {
    process: Child,
    authority: String,
}

impl Server {
    fn start(program: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(program)
            .args(["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error} (build it first: cargo build --release)"))?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        let line = BufReader::new(stdout).lines().next().ok_or("the server said nothing")??;
        let authority = line.split("://").nth(1).ok_or("the server named no address")?.trim_end_matches('/');
        Ok(Self { process, authority: authority.replace("localhost", "127.0.0.1") })
    }

    fn resident(&self) -> Result<u64, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connect(authority: &str) -> Result<(TcpStream, Connection), Box<dyn Error>> {
    let mut tcp = TcpStream::connect(authority)?;
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (request, nonce, mut out) = (client::Offer::new(authority, "/echo"), [7; 16], Vec::new());
    request.write(&nonce, &mut out)?;
    tcp.write_all(&out)?;
    let (mut buffer, mut len) = ([0; 1024], 0);
    loop {
        len += match tcp.read(&mut buffer[len..])? {
            0 => return Err("the server hung up".into()),
            n => n,
        };
        let mut storage = HeaderStorage::new();
        if let Some((response, _)) = client::Response::parse(&buffer[..len], &mut storage)? {
            let connection = response.accept(&request, &nonce, &Config::default(), || KEY)?;
            return Ok((tcp, connection));
        }
    }
}

fn echo(tcp: &mut TcpStream, ws: &mut Connection) -> Result<(), Box<dyn Error>> {
    let (payload, mut out, mut messages) = ([1; MESSAGE_LEN], Vec::new(), Assembler::new());
    ws.send_binary(&payload, &mut out)?;
    tcp.write_all(&out)?;
    let mut buffer = [0; 2048];
    loop {
        let n = tcp.read(&mut buffer)?;
        let mut input = &mut buffer[..n];
        if let Some(message) = messages.receive(ws, &mut input) {
            return if message == Message::Binary(&payload) { Ok(()) } else { Err("not my echo".into()) };
        }
        if n == 0 {
            return Err("the server hung up".into());
        }
    }
}
