//! What a connection keeps.

use super::*;

/// At most the two windows, and without context takeover nothing.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn a_connection_keeps_its_windows_and_nothing_else() {
    for (bits, takeover) in [(9, true), (12, true), (15, true), (12, false)] {
        let agreed = DeflateParams::new()
            .server_max_window_bits(bits)
            .client_max_window_bits(bits)
            .server_no_context_takeover(!takeover)
            .client_no_context_takeover(!takeover);
        let (mut server, mut client) = (End::server(&agreed), End::client(&agreed));
        assert_eq!(server.compression.memory(), 0, "before the first message");
        for len in [100, 1000, 100_000, 10] {
            let payload: Vec<u8> = (0..len).map(|i: u32| (i % 251 * (i % 7)) as u8).collect();
            let wire = client.send(Message::Binary(&payload));
            assert_eq!(server.receive(&wire).len(), 1);
            let wire = server.send(Message::Binary(&payload));
            assert_eq!(client.receive(&wire).len(), 1);
            let memory = server.compression.memory();
            let most = if takeover { 2 << bits } else { 0 };
            assert!(memory <= most, "{memory} with {bits} bits");
            assert!(client.compression.memory() <= most);
        }
        assert!(!takeover || server.compression.memory() == 2 << bits);
    }
    assert!(size_of::<Compression>() <= 160, "{}", size_of::<Compression>());
}

/// A message that is arriving takes a decompressor, until it is whole.
#[test]
fn a_message_that_is_arriving_has_a_decompressor() {
    let mut server = End::server(&DeflateParams::new().client_max_window_bits(9));
    assert_eq!(server.receive(&frame(0x41, &[0xf2, 0x48, 0xcd])), []);
    let memory = server.compression.memory();
    assert!((8000..14_000).contains(&memory), "{memory}");
    assert_eq!(server.receive(&frame(0x80, &[0xc9, 0xc9, 0x07, 0x00])), [text("Hello")]);
    assert_eq!(server.compression.memory(), 512);
}
