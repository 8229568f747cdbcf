//! What the command lines of the client programs have in common.

use std::process::ExitCode;

use super::connecting::without_password;

/// The exit code of a wrong command line, and of a connection that could not be made.
pub const EXIT_FAILURE: u8 = 1;
/// The exit code of a connection that ended otherwise than by a normal closing handshake.
pub const EXIT_ABNORMAL: u8 = 2;
/// The exit code if something that was to be sent was not, or perhaps not.
pub const EXIT_UNSENT: u8 = 3;

/// The outcome of reading a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// Run with these options.
    Run(T),
    /// Print this and be done: help or version.
    Print(String),
    /// Print this to stderr and fail: one line.
    Fail(String),
}

impl<T> Parsed<T> {
    /// What a parser made of the command line of `program`.
    pub fn new(program: &str, result: Result<Self, lexopt::Error>) -> Self {
        result.unwrap_or_else(|error| {
            // What was typed may have line ends in it; the error is one line all the same.
            let error = error.to_string().replace(['\n', '\r'], " ");
            Self::Fail(format!("{error} ({program} --help tells what there is)"))
        })
    }

    /// Runs the program. Help goes to stdout; an error is one line on stderr and [`EXIT_FAILURE`].
    pub fn run(self, program: impl FnOnce(T) -> Result<ExitCode, String>) -> ExitCode {
        let result = match self {
            Self::Run(options) => program(options),
            Self::Print(text) => {
                print!("{text}");
                Ok(ExitCode::SUCCESS)
            }
            Self::Fail(error) => Err(error),
        };
        result.unwrap_or_else(|error| {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_FAILURE)
        })
    }
}

/// The one URL of a command line.
///
/// # Errors
///
/// There are two, or it is none.
pub fn set_url(url: &mut Option<String>, value: String) -> Result<(), String> {
    let scheme = value.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let shown = without_password(&value);
    match scheme.as_deref() {
        Some("ws" | "wss" | "ws+unix") => {}
        Some("http" | "https") => {
            return Err(format!("{shown}: the URL of a WebSocket begins with ws:// or wss://"));
        }
        _ => return Err(format!("{shown}: a URL such as ws://localhost:8080/echo is expected")),
    }
    match url.replace(value) {
        None => Ok(()),
        Some(first) => Err(format!("one URL is expected, not {} and another", without_password(&first))),
    }
}

/// A number of seconds, such as 30 or 0.5.
///
/// # Errors
///
/// It is no number, negative, or longer than a year.
pub fn seconds(option: &str, value: &str) -> Result<std::time::Duration, String> {
    match value.parse::<f64>() {
        Ok(seconds) if (0.0..=31_536_000.0).contains(&seconds) => {
            Ok(std::time::Duration::from_secs_f64(seconds))
        }
        _ => Err(format!("{option} {value}: a number of seconds is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_websockets() {
        for url in ["ws://a", "WSS://a/b?c", "ws+unix:/run/x:/y"] {
            assert_eq!(set_url(&mut None, url.into()), Ok(()));
        }
        for (url, error) in
            [("http://a", "begins with ws://"), ("localhost:80", "is expected"), ("x", "is expected")]
        {
            assert!(set_url(&mut None, url.into()).unwrap_err().contains(error), "{url}");
        }
        assert!(set_url(&mut Some("ws://a".into()), "ws://b".into()).unwrap_err().contains("one URL"));
        for (first, url) in [
            (None, "http://ann:secret@h"),
            (None, "ann:secret@h"),
            (Some("ws://ann:secret@h".into()), "ws://h"),
        ] {
            let error = set_url(&mut { first }, url.into()).unwrap_err();
            assert!(error.contains("ann@h") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn seconds_are_finite_and_not_negative() {
        assert_eq!(seconds("--ping", "0.5").unwrap().as_millis(), 500);
        for value in ["-1", "inf", "NaN", "", "1s", "1e30"] {
            assert!(seconds("--ping", value).unwrap_err().contains("--ping"), "{value}");
        }
    }
}
