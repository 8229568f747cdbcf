//! TLS, between the socket and the opening handshake.

use std::io;

use crate::app::handler::Handler;
use crate::conn::ending::{By, Cause};
use crate::dial::dialling::Stage;
use crate::event_loop::driver::Driver;
use crate::kernel::transport::Transport;
use crate::state::slots::Phase;
use crate::target::connect::Connect;

impl<H: Handler> Driver<H> {
    /// RFC 6455 §4.1 (5): "If /secure/ is true, the client MUST perform a TLS handshake over the connection after opening the connection and
    /// before sending the handshake data".
    pub(crate) fn secure(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let socket = std::mem::replace(&mut slot.link.transport, Transport::None);
        match dialling.connect.secured(socket) {
            Ok(transport) => {
                slot.link.transport = transport;
                dialling.stage = Stage::Securing;
                self.go_on_securing(index);
            }
            Err(cause) => self.dial_failed(index, By::Local, cause),
        }
    }

    pub(crate) fn go_on_securing(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        match slot.link.transport.handshake() {
            Ok(true) => {
                // Bytes that came with the end of the handshake have been read, and no event will tell of them.
                slot.link.readable = true;
                self.send_request(index);
            }
            Ok(false) => {}
            Err(error) => self.dial_failed(index, By::Remote, Cause::of_transport(error)),
        }
    }
}

impl<S> Connect<S> {
    /// TLS over a connected socket.
    #[cfg(feature = "__tls")]
    fn secured(&self, socket: Transport) -> Result<Transport, Cause> {
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => crate::TlsClient::new().map_err(|error| Cause::Io(io::Error::other(error)))?,
        };
        tls.secure(&self.target.host, socket)
    }

    /// No target is secure without the feature.
    #[cfg(not(feature = "__tls"))]
    fn secured(&self, _: Transport) -> Result<Transport, Cause> {
        Err(Cause::Io(io::ErrorKind::Unsupported.into()))
    }
}
