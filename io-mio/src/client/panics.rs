//! Calls into the program, which may panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does this, which is the program's: whatever it is, the thread lives on. Returns whether it
/// panicked.
pub(crate) fn panics(call: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return false };
    // It is the program's too.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
    true
}
