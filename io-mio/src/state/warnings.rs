//! What an operator should see, but not for each of the peers that cause it.

use std::time::Duration;

/// The same warning does not come again within this time: a peer could fill a disk with them.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// What refuses connections and can be set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Warning {
    /// `Settings::origin`
    Origin,
    /// `Settings::max_connections`
    Connections,
    /// `Settings::max_connections_per_address`
    Address,
    /// `Settings::trusted_proxies`
    Announcement,
}

/// When a loop warned last, by kind.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    last: [Option<Duration>; 4],
}

impl Warnings {
    /// The level at which to log it: a warning now and then, the others for those who debug.
    pub(crate) fn level(&mut self, warning: Warning, now: Duration) -> log::Level {
        let Some(last) = self.last.get_mut(warning as usize) else { return log::Level::Debug };
        if last.is_some_and(|last| now < last.saturating_add(AGAIN_AFTER)) {
            return log::Level::Debug;
        }
        *last = Some(now);
        log::Level::Warn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level::{Debug, Warn};

    #[test]
    fn each_comes_once_in_a_while() {
        let mut warnings = Warnings::default();
        let mut level = |warning, at| warnings.level(warning, Duration::from_secs(at));
        assert_eq!(level(Warning::Origin, 0), Warn);
        assert_eq!(level(Warning::Origin, 599), Debug);
        assert_eq!(level(Warning::Connections, 1), Warn);
        assert_eq!(level(Warning::Address, 2), Warn);
        assert_eq!(level(Warning::Origin, 600), Warn);
        assert_eq!(level(Warning::Connections, 600), Debug);
        assert_eq!(level(Warning::Address, 602), Warn);
    }
}
