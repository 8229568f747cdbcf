//! What it costs a server to send one message to many: CPU time per delivery, beside a bare write of the same bytes to each receiver.

use sansws_benches::loopback::Result;
use sansws_benches::loopback::contenders::Contender;
use sansws_benches::loopback::fanout::Fanout;
use sansws_benches::loopback::load::Enough;
use sansws_benches::loopback::options::Options;
use sansws_benches::loopback::process::Process;
use sansws_benches::loopback::rounds::Tables;
use sansws_benches::loopback::shape::Shape;

const ABOUT: &str = "\
CPU time of a server per delivery of a message that one connection publishes to all others. Rows: receivers × publishes in flight ×
payload. Publishes in flight leave with one write; the next ones follow when all receivers have them. The first column is one write per
receiver of all that came in one turn. An external server gets its publisher on the path /publish, its receivers on /subscribe.";

fn main() -> Result<()> {
    let Some(options) = Options::read(ABOUT)? else { return Ok(()) };
    let contenders = options.contenders(vec![
        Contender::own("bare write", "bare-broadcast"),
        Contender::own("sansws-mio", "sansws-broadcast"),
    ]);
    let mut tables = Tables::new(&options, "broadcast", [("broadcast", "ns of server CPU per delivery")]);
    for shape in shapes(options.quick) {
        tables.row(&shape.to_string(), &contenders, |contender| cpu(contender, shape, &options))?;
    }
    tables.finish()
}

fn shapes(quick: bool) -> Vec<Shape> {
    let many: &[usize] = if quick { &[1, 1000] } else { &[1, 10, 100, 1000, 10_000] };
    let mut shapes = Vec::new();
    for in_flight in [1, 16] {
        shapes.extend(many.iter().map(|&receivers| Shape::new(receivers, in_flight, 125)));
        shapes.push(Shape::new(if quick { 100 } else { 1000 }, in_flight, 16 << 10));
    }
    shapes
}

/// Nanoseconds per delivery.
fn cpu(contender: &Contender, shape: Shape, options: &Options) -> Result<[f64; 1]> {
    let server = Process::start(contender)?;
    let mut fanout = Fanout::open(&contender.target(server.address), shape)?;
    fanout.run(Enough::Batches(3))?;
    let before = server.cpu()?;
    let deliveries = fanout.run(Enough::Time(options.time()))?;
    Ok([(server.cpu()? - before).as_nanos() as f64 / deliveries as f64])
}
