//! What happens to a connection that reads too slowly.

use sansws::CloseCode;

/// What happens to a *congested* connection: one for which more than
/// [`high_water`](crate::Settings::high_water) bytes wait until the kernel takes them. It stops
/// being congested at [`low_water`](crate::Settings::low_water); then
/// [`Handler::drained`](crate::Handler::drained) is called, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowConsumer {
    /// Nothing is read from it, so that it cannot ask for more. A message from elsewhere
    /// (published, or sent by another peer or a [`Handle`](crate::Handle)) that would take it over
    /// [`max_buffered`](crate::Settings::max_buffered) closes it with 1013: a gap is not hidden
    /// from the peer.
    #[default]
    Pause,
    /// Messages from elsewhere pass it by; [`Peer::take_dropped`](crate::Peer::take_dropped) counts
    /// them. Right for data of which only the latest matter: send that in `drained`.
    Drop,
    /// It is closed with this status code, such as [`TRY_AGAIN_LATER`](CloseCode::TRY_AGAIN_LATER)
    /// (1013). A code that must not be sent becomes 1013.
    Close(CloseCode),
}
