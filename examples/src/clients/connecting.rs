//! How a server is reached, as the command line says.

use std::path::{Path, PathBuf};

use sansws_mio::{Proxy, ReliableBuilder, ReliableWebSocket, TlsClient};

/// The options that `chat-client` and `ticker-client` have in common.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Connecting {
    /// Retries in a row that may fail before it is given up; `None`: any number.
    pub retries: Option<u32>,
    /// Certificates that are trusted beside the usual ones, in PEM.
    pub ca: Option<PathBuf>,
    /// By way of an HTTP proxy; "env": as the environment says.
    pub proxy: Option<String>,
}

impl Connecting {
    /// A connection that is not open yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the options, before anything is tried.
    pub fn builder(&self, url: &str) -> Result<ReliableBuilder, String> {
        let mut builder = ReliableWebSocket::builder(url).max_retries(self.retries);
        if let Some(path) = &self.ca {
            let tls = tls(path)?;
            builder = builder.websocket(|socket| socket.tls(&tls));
        }
        if let Some(text) = &self.proxy {
            let proxy = proxy(text)?;
            builder = builder.websocket(|socket| socket.proxy(proxy));
        }
        Ok(builder)
    }
}

/// The reason shown when reconnecting ends: after `retries` consecutive failures, or because the
/// last failure is final.
pub(super) fn given_up(retries: u32, is_final: bool) -> String {
    match retries {
        _ if is_final => "given up: another attempt would fail in the same way".into(),
        0 => "given up without a retry".into(),
        1 => "given up after 1 retry".into(),
        retries => format!("given up after {retries} retries"),
    }
}

/// Trusts the certificates of a file as well.
///
/// # Errors
///
/// The file has none.
pub fn tls(ca: &Path) -> Result<TlsClient, String> {
    TlsClient::builder().ca_file(ca).build().map_err(|error| format!("--ca {}: {error}", ca.display()))
}

/// A proxy, or those of the environment.
///
/// # Errors
///
/// It is no URL of an HTTP proxy.
pub fn proxy(text: &str) -> Result<Proxy, String> {
    let proxy = if text == "env" { Proxy::from_env() } else { Proxy::new(text) };
    proxy.map_err(|error| format!("--proxy {}: {error}", without_password(text)))
}

/// A URL to be shown, or what was typed in the place of one.
pub fn without_password(url: &str) -> String {
    let is_scheme = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let (scheme, authority, rest) = match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (format!("{scheme}://"), authority, rest)
        }
        // A path has no password.
        _ if url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("ws+unix:")) => return url.into(),
        // A proxy may be typed without its scheme: `user:password@host`.
        _ => (String::new(), url, ""),
    };
    match authority.rsplit_once('@') {
        Some((userinfo, host)) => {
            let user = userinfo.split(':').next().unwrap_or_default();
            format!("{scheme}{user}@{host}{rest}")
        }
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("ws://ann:secret@h:1/p?q@r"), "ws://ann@h:1/p?q@r");
        assert_eq!(without_password("ws://h/p@x:y"), "ws://h/p@x:y");
        assert_eq!(without_password("me:secret@p:bad"), "me@p:bad");
        assert_eq!(without_password("me:se/cr://et@p"), "me@p");
        assert_eq!(without_password("ws+unix:/run/a:b@c:/p"), "ws+unix:/run/a:b@c:/p");
        assert_eq!(without_password("localhost:80"), "localhost:80");
        assert!(!proxy("me:secret@p:bad").unwrap_err().contains("secret"));
        assert!(!proxy("socks9://ann:secret@h").unwrap_err().contains("secret"));
    }
}
