//! The heapless echo, whole.

#![cfg_attr(target_os = "none", no_std, no_main)]

sansws_example_flash::image!(sansws_example_no_alloc::serve);
