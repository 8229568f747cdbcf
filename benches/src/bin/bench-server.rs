//! One of the servers that the benches over loopback measure, alone: `bench-server NAME [--port PORT] [--workers N]`.

fn main() -> sansws_benches::loopback::Result<()> {
    sansws_benches::loopback::servers::from_command_line(lexopt::Parser::from_env())
}
