//! From the command line to a connection that can be dialled.

use sansws_mio::{Connect, SlowConsumer};

use super::options::Options;
use crate::clients::connecting::{proxy, tls, without_password};

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
        connect = connect.tls(&tls(ca)?);
    }
    connect.check().map_err(|error| error.to_string())?;
    Ok(connect)
}
