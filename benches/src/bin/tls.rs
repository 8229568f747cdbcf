//! What an echo through TLS costs a server, beside rustls alone.

use std::sync::Arc;

use sansws_benches::loopback::Result;
use sansws_benches::loopback::contenders::Contender;
use sansws_benches::loopback::load::{Enough, Load};
use sansws_benches::loopback::opening::Target;
use sansws_benches::loopback::options::Options;
use sansws_benches::loopback::process::Process;
use sansws_benches::loopback::rounds::Tables;
use sansws_benches::loopback::shape::Shape;
use sansws_benches::loopback::tls::Certificate;

const ABOUT: &str = "\
CPU time of a server per message that it echoes through TLS 1.3, beside rustls on mio, which returns bytes without looking at them.
Rows: connections × messages in flight × payload.";

const SHAPES: [Shape; 3] = [Shape::new(64, 1, 125), Shape::new(64, 16, 125), Shape::new(8, 4, 16 << 10)];

fn main() -> Result<()> {
    let Some(options) = Options::read(ABOUT)? else { return Ok(()) };
    let certificate = Certificate::new()?;
    let client = certificate.client()?;
    let contenders = vec![
        Contender::own("rustls on mio", "raw-tls").raw().with_environment(certificate.environment()),
        Contender::own("sansws-mio", "sansws-tls").with_environment(certificate.environment()),
    ];
    let mut tables = Tables::new(&options, "tls", [("tls", "ns of server CPU per message")]);
    for shape in SHAPES {
        tables.row(&shape.to_string(), &contenders, |contender| {
            let server = Process::start(contender)?;
            let target = Target { tls: Some(Arc::clone(&client)), ..contender.target(server.address) };
            let mut load = Load::open(&target, shape)?;
            load.run(Enough::Time(options.time() / 5))?;
            let before = server.cpu()?;
            let messages = load.run(Enough::Time(options.time()))?;
            Ok([(server.cpu()? - before).as_nanos() as f64 / messages as f64])
        })?;
    }
    tables.finish()
}
