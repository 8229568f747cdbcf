//! Ctrl-C and SIGTERM: the first asks for the closing handshake, the second ends the program.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `told` on a thread of its own when the first signal comes, where it may block; whoever signals twice does not want to wait.
///
/// The flag is set from then on.
///
/// # Errors
///
/// Those of the operating system.
pub fn on_interrupt(told: impl FnOnce() + Send + 'static) -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut told = Some(told);
        for signal in signals.forever() {
            flag.store(true, Ordering::Relaxed);
            // Not here: if it blocked, the second signal would not be read.
            let is_told = told
                .take()
                .is_some_and(|told| thread::Builder::new().name("interrupt".into()).spawn(told).is_ok());
            if !is_told {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    })?;
    Ok(interrupted)
}
