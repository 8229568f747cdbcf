//! How the servers have large buffers returned to the operating system.
//!
//! The one file of this crate with `unsafe` code.

/// Keeps the allocator's threshold for large blocks at 128 KiB, on Linux with glibc; elsewhere it
/// does nothing. Call it before threads are started.
///
/// glibc takes a block of at least that size from the system by `mmap` and returns it when it is
/// freed. Unless the threshold is set, each larger block that is freed raises it to its own size, up to
/// 32 MiB. From then on smaller blocks come from the heap, which shrinks at its end only: what is freed
/// below a block in use stays with the process.
///
/// Measured after 20 bursts of 60 connections that each sent 100 kB to 3 MB of a message and left:
///
/// | | resident |
/// |---|---:|
/// | the server at its start | 4.0 MB |
/// | after the bursts, nobody connected, without this call | 56.6 MB |
/// | likewise, with it | 7.6 to 9.2 MB |
///
/// To reproduce: `cargo build --release && target/release/attack --only unfinished-burst`, whose bursts are
/// smaller, leaves 0.3 to 2.6 MiB, and 12 to 17 MiB without this call, which is more than it allows.
///
/// The price is page faults: an echo of 8 MiB takes 10 ms of CPU time instead of 3, one of 3 MiB 1.8 ms
/// instead of 1.7, shorter ones as long as before.
///
/// A library does not change the allocator of its program, so `sansws-mio` leaves it alone
/// (`Settings::max_incomplete_bytes` has what else a server can do). An environment variable that sets
/// the threshold has the same effect for a server that cannot be changed.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const THRESHOLD: libc::c_int = 128 << 10;
        // SAFETY: `mallopt` takes two integers and no pointer, and sets a parameter of the allocator
        // under the allocator's own lock. It changes where later blocks come from and no block that
        // exists. An unknown parameter or value is refused with 0, which leaves all as it is.
        #[expect(unsafe_code, reason = "no safe interface has it")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
        }
    }
}
