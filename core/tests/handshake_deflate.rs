//! RFC 7692 §7.1: what a client takes for an answer to its offer of permessage-deflate.

use sansws::Config;
use sansws::handshake::client::{Offer, Response};
use sansws::handshake::{Fault, Field, HandshakeError, HeaderStorage};

/// What the client says to this list of extensions, having offered that one.
fn judge(offered: &str, chosen: &str) -> Result<(), HandshakeError> {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Extensions: {chosen}\r\n\r\n"
    );
    let mut storage = HeaderStorage::new();
    let (response, _) = Response::parse(head.as_bytes(), &mut storage)?.expect("a whole head");
    let offer = Offer::new("h", "/").extensions(Some(offered));
    response.accept(&offer, b"the sample nonce", &Config::default(), || [0; 4]).map(|_| ())
}

/// Rule R-7692-a. Attack A-14. RFC 7692 §7.1.
#[test]
fn permessage_deflate_answers_the_offer() {
    let invalid = Err(HandshakeError::Response(Field::Extensions, Fault::Invalid));
    let not_offered = Err(HandshakeError::Response(Field::Extensions, Fault::NotOffered));
    for (offered, chosen, result) in [
        ("permessage-deflate", "permessage-deflate", Ok(())),
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover", Ok(())),
        ("permessage-deflate", "permessage-deflate; client_no_context_takeover", Ok(())),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=8", Ok(())),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=\"15\"", Ok(())),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate", Ok(())),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            Ok(()),
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
            Ok(()),
        ),
        // It accepts the second offer.
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate", Ok(())),
        ("permessage-deflate", "permessage-deflate, permessage-deflate", invalid),
        ("permessage-deflate", "permessage-deflate, permessage-deflate; bogus=1", invalid),
        ("permessage-deflate", "permessage-deflate; bogus=1", invalid),
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover=1", invalid),
        ("permessage-deflate", "permessage-deflate; client_no_context_takeover=true", invalid),
        (
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            invalid,
        ),
        (
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            invalid,
        ),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=7", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=16", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=08", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=ten", invalid),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits", invalid),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=7",
            invalid,
        ),
        ("permessage-deflate", "permessage-deflate; client_max_window_bits=10", not_offered),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=10",
            not_offered,
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=11",
            not_offered,
        ),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate", not_offered),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate", not_offered),
        // Names of extensions are compared as they are.
        ("permessage-deflate", "Permessage-Deflate", not_offered),
    ] {
        assert_eq!(judge(offered, chosen), result, "{offered}: {chosen}");
    }
}
