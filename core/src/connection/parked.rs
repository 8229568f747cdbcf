//! The small form of an idle connection.

use core::fmt;

use super::{Config, Connection, Role, State};
use crate::mask::MaskingKey;

/// An idle [`Connection`], in 32 bytes instead of about 370.
///
/// Between two messages a connection has nothing to keep but its role and its limits. A server with
/// many connections parks them between reads and needs as many whole ones as it reads at a time:
/// one for each thread.
///
/// ```
/// use sansws::{Config, Connection, Parked};
///
/// let mut table: Vec<Result<Parked, Connection>> = Vec::new(); // without a heap: an array
/// table.push(Connection::server(&Config::default()).park());
/// assert!(size_of::<Parked>() <= 32);
///
/// // Bytes arrive for connection 0.
/// let mut connection = match table.swap_remove(0) {
///     Ok(parked) => parked.unpark(),
///     Err(connection) => connection,
/// };
/// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f";
/// let mut input = &mut bytes[..];
/// assert!(connection.receive(&mut input).is_some());
/// table.push(connection.park());
/// assert!(table[0].is_err(), "a message is in progress");
/// ```
///
/// A connection that is closing is not idle and cannot be parked.
#[derive(Clone)]
pub struct Parked<K = fn() -> MaskingKey> {
    masking_keys: Option<K>,
    config: Config,
}

impl<K> Parked<K> {
    /// Returns the connection to its full form.
    #[must_use]
    #[inline]
    pub fn unpark(self) -> Connection<K> {
        Connection::with_masking_keys(&self.config, self.masking_keys)
    }

    /// Returns which end this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        if self.masking_keys.is_some() { Role::Client } else { Role::Server }
    }
}

impl<K> Connection<K> {
    /// Returns whether the connection is open and between two messages in both directions, with
    /// nothing of the input left over and nothing owed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Open
            && self.receiver.is_between_messages()
            && self.sender.message.is_none()
            && !self.sender.owes_anything()
    }

    /// Reduces an [idle](Self::is_idle) connection to its small form.
    ///
    /// # Errors
    ///
    /// The connection itself, if it is not idle.
    #[expect(clippy::result_large_err, reason = "the error is the connection")]
    pub fn park(self) -> Result<Parked<K>, Self> {
        if self.is_idle() {
            Ok(Parked { config: *self.receiver.config(), masking_keys: self.masking_keys })
        } else {
            Err(self)
        }
    }
}

impl<K> fmt::Debug for Parked<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").field("role", &self.role()).finish_non_exhaustive()
    }
}
