//! A request as the application sees it.

use std::ops::Deref;

use sansws::handshake::server;

use crate::conn::peer_addr::PeerAddr;

/// The head of an HTTP request, for a WebSocket or not, and who sent it.
///
/// Everything about the head (`path()`, `query()`, `header(..)`, `subprotocols()`, `origin()`, …)
/// is reached through [`sansws::handshake::server::Request`], to which this dereferences.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    head: &'a server::Request<'a, 'a>,
    remote: PeerAddr,
}

impl<'a> Request<'a> {
    pub(crate) fn new(head: &'a server::Request<'a, 'a>, remote: PeerAddr) -> Self {
        Self { head, remote }
    }

    /// Where the client is. Behind a proxy that is the proxy, unless it is one of
    /// [`Settings::trusted_proxies`](crate::Settings::trusted_proxies); then the port is 0 if it is
    /// not told.
    pub fn remote_addr(&self) -> PeerAddr {
        self.remote
    }
}

impl<'a> Deref for Request<'a> {
    type Target = server::Request<'a, 'a>;

    fn deref(&self) -> &Self::Target {
        self.head
    }
}
