//! Images for a Cortex-M3, of which `proofs/flash` takes the sizes. They are linked, not run.

#![no_std]

use core::hint::black_box;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use sansws_example_no_alloc::Stream;

static WAITING: AtomicUsize = AtomicUsize::new(0);
static RECEIVED: AtomicU8 = AtomicU8::new(0);
static SENT: AtomicU8 = AtomicU8::new(0);

/// A byte stream of which the compiler knows nothing: whatever may come from it stays in the image.
#[derive(Debug)]
pub struct Registers;

impl Stream for Registers {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let len = black_box(&WAITING).load(Ordering::Relaxed).min(buffer.len());
        for byte in &mut buffer[..len] {
            *byte = black_box(&RECEIVED).load(Ordering::Relaxed);
        }
        len
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            black_box(&SENT).store(*byte, Ordering::Relaxed);
        }
    }
}

/// Makes a program of a function that serves a stream: an image on bare metal, and for a host one
/// that ends at once, so that the whole workspace builds.
#[macro_export]
macro_rules! image {
    ($serve:path) => {
        #[cfg(target_os = "none")]
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            loop {}
        }

        /// The vector table of `flash.x` has its address.
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        extern "C" fn reset() -> ! {
            loop {
                $serve(&mut $crate::Registers);
            }
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            $serve(&mut $crate::Registers);
        }
    };
}
