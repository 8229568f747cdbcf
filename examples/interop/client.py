"""Python's websockets as a client of the demo: `client.py ws://HOST:PORT PID`. PID is the demo's; the last case ends it."""

import asyncio
import os
import signal
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

CASE_LIMIT = 15  # seconds
MIB = 1 << 20
URL, DEMO = sys.argv[1], int(sys.argv[2])


def pattern(length):
    return bytes((i * 31 + (i >> 8)) & 0xFF for i in range(length))


def equal(actual, expected):
    def show(value):
        return f"{type(value).__name__} of {len(value)}" if isinstance(value, (str, bytes)) and len(value) > 80 else repr(value)

    assert actual == expected and type(actual) is type(expected), f"{show(actual)} instead of {show(expected)}"


def dial(path="/echo", **options):
    return connect(URL + path, max_size=16 * MIB, proxy=None, ping_interval=None, **options)


async def echoes(message, sent=None):
    async with dial() as ws:
        await ws.send(message if sent is None else sent)
        equal(await ws.recv(), message)


async def fragments():
    text = ["one ", "two ", "", "añ🦀", " three"]
    await echoes("".join(text), text)


async def fragments_binary():
    payload = pattern(70_000)
    await echoes(payload, [payload[:30_000], payload[30_000:]])


async def order():
    sent = [f"message {i}" for i in range(1000)]
    async with dial() as ws:
        # Sent while echoes are read: neither end waits for the other for ever.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send_all(ws, sent))
            equal([await ws.recv() for _ in sent], sent)


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


async def ping():
    async with dial() as ws:
        # The wait is over when a Pong with this payload came.
        await (await ws.ping(pattern(125)))


async def subprotocol(offered, expected):
    async with dial(subprotocols=offered) as ws:
        equal(ws.subprotocol, expected)


async def refused(status, path="/echo", **options):
    try:
        async with dial(path, **options):
            raise AssertionError("accepted")
    except InvalidStatus as error:
        equal(error.response.status_code, status)


async def close(code):
    async with dial() as ws:
        await ws.close(code, f"bye {code}")
        equal(ws.protocol.close_rcvd.code, code)


async def close_without_status():
    async with dial() as ws:
        async with ws.send_context():
            ws.protocol.send_close()
        await ws.wait_closed()
        equal(int(ws.protocol.close_rcvd.code), 1005)


async def closed_by_peer(code, provoke):
    async with dial() as ws:
        await provoke(ws)
        try:
            raise AssertionError(f"a message: {await ws.recv()!r}")
        except ConnectionClosed as error:
            equal(int(error.rcvd.code), code)
            assert error.rcvd_then_sent, "the demo was to close first"


async def send_bad_text(ws):
    await ws.send(b"a\xff", text=True)


async def end_demo(_):
    os.kill(DEMO, signal.SIGTERM)


CASES = {
    "text": lambda: echoes("hello, añ🦀"),
    "empty text": lambda: echoes(""),
    "binary": lambda: echoes(bytes(range(256))),
    "1 MiB of text": lambda: echoes("ß" * (MIB // 2)),
    "1 MiB of binary": lambda: echoes(pattern(MIB)),
    "fragments of a text": fragments,
    "fragments of a binary message": fragments_binary,
    "many messages keep their order": order,
    "a Ping gets its Pong": ping,
    "subprotocol": lambda: subprotocol(["other", "echo.v1"], "echo.v1"),
    "a subprotocol that the demo does not know": lambda: subprotocol(["other"], None),
    "a path that the demo does not know": lambda: refused(404, "/nowhere"),
    "a foreign Origin": lambda: refused(403, origin="http://evil.example"),
    "Close 1000 comes back": lambda: close(1000),
    "Close 1001 comes back": lambda: close(1001),
    "Close 3000 comes back": lambda: close(3000),
    "Close 4999 comes back": lambda: close(4999),
    "Close without status comes back": close_without_status,
    "not UTF-8 is answered with Close 1007": lambda: closed_by_peer(1007, send_bad_text),
    "Close 1001 when the demo ends": lambda: closed_by_peer(1001, end_demo),
}


async def main():
    failed = False
    for name, test in CASES.items():
        try:
            await asyncio.wait_for(test(), CASE_LIMIT)
            print(f"ok websockets client: {name}", flush=True)
        except Exception as error:  # whatever it is, the case failed
            failed = True
            print(f"FAILED websockets client: {name}: {type(error).__name__} {error}", flush=True)
    return failed


sys.exit(asyncio.run(main()))
