//! From the command line to a connection that can be dialled.

use std::fmt::Display;

use sansws_mio::{Connect, Proxy, SlowConsumer, TlsClient};

use super::options::Options;

/// What is to be dialled.
///
/// # Errors
///
/// What is wrong with the options, before anything is tried.
pub(super) fn connect(options: &Options, url: &str) -> Result<Connect<()>, String> {
    let mut connect = Connect::url(url, ())
        .map_err(|error| format!("{}: {error}", without_password(url)))?
        .redirects(options.redirects.into())
        .connect_timeout(options.connect_timeout)
        .handshake_timeout(options.connect_timeout)
        .streaming(true)
        // Reading goes on while much is sent: a server that answers piece by piece would otherwise wait for us, and we for it.
        .slow_consumer(SlowConsumer::Drop);
    for (name, value) in &options.headers {
        connect = connect.header(name, value);
    }
    for name in &options.protocols {
        connect = connect.subprotocol(name);
    }
    if let Some(origin) = &options.origin {
        connect = connect.origin(origin);
    }
    if let Some(proxy) = &options.proxy {
        connect = connect.proxy(self::proxy(proxy)?);
    }
    if let Some(ca) = &options.ca {
        let tls = TlsClient::builder().ca_file(ca).build();
        connect = connect.tls(&tls.map_err(|error| format!("--ca {}: {error}", ca.display()))?);
    }
    connect.check().map_err(|error| error.to_string())?;
    Ok(connect)
}

fn proxy(text: &str) -> Result<Proxy, String> {
    let wrong = |error: &dyn Display| format!("--proxy {}: {error}", without_password(text));
    if text == "env" { Proxy::from_env() } else { Proxy::new(text) }.map_err(|error| wrong(&error))
}

/// A URL to be shown.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((userinfo, host)) => {
            let user = userinfo.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{}", &rest[authority.len()..])
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
        assert!(!proxy("socks9://ann:secret@h").unwrap_err().contains("secret"));
    }
}
