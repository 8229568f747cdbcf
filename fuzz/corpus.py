#!/usr/bin/env python3
"""Writes the seed corpus: the examples of RFC 6455 §5.7 and §1.3, and one seed for each thing that is easily missed."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"
KEY = bytes.fromhex("37fa213d")


def frame(first, payload=b"", key=KEY):
    mask_bit = 0x80 if key else 0
    if len(payload) < 126:
        head = bytes([first, mask_bit | len(payload)])
    elif len(payload) < 65536:
        head = bytes([first, mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head = bytes([first, mask_bit | 127]) + struct.pack(">Q", len(payload))
    if key:
        payload = key + bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))
    return head + payload


def close(code, reason=b"", key=KEY):
    return frame(0x88, struct.pack(">H", code) + reason, key)


def stream(flags, cuts, *frames):
    return bytes([flags, len(cuts), *cuts]) + b"".join(frames)


CLIENT, TINY, COMPRESSION, LONG = 1, 2, 4, 0x80
CRAB = "añ🦀".encode()
REQUEST = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
)
NONCE = b"the sample nonce"


def opening(chosen, *fields):
    return bytes([chosen]) + NONCE + b"\x1f".join(fields)


# Of `session`: who does it, what, and with what.
C, S = b"\0", b"\1"
TRANSMIT, WITHOUT_STATUS, EOF = b"\x0b", b"\x08", b"\x0d"
ALL = 255
TEXT, BINARY, LAST = 0x00, 0x80, 0x40


def counted(payload):
    return bytes([len(payload)]) + payload


def message(payload, kind=TEXT, means=0):
    return bytes([kind | means]) + counted(payload)


def fragment(payload, flags=TEXT, compressed=False):
    return bytes([flags | (4 if compressed else 3)]) + counted(payload)


def deliver(count):
    return bytes([10, count])


def closing(code, reason=b""):
    return b"\x07" + struct.pack("<H", code) + counted(reason)


# The later operations.
PARK, CLONE, ECHO = b"\x30", b"\x31", b"\x39"
VECTOR, SLICE, RING, DYN = 0, 1, 2, 129  # `dyn` of the first of them, then of the second, the third


def refuse(pattern):
    return bytes([0x32, pattern])


def output(kind):
    return bytes([0x33, kind])


def fragment_by_header(payload, flags=TEXT, compressed=False):
    return bytes([flags | (0x35 if compressed else 0x34)]) + counted(payload)


def session(flags, *operations, limits=(255, 255, 255)):
    return bytes([flags, *limits]) + b"".join(operations)


SEEDS = {
    "frame_header": {
        "hello": frame(0x81, b"Hello", None),
        "hello-masked": frame(0x81, b"Hello"),
        "medium": frame(0x82, bytes(256), None)[:4],
        "long": frame(0x82, bytes(65536))[:14],
        "longest": b"\x02\x7f\x7f" + b"\xff" * 7,
        "too-long": b"\x02\x7f\x80" + bytes(7),
        "not-minimal": b"\x82\x7e\x00\x7d",
        "ping-fragmented": b"\x09\x00",
        "rsv": b"\xf2\x80" + KEY,
    },
    "receive": {
        "messages": stream(0, [3, 7], frame(0x81, CRAB), frame(0x82, bytes(range(200))), frame(0x81)),
        "messages-to-client": stream(CLIENT, [5], frame(0x81, CRAB, None), frame(0x82, bytes(130), None)),
        "fragments": stream(0, [2], frame(0x01, CRAB[:2]), frame(0x89, b"in between"), frame(0x00, CRAB[2:5]), frame(0x00), frame(0x80, CRAB[5:])),
        "close": stream(0, [4], frame(0x8A, b"unasked"), close(3000, "tschüß".encode()), frame(0x81, b"after")),
        "close-empty": stream(CLIENT, [], frame(0x88, b"", None)),
        "close-1005": stream(0, [], close(1005)),
        "close-bad-reason": stream(0, [9], close(1000, b"\xff")),
        "close-one-byte": stream(0, [], frame(0x88, b"\x03")),
        "not-utf8": stream(0, [6], frame(0x01, b"fine so far"), frame(0x80, b"\xed\xa0\x80")),
        "cut-code-point": stream(CLIENT, [3], frame(0x81, b"\xf0\x9f\xa6", None)),
        "limits": stream(TINY, [8], frame(0x01, bytes(20)), frame(0x00, b"1234567890"), frame(0x80), frame(0x82, bytes(20))),
        "limits-frame": stream(TINY, [8], frame(0x82, bytes(21))),
        "limits-message": stream(TINY, [8], frame(0x02, bytes(20)), frame(0x80, bytes(11))),
        "limits-fragments": stream(TINY, [], *[frame(0x02)] + [frame(0x00)] * 3),
        "compressed": stream(COMPRESSION, [5], frame(0x41, b"\xf2\x48\xcd"), frame(0x89), frame(0x80, b"\xc9\xc9\x07\x00")),
        "compressed-header-alone": stream(COMPRESSION, [6], frame(0x41, b"\xf2\x48\xcd"), frame(0x80)),
        "compressed-control": stream(COMPRESSION | CLIENT, [], frame(0xC9, b"", None)),
        "compressed-unasked": stream(0, [], frame(0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")),
        "unmasked": stream(0, [], frame(0x81, b"Hello", None)),
        "masked": stream(CLIENT, [], frame(0x81, b"Hello")),
        "long": stream(0, [255], frame(0x82, bytes(65536))[:400]),
        "interleaved": stream(0, [], frame(0x01, b"a"), frame(0x81, b"b")),
        "nothing-to-continue": stream(0, [], frame(0x80, b"a")),
        "into-place": stream(LONG, [200, 31], b"\x82\xff" + struct.pack(">Q", 140_000) + KEY),
        "into-place-to-client": stream(LONG | CLIENT, [255, 3], b"\x01\x7f" + struct.pack(">Q", 100_000) + CRAB),
        "into-place-announced-and-not-sent": stream(0, [7], b"\x82\xff" + struct.pack(">Q", 8 << 20) + KEY + bytes(40)),
        "into-place-fragments": stream(0, [8, 3, 1], frame(0x01, CRAB * 4), frame(0x00, CRAB[:3]), frame(0x89, b"in between"), frame(0x80, CRAB[3:] + CRAB)),
        "into-place-not-utf8": stream(0, [9, 2], frame(0x81, CRAB * 3 + b"\xf0\x9f\x41")),
        "shorter-than-a-slice": stream(0, [8, 1], frame(0x02, bytes(9)), frame(0x80), frame(0x02, b"twelve bytes"), frame(0x80)),
        "pings": stream(0, [1], *[frame(0x89, bytes([i]) * i) for i in range(0, 126, 25)]),
    },
    "session": {
        "talk": session(0, C, message(b"Hello"), S, message(CRAB), C, deliver(3), S, deliver(ALL), C, deliver(ALL), C, closing(1000, b"bye")),
        "means": session(0, C, message(b"a", BINARY, 1), S, message(b"b", TEXT, 1), C, message(b"c", TEXT, 2), S, b"\x02\xff", S, deliver(200)),
        "fragments": session(0, C, fragment(CRAB[:3]), C, b"\x05\x02hi", C, deliver(9), S, TRANSMIT, C, fragment(b"b", LAST), C, message(b"c")),
        "compressed": session(1, S, fragment(b"\xf2\x48", BINARY, True), S, fragment(b"\xcd", BINARY | LAST, True), S, message(b"plain")),
        "crossing": session(0, C, closing(3000, b"a"), S, closing(4999), C, deliver(ALL), S, deliver(ALL)),
        "no-room": session(0, C, b"\x05\x03abc", C, closing(1001), C, deliver(ALL), S, b"\x0c\x04", S, TRANSMIT, S, b"\x0c\x02", S, TRANSMIT),
        "limits": session(6, C, message(b"short"), S, message(bytes(21), BINARY), limits=(20, 15, 3)),
        "limits-fragments": session(4, *[C + fragment(b"", BINARY)] * 4, limits=(20, 15, 3)),
        "failed": session(0, S, message(b"in the air"), C, b"\x09\xf3\x03", S, deliver(ALL), C, TRANSMIT, C, deliver(ALL)),
        "eof": session(0, C, closing(1000), C, deliver(ALL), S, EOF, S, TRANSMIT, S, deliver(ALL), C, EOF),
        "corrupt": session(0, S, message(CRAB), S, b"\x0e\x03\x80", S, deliver(ALL), C, TRANSMIT),
        "cut-code-point": session(0, C, b"\x0f\xff" + counted(frame(0x81, b"a\xf0\x9f")), C, deliver(ALL), S, TRANSMIT, S, deliver(ALL)),
        "keys": session(0, *[C + message(bytes([i]) * i, BINARY, i % 3) for i in range(9)], C, b"\x05\x01k", C, closing(1000), C, deliver(ALL)),
        "keys-refused": session(0, C, refuse(0x55), *[C + message(b"again") + C + b"\x05\x00"] * 3, C, fragment(b"a"), C, fragment(b"a"), C, fragment(b"b", LAST)),
        "keys-refused-to-the-debts": session(0, S, b"\x05\x02hi", S, closing(1001, b"so"), S, deliver(ALL), C, refuse(0x03), C, TRANSMIT, C, TRANSMIT),
        "keys-refused-to-a-pong": session(0, S, b"\x05\x02hi", S, deliver(ALL), C, refuse(0x01), C, TRANSMIT, C, TRANSMIT),
        "parked": session(6, C, PARK, C, message(b"short"), C, PARK, C, deliver(3), S, PARK, C, deliver(ALL), S, PARK, C, message(bytes(21), BINARY), C, deliver(ALL), limits=(20, 15, 3)),
        "parked-limits": session(6, S, PARK, C, PARK, S, message(bytes(21), BINARY), S, deliver(ALL), C, TRANSMIT, limits=(20, 15, 3)),
        "parked-keys": session(0, C, message(b"1"), C, PARK, C, message(b"2"), C, fragment(b"3"), C, PARK, S, b"\x05\x00", S, deliver(ALL), C, fragment(b"", LAST), C, PARK, C, TRANSMIT, C, PARK),
        "cloned": session(0, C, fragment(b"a"), C, CLONE, C, fragment(b"b", LAST), S, CLONE, C, deliver(7), C, CLONE, C, message(b"c"), C, deliver(ALL), S, closing(1000), S, deliver(ALL)),
        "outputs": session(1, *[C + output(kind) + C + message(bytes(range(250)), BINARY) + C + fragment(CRAB, LAST) for kind in (VECTOR, SLICE, RING, DYN, DYN + 1, DYN + 2)]),
        "ring": session(0, C, output(RING), C, b"\x0c\x28", *[C + message(b"0123456789", BINARY)] * 9, S, output(RING), S, b"\x0c\x19", *[S + message(b"0123456789", BINARY)] * 5),
        "headers": session(1, C, fragment_by_header(CRAB[:3]), C, b"\x05\x00", C, fragment_by_header(CRAB[3:], LAST), S, fragment_by_header(b"\xf2\x48", BINARY, True), S, fragment_by_header(b"\xcd", BINARY | LAST, True)),
        "headers-too-long": session(1, C, b"\x37", C, b"\x36" + counted(b""), C, b"\x76" + counted(b""), S, fragment(b"a"), S, b"\x37", C, message(b"after", TEXT, 0x38)),
        "echo": session(0, S, ECHO, C, message(CRAB * 9), C, deliver(9), C, deliver(31), S, message(b"no"), C, fragment(b"\x00", BINARY), C, deliver(ALL), C, fragment(b"\x01", BINARY | LAST), C, deliver(ALL), S, deliver(ALL)),
        "echo-by-client": session(0, C, ECHO, *[C + output(kind) + S + message(CRAB * 3) + S + deliver(4) + S + deliver(9) + S + deliver(ALL) for kind in (VECTOR, RING, DYN, DYN + 2)]),
        "answer-chosen": session(0, C, closing(3000, b"why"), C, deliver(ALL), S, closing(4000, b"because"), S, TRANSMIT, S, deliver(ALL)),
        "answer-without-status": session(0, S, b"\x05\x00", S, closing(3000), S, deliver(ALL), C, WITHOUT_STATUS, C, WITHOUT_STATUS),
        "answer-echoed": session(0, C, closing(3000, "tschüß".encode()), C, deliver(ALL), S, TRANSMIT, S, deliver(ALL)),
        "answer-after-the-message": session(1, S, fragment(b"a", BINARY), C, closing(1000), C, deliver(ALL), S, message(b"no"), S, fragment(b"no"), S, fragment_by_header(b"b", BINARY), S, fragment(b"c", BINARY | LAST), S, fragment(b"no", BINARY), S, TRANSMIT),
        "failed-above": session(0, C, b"\x3a\x00", C, b"\x3a\x01", C, TRANSMIT, C, deliver(ALL), S, closing(1000), S, b"\x3a\x02"),
        "failed-above-with-a-code": session(0, C, b"\x09" + struct.pack("<H", 4001), C, TRANSMIT, C, deliver(ALL), S, TRANSMIT, S, b"\x09" + struct.pack("<H", 1005)),
        "insert": session(0, C, b"\x0f\xff" + counted(frame(0x81, b"Hello")), C, deliver(4), C, deliver(ALL), S, WITHOUT_STATUS),
    },
    "request": {
        "upgrade": b"\x10" + REQUEST + frame(0x81, b"Hello"),
        "absolute": b"\xa0" + REQUEST.replace(b"/chat?room=1", b"http://[::1]:8080/a?b"),
        "extensions": b"\x20" + REQUEST.replace(
            b"Origin", b'Sec-WebSocket-Extensions: permessage-deflate; a="b\\c"; d, x-y;z=1\r\nOrigin'
        ),
        "old-version": b"\x00" + REQUEST.replace(b": 13", b": 8"),
        "other-version": b"\x00" + REQUEST.replace(b": 13", b": 12"),
        "version-twice": b"\x00" + REQUEST.replace(b"Origin", b"Sec-WebSocket-Version: 13\r\nOrigin"),
        "post": b"\x00" + REQUEST.replace(b"GET", b"POST"),
        "http-1.0": b"\x00" + REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "http-1.i": b"\x00" + REQUEST.replace(b"HTTP/1.1", b"HTTP/1.i"),
        "head-behind-a-broken-line": b"\x30\n\r\n" + REQUEST.replace(b"GET", b"HEAD"),
        "no-host": b"\x00" + REQUEST.replace(b"Host", b"Hast"),
        "host-twice": b"\x00" + REQUEST.replace(b"Origin", b"Host: server.example.com\r\nOrigin"),
        "upgrade-list": b"\x00" + REQUEST.replace(b"websocket", b"h2c, WebSocket"),
        "other-upgrade": b"\x00" + REQUEST.replace(b"websocket", b"websockets"),
        "no-connection": b"\x00" + REQUEST.replace(b"keep-alive, Upgrade", b"keep-alive"),
        "short-key": b"\x00" + REQUEST.replace(b"25jZQ==", b"25jZA="),
        "key-of-15-bytes": b"\x00" + REQUEST.replace(b"25jZQ==", b"25j"),
        "key-twice": b"\x30" + REQUEST.replace(b"Origin", b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\nOrigin"),
        "lenient-key": b"\x30" + REQUEST.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"AQIDBAUGBwgJCgsMDQ4PEC=="),
        "content": b"\x30" + REQUEST.replace(b"Origin", b"Content-Length: 3\r\nOrigin"),
        "page": b"\x05GET / HTTP/1.0\r\n\r\n",
        "empty-lines": b"\x01\r\n\r\n" + REQUEST,
        "bare-lf": b"\x09GET / HTTP/1.1\nHost: a\n\n",
        "tab-in-target": b"\x00" + REQUEST.replace(b"GET /", b"GET /\t"),
        "tls": b"\x02\x16\x03\x01\x02\x00\x01\x00",
        "obsolete-fold": b"\x18GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    },
    "response": {
        "accepted": RESPONSE + frame(0x81, b"Hello", None),
        "extensions": RESPONSE.replace(b"chat", b"superchat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10"),
        "not-offered": RESPONSE.replace(b"chat", b"other"),
        "other-case": RESPONSE.replace(b"websocket", b"WebSocket").replace(b"Connection: Upgrade", b"connection:a,upgrade"),
        "upgrade-list": RESPONSE.replace(b"websocket", b"h2c, websocket"),
        "upgrade-twice": RESPONSE.replace(b"Connection", b"Upgrade: websocket\r\nConnection"),
        "no-connection": RESPONSE.replace(b"Connection: Upgrade", b"Connection: close"),
        "http-1.0": RESPONSE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "other-status": RESPONSE.replace(b"101", b"200"),
        "accept-twice": RESPONSE.replace(b"Sec-WebSocket-P", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-P"),
        "subprotocol-twice": RESPONSE.replace(b"Sec-WebSocket-P", b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-P"),
        "extension-not-offered": RESPONSE.replace(b"chat", b"chat\r\nSec-WebSocket-Extensions: permessage-bzip2"),
        "wrong-accept": RESPONSE.replace(b"s3pP", b"S3pP"),
        "early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + RESPONSE,
        "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nwhy?",
        "redirect": b"HTTP/1.1 302 \r\nLocation: wss://example.com/\r\n\r\n",
        "http-2": b"HTTP/2 101\r\n\r\n",
    },
    "opening": {
        "plain": opening(255, b"ws://server.example.com/chat"),
        "all": opening(
            1, b"wss://[2001:db8::1]:8443/a/b?c=d&e", b"ohttp://example.com", b"schat", b"ssuperchat", b"epermessage-deflate; x=1", b"hCookie=a=b"
        ),
        "chosen": opening(0x80, b"WS://user@localhost:80?q", b"secho.v1", b'ea-b; c="d\\"e", f'),
        "injection": opening(0, b"ws://localhost/", b"hX-A=b\r\nX-C: d", b"o\r\n"),
        "not-a-token": opening(0, b"ws://localhost/", b"sa b", b"s"),
    },
}

# Of `driver`: the accepted connection, or the dialled one; the first byte of a message tells the application what to do.
SMALL_QUEUE, SMALL_MESSAGES, ONE_READ, RAW_REQUEST, STREAMING, DROP, CLOSE = (1 << bit for bit in range(7))
DIALLED = 0x80
TURN, RESET, PEER_FIN, SPURIOUS = b"\x07", b"\x06", b"\x05", b"\x0d"
SEND, PUBLISH, CLOSE_BY_HANDLE = b"\x0a", b"\x0b", b"\x0c"
MANY, LARGE, FRAGMENT, LAST_FRAGMENT, READING, SUBSCRIBE = 1, 2, 3, 4, 9, 10


def arrives(bytes_):
    return b"\x00" + counted(bytes_)


def command(what, how_much=0, which=0):
    return bytes([which | 9, what, how_much])


def writes(*acts):
    return b"".join(bytes([3, act]) for act in acts)


def room(count):
    return bytes([2, count])


LIE, INTERRUPTED, BLOCK, ZERO, BREAK = range(251, 256)

SEEDS["driver"] = {
    "echo": b"\0" + arrives(frame(0x82, b"\x01" + bytes(9))) + TURN + arrives(frame(0x89, b"hi")) + arrives(close(1000)) + TURN,
    "in-pieces": b"\x10" + arrives(frame(0x01, CRAB[:3])[:5]) + TURN + arrives(frame(0x01, CRAB[:3])[5:]) + TURN + arrives(frame(0x80, CRAB[3:])) + TURN,
    "one-byte": b"\0" + writes(*[1] * 30) + command(MANY, 2) + writes(*[1] * 30) + SPURIOUS + TURN,
    "lie": b"\0" + writes(LIE, 3, LIE) + command(MANY, 3) + SPURIOUS + TURN + command(LARGE, 1) + TURN,
    "zero": b"\0" + writes(7, ZERO) + command(MANY, 3) + TURN,
    "interrupted": b"\x04" + b"\x04\x04" + writes(INTERRUPTED, 5, INTERRUPTED, BLOCK) + arrives(frame(0x81, b"\x01abc")) + TURN + SPURIOUS + TURN,
    "reset-while-writing": b"\0" + room(100) + command(LARGE, 2) + arrives(close(1001)) + RESET + TURN,
    "broken-pipe": b"\0" + writes(3, BREAK) + command(LARGE, 1) + arrives(frame(0x81, b"x")) + TURN,
    "congested": bytes([SMALL_QUEUE]) + room(50) + command(MANY, 15) + arrives(frame(0x89)) + TURN + room(255) + TURN,
    "congested-drop": bytes([SMALL_QUEUE | DROP]) + command(SUBSCRIBE) + room(50) + command(MANY, 9) + PUBLISH * 9 + TURN + room(255) + TURN + PUBLISH + TURN,
    "congested-close": bytes([SMALL_QUEUE | CLOSE]) + room(50) + command(MANY, 15) + TURN + room(255) + TURN,
    "held": b"\0" + command(SUBSCRIBE) + command(FRAGMENT, 9) + PUBLISH + SEND + TURN + command(LAST_FRAGMENT, 3) + TURN,
    "paused": b"\0" + command(READING) + arrives(frame(0x81, b"later")) + TURN + command(READING, 1) + TURN,
    "dialled": b"\0" + bytes([DIALLED | 1, 0x81]) + counted(b"\x01abc") + bytes([DIALLED | 7]) + command(6, 0, DIALLED) + bytes([DIALLED | 1, 0x88, 0]) + bytes([DIALLED | 5]) + TURN,
    "pings": b"\0" + arrives(frame(0x89, b"abc") * 20) + TURN,
    "close-echoed": b"\0" + arrives(close(3000, "tschüß".encode())) + TURN,
    "silence": b"\0" + bytes([8, 180]) + room(1) + bytes([8, 180, 8, 180]),
    "close-unanswered": b"\0" + CLOSE_BY_HANDLE + struct.pack("<H", 1000) + TURN + bytes([8, 80]),
    "close-unwritten-at-shutdown": b"\0" + room(2) + arrives(close(3322)) + b"\x0e\0",
    "shutdown": b"\0" + room(10) + command(MANY, 4) + bytes([14, 50, 8, 10]) + TURN,
    "fin": b"\0" + command(MANY, 4) + PEER_FIN + TURN,
    "request": bytes([RAW_REQUEST]) + arrives(REQUEST[:100]) + TURN + arrives(REQUEST[100:]) + arrives(frame(0x81, b"\x01")) + TURN,
    "bare-lf": bytes([RAW_REQUEST]) + arrives(b"GET\n\n") + TURN,
    "ping-behind-queue": bytes([SMALL_QUEUE]) + room(0) + command(MANY, 3) + bytes([1, 0x89]) + counted(b"p") + TURN,
    "close-behind-queue": bytes([SMALL_QUEUE]) + room(0) + command(MANY, 3) + bytes([1, 0x88]) + counted(b"\x03\xe8") + PEER_FIN + TURN,
    "ping-behind-both-closes": bytes([SMALL_QUEUE]) + room(0) + command(MANY, 3) + bytes([12, 0xe8, 3]) + TURN + bytes([1, 0x89]) + counted(b"p")
    + bytes([1, 0x88]) + counted(b"\x03\xe8") + TURN,
    "flood-behind-own-close": bytes([SMALL_QUEUE]) + room(0) + command(MANY, 3) + bytes([1, 0x89]) + counted(b"p") + TURN + bytes([12, 0xe8, 3]) + TURN
    + (bytes([1, 0x89]) + counted(b"p")) * 20 + TURN,
    "sent-behind-queue": bytes([SMALL_QUEUE]) + command(SUBSCRIBE) + room(0) + command(MANY, 3) + SEND * 3 + PUBLISH * 2 + TURN,
    "slow-while-closing": bytes([SMALL_QUEUE]) + room(0) + command(MANY, 15) + command(6) + bytes([8, 62]) + room(100) + TURN + bytes([8, 62]) + TURN,
    "page": bytes([RAW_REQUEST]) + room(20) + arrives(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") + TURN + PEER_FIN + room(255) + TURN,
}

# The same input; and where other engines differ.
SEEDS["differential"] = {name: seed for name, seed in SEEDS["receive"].items() if seed[0] & LONG == 0} | {
    "not-minimal": stream(0, [3], b"\x82\xfe\x00\x03" + KEY + b"abc", frame(0x89, b"after")),
    "close-1014": stream(CLIENT, [], close(1014, b"gateway", None)),
    "close-1004-bad-reason": stream(0, [], close(1004, b"\xff")),
    "frame-over-the-limit-unmasked": stream(TINY, [], frame(0x82, bytes(131), None)),
    "text-over-the-limit": stream(TINY, [50], frame(0x01, bytes(100)), frame(0x80, b"\xff" * 31)),
    "ends-between-fragments": stream(0, [], frame(0x01)),
    "ends-in-a-payload": stream(0, [], frame(0x01, b"a"), frame(0x80, b"abc")[:7]),
    "ends-in-a-close-of-one-byte": stream(0, [], frame(0x88, b"\x03")[:6]),
    "ends-in-a-key": stream(0, [], frame(0x82, b"abc")[:4]),
    "length-too-large": stream(0, [], b"\x82\xff\x80" + bytes(7) + KEY),
    "cut-code-point-and-empty": stream(CLIENT, [], frame(0x01, b"\xf0\x9f", None), frame(0x80, b"", None)),
}

for target, seeds in SEEDS.items():
    (HERE / target).mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (HERE / target / name).write_bytes(content)
