"""Python's websockets as a server for `interop-dial` and wsc: `server.py [CERTIFICATE KEY]`, over TLS with these. The first line of output
is the port. What its paths do is in interop-dial."""

import asyncio
import ssl
import sys

from websockets.asyncio.server import serve

held = {}  # id → a future: how that connection was closed


async def handle(ws):
    _, what, *argument = ws.request.path.split("/")
    if what == "echo":
        async for message in ws:
            await ws.send(message)
    elif what == "fragments":
        await ws.send(["one ", "two ", "", "añ🦀", " three"])
        await ws.send([b"\x01\x02", b"", b"\x03"])
        await ws.wait_closed()
    elif what == "ping":
        await (await ws.ping("are you there?"))
        await ws.send("pong: are you there?")
        await ws.wait_closed()
    elif what == "close" and argument == ["none"]:
        async with ws.send_context():
            ws.protocol.send_close()
        await ws.wait_closed()
    elif what == "close":
        await ws.close(int(argument[0]), f"bye {argument[0]}")
    elif what == "hold":
        await ws.wait_closed()
        how = ws.protocol.close_rcvd
        how_closed(argument[0]).set_result(f"{how.code} {how.reason}" if how else "not at all")
    elif what == "held":
        await ws.send(await how_closed(argument[0]))
        await ws.wait_closed()
    else:
        await ws.close(1008, f"unknown path {ws.request.path}")


def how_closed(key):
    return held.setdefault(key, asyncio.get_running_loop().create_future())


def select_subprotocol(_, offered):
    return "echo.v1" if "echo.v1" in offered else None


def tls(files):
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    return context


async def main():
    async with serve(
        handle,
        "127.0.0.1",
        0,
        select_subprotocol=select_subprotocol,
        max_size=16 << 20,
        ping_interval=None,
        ssl=tls(sys.argv[1:]),
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
