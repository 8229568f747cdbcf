//! The bytes come back as they are: an image without the engine.

#![cfg_attr(target_os = "none", no_std, no_main)]

use sansws_example_no_alloc::Stream;

fn serve(stream: &mut impl Stream) {
    let mut buffer = [0; 1024];
    while let len @ 1.. = stream.read(&mut buffer) {
        stream.write(&buffer[..len]);
    }
}

sansws_example_flash::image!(serve);
