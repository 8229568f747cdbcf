//! The [`Metrics`] of a server as text for Prometheus, at a port of the operator's own.

use std::fmt::{Display, Write};

use sansws_mio::{Handle, Handler, Metrics, Request, Response};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics of another server at `/metrics`, and nothing else.
pub struct MetricsSite {
    of: Handle,
}

impl MetricsSite {
    /// Shows the metrics of the server with this handle.
    pub fn new(of: Handle) -> Self {
        Self { of }
    }
}

impl Handler for MetricsSite {
    type Session = ();

    fn request(&mut self, request: &Request<'_>) -> Response {
        match (request.path(), request.method()) {
            ("/metrics", "GET" | "HEAD") => Response::new(200)
                .body(TEXT, prometheus(&self.of.metrics()).into_bytes())
                .header("Cache-Control", "no-store"),
            ("/metrics", _) => Response::text(405, "only GET and HEAD\n").header("Allow", "GET, HEAD"),
            _ => Response::not_found(),
        }
    }
}

/// The metrics in Prometheus' text format, version 0.0.4. Durations are in seconds.
///
/// The names stay as they are, and no label has a value that a peer could choose: there are never more than
/// 60 time series.
pub fn prometheus(metrics: &Metrics) -> String {
    let mut text = Text(String::with_capacity(8 << 10));
    text.gauge("connections", "Connections with a socket, or about to get one, by phase.");
    text.sample("connections", "phase", "opening", metrics.connections_opening);
    text.sample("connections", "phase", "dialling", metrics.connections_dialling);
    text.sample("connections", "phase", "open", metrics.connections_open);
    text.sample("connections", "phase", "closing", metrics.connections_closing);
    text.gauge("queued_bytes", "Bytes sent that the kernel has not taken yet.");
    text.value("queued_bytes", metrics.queued_bytes);
    text.total("connections_accepted", "Accepted connections.", metrics.accepted);
    text.total(
        "connections_dropped",
        "Accepted connections closed without an answer, for lack of room.",
        metrics.dropped_connections,
    );
    text.total("connections_dialled", "Dialled connections.", metrics.dialled);
    text.total(
        "dial_failures",
        "Dialled connections that failed before they were open.",
        metrics.dials_failed,
    );
    text.total("connections_opened", "Completed opening handshakes.", metrics.opened);
    text.total("messages_received", "Messages passed to the application.", metrics.messages_received);
    text.total("messages_sent", "Messages sent, one for each receiver.", metrics.messages_sent);
    text.total("received_bytes", "Bytes read, inside of TLS.", metrics.bytes_received);
    text.total("sent_bytes", "Bytes written, inside of TLS.", metrics.bytes_sent);
    text.total(
        "messages_dropped",
        "Published messages that passed a slow receiver by, one for each receiver.",
        metrics.messages_dropped,
    );
    text.total("slow_consumers", "Connections closed for reading too slowly.", metrics.slow_consumers);
    text.total("http_responses", "Requests answered with a status below 400.", metrics.responses);
    text.counter("http_refusals_total", "Requests answered with a status of 400 or more, by status.");
    for (status, count) in metrics.refusals.iter() {
        let status = status.map_or("other".into(), |status| status.to_string());
        text.sample("http_refusals_total", "status", &status, count);
    }
    text.counter("timeouts_total", "Time-outs, by what was waited for.");
    for (kind, count) in [
        ("request", metrics.timeouts_request),
        ("decision", metrics.timeouts_decision),
        ("resolve", metrics.timeouts_resolve),
        ("connect", metrics.timeouts_connect),
        ("handshake", metrics.timeouts_handshake),
        ("pong", metrics.timeouts_pong),
        ("idle", metrics.timeouts_idle),
        ("closing", metrics.timeouts_closing),
    ] {
        text.sample("timeouts_total", "kind", kind, count);
    }
    text.total("turns", "Turns of the event loops.", metrics.turns);
    text.total("turn_seconds", "Time that the turns took.", metrics.turn_time.as_secs_f64());
    text.gauge("longest_turn_seconds", "The longest time that a turn has taken since the start.");
    text.value("longest_turn_seconds", metrics.longest_turn.as_secs_f64());
    text.0
}

struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str) {
        self.head(name, help, "gauge");
    }

    fn counter(&mut self, name: &str, help: &str) {
        self.head(name, help, "counter");
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP sansws_{name} {help}\n# TYPE sansws_{name} {kind}");
    }

    /// A counter that is one number.
    fn total(&mut self, name: &str, help: &str, value: impl Display) {
        let name = format!("{name}_total");
        self.counter(&name, help);
        self.value(&name, value);
    }

    fn value(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "sansws_{name} {value}");
    }

    fn sample(&mut self, name: &str, label: &str, label_value: &str, value: u64) {
        let _ = writeln!(self.0, "sansws_{name}{{{label}=\"{label_value}\"}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    fn is_name(name: &str) -> bool {
        name.starts_with("sansws_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    }

    /// Reads the text as a scraper does, and strictly.
    #[test]
    fn every_sample_has_its_help_and_type_above_and_a_name_as_is_the_custom() {
        let text = prometheus(&Metrics::default());
        assert!(text.ends_with('\n') && text.is_ascii());
        let (mut families, mut series) = (HashSet::new(), HashSet::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) = line.strip_prefix("# HELP ").expect(line).split_once(' ').expect(line);
            assert!(is_name(name) && !help.trim().is_empty() && !help.contains('\\'), "{line}");
            assert!(families.insert(name), "{name} comes twice");
            let line = lines.next().expect("a type");
            let kind = line.strip_prefix(&format!("# TYPE {name} ")).expect(line);
            assert!(matches!(kind, "counter" | "gauge"), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            let mut samples = 0;
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (id, value) = line.split_once(' ').expect(line);
                assert!(value.parse::<f64>().is_ok_and(|value| value == 0.0), "{line}");
                assert!(series.insert(id), "{id} comes twice");
                let labels = id.strip_prefix(name).expect("a sample of this family");
                if !labels.is_empty() {
                    let (label, value) = labels
                        .strip_prefix('{')
                        .and_then(|labels| labels.strip_suffix("\"}"))
                        .and_then(|labels| labels.split_once("=\""))
                        .expect(line);
                    assert!(matches!(label, "phase" | "status" | "kind"), "{line}");
                    assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{line}");
                }
                samples += 1;
            }
            assert!(samples > 0, "{name}");
        }
        assert!(series.len() <= 60, "{} time series", series.len());
    }

    #[test]
    fn every_number_is_in_its_line() {
        let mut metrics = Metrics::default();
        let numbers = [
            (&mut metrics.connections_opening, "connections{phase=\"opening\"}"),
            (&mut metrics.connections_dialling, "connections{phase=\"dialling\"}"),
            (&mut metrics.connections_open, "connections{phase=\"open\"}"),
            (&mut metrics.connections_closing, "connections{phase=\"closing\"}"),
            (&mut metrics.queued_bytes, "queued_bytes"),
            (&mut metrics.accepted, "connections_accepted_total"),
            (&mut metrics.dropped_connections, "connections_dropped_total"),
            (&mut metrics.dialled, "connections_dialled_total"),
            (&mut metrics.dials_failed, "dial_failures_total"),
            (&mut metrics.opened, "connections_opened_total"),
            (&mut metrics.responses, "http_responses_total"),
            (&mut metrics.messages_received, "messages_received_total"),
            (&mut metrics.messages_sent, "messages_sent_total"),
            (&mut metrics.bytes_received, "received_bytes_total"),
            (&mut metrics.bytes_sent, "sent_bytes_total"),
            (&mut metrics.messages_dropped, "messages_dropped_total"),
            (&mut metrics.slow_consumers, "slow_consumers_total"),
            (&mut metrics.timeouts_request, "timeouts_total{kind=\"request\"}"),
            (&mut metrics.timeouts_decision, "timeouts_total{kind=\"decision\"}"),
            (&mut metrics.timeouts_resolve, "timeouts_total{kind=\"resolve\"}"),
            (&mut metrics.timeouts_connect, "timeouts_total{kind=\"connect\"}"),
            (&mut metrics.timeouts_handshake, "timeouts_total{kind=\"handshake\"}"),
            (&mut metrics.timeouts_pong, "timeouts_total{kind=\"pong\"}"),
            (&mut metrics.timeouts_idle, "timeouts_total{kind=\"idle\"}"),
            (&mut metrics.timeouts_closing, "timeouts_total{kind=\"closing\"}"),
            (&mut metrics.turns, "turns_total"),
        ];
        let names = numbers.map(|(number, name)| {
            *number = 1_000_000 + name.len() as u64;
            name
        });
        metrics.turn_time = Duration::from_micros(90_061_000_001);
        metrics.longest_turn = Duration::from_nanos(20_500);
        let text = prometheus(&metrics);
        let has = |line: &str| text.lines().any(|other| other == line);
        for name in names {
            let line = format!("sansws_{name} {}", 1_000_000 + name.len());
            assert!(has(&line), "{line}");
        }
        assert!(has("sansws_turn_seconds_total 90061.000001"), "{text}");
        assert!(has("sansws_longest_turn_seconds 0.0000205"), "{text}");
        assert!(has("sansws_http_refusals_total{status=\"404\"} 0"), "{text}");
        assert!(has("sansws_http_refusals_total{status=\"other\"} 0"), "{text}");
    }
}
