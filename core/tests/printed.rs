//! What ends up in logs: errors in words, and values without secrets.

use std::collections::BTreeSet;

use sansws::handshake::{Argument, Extensions, Fault, Field, HandshakeError, HeaderStorage, server};
use sansws::{
    CloseCode, Config, Connection, InvalidUtf8, OutputFull, ProtocolError, Rsv, SendError, UriError,
};

const PROTOCOL: [ProtocolError; 21] = [
    ProtocolError::ReservedBits,
    ProtocolError::ReservedOpcode,
    ProtocolError::MaskMissing,
    ProtocolError::MaskUnexpected,
    ProtocolError::LengthNotMinimal,
    ProtocolError::LengthTooLarge,
    ProtocolError::ControlFragmented,
    ProtocolError::ControlTooLong,
    ProtocolError::ContinuationUnexpected,
    ProtocolError::ContinuationExpected,
    ProtocolError::InvalidUtf8,
    ProtocolError::InvalidCloseLength,
    ProtocolError::InvalidCloseCode,
    ProtocolError::InvalidCloseReason,
    ProtocolError::FrameTooBig,
    ProtocolError::MessageTooBig,
    ProtocolError::TooManyFragments,
    ProtocolError::InvalidDeflate,
    ProtocolError::CompressionUnsupported,
    ProtocolError::OutOfMemory,
    ProtocolError::Application(CloseCode::POLICY_VIOLATION),
];

const SEND: [SendError; 9] = [
    SendError::NotOpen,
    SendError::OutputFull,
    SendError::MessageInProgress,
    SendError::ControlTooLong,
    SendError::ReasonTooLong,
    SendError::InvalidCloseCode,
    SendError::TooLong,
    SendError::NoExtension,
    SendError::NoMaskingKey,
];

const URI: [UriError; 6] = [
    UriError::Scheme,
    UriError::Fragment,
    UriError::UserInfo,
    UriError::Host,
    UriError::Port,
    UriError::Resource,
];

const FAULTS: [Fault; 5] =
    [Fault::Missing, Fault::Repeated, Fault::Invalid, Fault::Unexpected, Fault::NotOffered];

const FIELDS: [Field; 12] = [
    Field::Host,
    Field::Upgrade,
    Field::Connection,
    Field::ContentLength,
    Field::TransferEncoding,
    Field::Protocol,
    Field::Origin,
    Field::Key,
    Field::Version,
    Field::Accept,
    Field::Subprotocol,
    Field::Extensions,
];

const ARGUMENTS: [Argument; 9] = [
    Argument::HeaderName,
    Argument::HeaderValue,
    Argument::ReservedHeader,
    Argument::Authority,
    Argument::Resource,
    Argument::Subprotocol,
    Argument::Extensions,
    Argument::Status,
    Argument::ExtendedConnect,
];

fn handshake_errors() -> Vec<HandshakeError> {
    let mut errors = vec![
        HandshakeError::HeadTooLong,
        HandshakeError::StartLineTooLong,
        HandshakeError::TooManyHeaders,
        HandshakeError::MalformedHead,
        HandshakeError::HttpVersion,
        HandshakeError::Method,
        HandshakeError::MethodUnknown,
        HandshakeError::TransferCoding,
        HandshakeError::Rejected(403),
        HandshakeError::TooManyInterim,
        HandshakeError::Target,
        HandshakeError::Content,
        HandshakeError::OriginNotAllowed,
        HandshakeError::ResourceNotFound,
        HandshakeError::Status(404),
    ];
    for field in FIELDS {
        for fault in FAULTS {
            errors.extend([HandshakeError::Request(field, fault), HandshakeError::Response(field, fault)]);
        }
    }
    errors
}

/// Nothing is said twice, and everything in words.
#[track_caller]
fn assert_told_apart(texts: impl IntoIterator<Item = String>) {
    let mut said = BTreeSet::new();
    for text in texts {
        assert!(text.split(' ').count() >= 3, "{text:?}");
        assert!(said.insert(text.clone()), "said twice: {text}");
    }
}

#[test]
fn each_error_has_its_own_words() {
    assert_told_apart(PROTOCOL.map(|error| error.to_string()));
    assert_told_apart(SEND.map(|error| error.to_string()));
    assert_told_apart(URI.map(|error| error.to_string()));
    let arguments = ARGUMENTS.map(|argument| HandshakeError::Argument(argument).to_string());
    assert_told_apart(handshake_errors().iter().map(ToString::to_string).chain(arguments));
    assert_eq!(ProtocolError::ReservedBits.to_string(), "a reserved bit is set (RFC 6455 §5.2)");
    assert_eq!(InvalidUtf8.to_string(), "invalid UTF-8 (RFC 6455 §8.1)");
    let rejected = HandshakeError::Rejected(403).to_string();
    assert!(rejected.starts_with("the application rejected the request with status 403 (RFC "), "{rejected}");
    let status = HandshakeError::Status(404).to_string();
    assert!(status.starts_with("the status of the response is 404, not 101 (RFC "), "{status}");
    assert_eq!(OutputFull.to_string(), "the output has no room for the whole frame");
    assert_eq!(HandshakeError::from(OutputFull).to_string(), OutputFull.to_string());
}

#[test]
fn what_the_peer_did_comes_with_the_section_it_broke() {
    for error in handshake_errors() {
        assert!(
            error.to_string().ends_with(&format!(" (RFC {} §{})", error.rfc(), error.section())),
            "{error}"
        );
    }
    // What the caller gave to be written did not break the RFC on the wire.
    assert!(!HandshakeError::Argument(Argument::HeaderName).to_string().contains('§'));
}

#[test]
fn a_handshake_error_names_the_section_that_says_so() {
    use HandshakeError::{Request, Response};
    for (error, section) in [
        (HandshakeError::HeadTooLong, "10.4"),
        (HandshakeError::TooManyHeaders, "10.4"),
        (HandshakeError::MalformedHead, "4"),
        (HandshakeError::HttpVersion, "4.1"),
        (HandshakeError::Method, "4.2.1"),
        (HandshakeError::Target, "3"),
        (HandshakeError::Content, "4.2.1"),
        (HandshakeError::OriginNotAllowed, "10.2"),
        (HandshakeError::ResourceNotFound, "4.2.2"),
        (HandshakeError::Status(404), "4.1"),
        (HandshakeError::OutputFull, "4"),
        (HandshakeError::Argument(Argument::Extensions), "9.1"),
        (HandshakeError::Argument(Argument::Subprotocol), "4"),
        (Request(Field::Version, Fault::Missing), "4.4"),
        (Request(Field::Extensions, Fault::Invalid), "9.1"),
        (Request(Field::Key, Fault::Invalid), "4.2.1"),
        (Response(Field::Extensions, Fault::Invalid), "9.1"),
        (Response(Field::Extensions, Fault::NotOffered), "4.1"),
        (Response(Field::Accept, Fault::Invalid), "4.1"),
    ] {
        assert_eq!((error.rfc(), error.section()), (6455, section), "{error:?}");
    }
    // Rules of other documents name these.
    for (error, rfc, section) in [
        (HandshakeError::StartLineTooLong, 9112, "3"),
        (HandshakeError::MethodUnknown, 9110, "9.1"),
        (HandshakeError::TransferCoding, 9112, "6.1"),
        (HandshakeError::TooManyInterim, 9110, "15.2"),
        (Request(Field::ContentLength, Fault::Invalid), 9112, "6.3"),
        (Request(Field::TransferEncoding, Fault::Unexpected), 9112, "6.3"),
        (Request(Field::Protocol, Fault::Invalid), 8441, "5"),
        (Request(Field::Upgrade, Fault::Unexpected), 9113, "8.2.2"),
    ] {
        assert_eq!((error.rfc(), error.section()), (rfc, section), "{error:?}");
    }
    for error in URI {
        assert_eq!(error.section(), "3");
    }
}

#[test]
fn a_status_code_is_its_number() {
    for number in [0, 1000, 4999, u16::MAX] {
        let code = CloseCode::from(number);
        assert_eq!((code.get(), u16::from(code), code.to_string()), (number, number, number.to_string()));
    }
}

#[test]
fn a_connection_shows_role_and_state_and_nothing_of_what_was_said() {
    let mut connection = Connection::client(&Config::default(), || *b"KEYS");
    assert_eq!(format!("{connection:?}"), "Connection { role: Client, state: Open, .. }");
    connection.fail(CloseCode::NORMAL);
    assert_eq!(format!("{connection:?}"), "Connection { role: Client, state: Failed, .. }");
}

#[test]
fn reserved_bits_are_shown_as_they_stand() {
    for (rsv, shown) in [
        (Rsv::NONE, "Rsv(000)"),
        (Rsv::RSV1, "Rsv(100)"),
        (Rsv::RSV2, "Rsv(010)"),
        (Rsv::RSV3, "Rsv(001)"),
        (Rsv::RSV1 | Rsv::RSV3, "Rsv(101)"),
    ] {
        assert_eq!(format!("{rsv:?}"), shown);
    }
}

#[test]
fn headers_are_shown_without_credentials() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: id=1\r\nX: \xff\r\nAUTHORIZATION: Basic cGFzcw==\r\n\
        Proxy-Authorization: Basic cGFzcw==\r\nSet-Cookie: id=2\r\nX: y\r\n\r\n";
    let mut storage = HeaderStorage::<8>::default();
    assert_eq!(format!("{storage:?}"), "HeaderStorage { capacity: 8, .. }");
    let (request, _) = server::Request::parse(head, &mut storage).unwrap().unwrap();
    let headers = request.headers();
    assert_eq!(
        format!("{headers:?}"),
        "{\"Host\": \"a\", \"Cookie\": \"...\", \"X\": \"\\xff\", \"AUTHORIZATION\": \"...\", \
         \"Proxy-Authorization\": \"...\", \"Set-Cookie\": \"...\", \"X\": \"y\"}"
    );
    assert_eq!(format!("{:?}", headers.all("x")), "[\"\\xff\", \"y\"]");
}

#[test]
fn extensions_are_shown_as_a_list() {
    let extensions = Extensions::parse("a; b=\"c\", d").unwrap();
    assert_eq!(
        format!("{extensions:?}"),
        "[Extension { name: \"a\", params: \"; b=\\\"c\\\"\" }, Extension { name: \"d\", params: \"\" }]"
    );
}

#[cfg(feature = "std")]
#[test]
fn as_errors_of_io_they_have_a_kind_and_keep_their_words() {
    use std::io::{Error, ErrorKind};

    let check = |error: Error, kind: ErrorKind, words: String| {
        assert_eq!((error.kind(), error.to_string()), (kind, words));
    };
    for error in PROTOCOL {
        check(error.into(), ErrorKind::InvalidData, error.to_string());
    }
    for error in handshake_errors() {
        check(error.into(), ErrorKind::InvalidData, error.to_string());
    }
    for error in ARGUMENTS.map(HandshakeError::Argument) {
        check(error.into(), ErrorKind::InvalidInput, error.to_string());
    }
    check(HandshakeError::OutputFull.into(), ErrorKind::StorageFull, OutputFull.to_string());
    for error in URI {
        check(error.into(), ErrorKind::InvalidInput, error.to_string());
    }
    for error in SEND {
        let kind = match error {
            SendError::NotOpen => ErrorKind::NotConnected,
            SendError::OutputFull => ErrorKind::StorageFull,
            SendError::NoMaskingKey => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        };
        check(error.into(), kind, error.to_string());
    }
    check(OutputFull.into(), ErrorKind::StorageFull, OutputFull.to_string());
}
