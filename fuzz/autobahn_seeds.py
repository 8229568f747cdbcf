#!/usr/bin/env python3
"""Turns the traffic of the Autobahn test suite into seeds, in fuzz/target/autobahn/TARGET; `fuzz/keep` takes from them what adds something.

Runs the cases of sections 1 to 7, 9 and 10 against the demo with a tap in between, which records what the suite sends. Payloads over
4 KiB are cut. What the suite sends to a server it would send to a client without the masks, so both come from one run.
Needs what `conformance/server` needs.
"""

import argparse
import pathlib
import socket
import struct
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))
import suite  # noqa: E402

OUT = HERE / "target" / "autobahn"
LONG, CUT_TO, MOST = 4096, 300, 4096  # payload bytes of a frame, what is left of them, bytes of a seed's stream


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", help="the demo, built; else it is built in release")
    demo = parser.parse_args().demo
    suite.install()
    demo = demo or suite.build("demo", "-p", "sansws-examples", "--bin", "demo")
    cases = suite.cases_of_suite(suite.BASIC)[2]
    folder = HERE / "target" / "autobahn-reports"
    folder.mkdir(parents=True, exist_ok=True)
    with suite.started([demo, "--bind", "127.0.0.1:0"], "listening on http://localhost:") as port:
        tap = Tap(port)
        servers = [{"agent": "tapped", "url": f"ws://127.0.0.1:{tap.port}/echo"}]
        spec = suite.spec(folder, cases, servers=servers)
        suite.run([*suite.WSTEST, "-m", "fuzzingclient", "-s", spec], folder / "log", suite.BASIC_LIMIT)
    if len(tap.streams) != len(cases):
        sys.exit(f"{len(cases)} cases, but {len(tap.streams)} connections")
    known, count = set(), 0
    for case, stream in zip(cases, tap.streams):
        frames = cut(split(bytes(stream).partition(b"\r\n\r\n")[2]))
        for role, pieces in (("server", [masked for masked, _ in frames]), ("client", [plain for _, plain in frames])):
            for target, seed in seeds(role, pieces):
                if (target, seed) not in known:
                    known.add((target, seed))
                    (OUT / target).mkdir(parents=True, exist_ok=True)
                    (OUT / target / f"autobahn-{case}-{role}").write_bytes(seed)
                    count += 1
    print(f"{count} seeds in {OUT}")


class Tap:
    """Forwards connections, one after the other, to a port, and keeps what the clients send."""

    def __init__(self, port):
        self.streams = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(port,), daemon=True).start()

    def accept(self, port):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            stream = bytearray()
            self.streams.append(stream)
            threading.Thread(target=forward, args=(client, server, stream), daemon=True).start()
            threading.Thread(target=forward, args=(server, client, bytearray()), daemon=True).start()


def forward(source, sink, stream):
    try:
        while data := source.recv(1 << 16):
            stream += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def split(stream):
    """Frames as (first byte, masking-key, payload)."""
    while len(stream) >= 2:
        width = {126: 2, 127: 8}.get(stream[1] & 127, 0)
        length = int.from_bytes(stream[2 : 2 + width], "big") if width else stream[1] & 127
        at = 2 + width + 4
        yield stream[0], stream[at - 4 : at], stream[at : at + length]
        stream = stream[at + length :]


def cut(frames):
    """The bytes of each frame, masked and plain, as many as are to be kept."""
    kept, total = [], 0
    for first, key, payload in frames:
        payload = payload[:CUT_TO] if len(payload) > LONG else payload
        length = len(payload)
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        plain = bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))
        kept.append((bytes([first, size[0] | 128]) + size[1:] + key + payload, bytes([first]) + size + plain))
        total += len(kept[-1][0])
        if total > MOST:
            break
    return kept


def seeds(role, pieces):
    """The formats are those of fuzz/corpus.py."""
    stream = b"".join(pieces)
    yield "receive", bytes([role == "client", 0]) + stream
    yield "differential", bytes([role == "client", 0]) + stream
    by, to = (b"\0", b"\1") if role == "server" else (b"\1", b"\0")
    chunks = [piece[at : at + 250] for piece in pieces for at in range(0, len(piece), 250)]
    inserts = [by + b"\x0f\xff" + bytes([len(chunk)]) + chunk + by + b"\x0a\xff" for chunk in chunks[:40]]
    yield "session", bytes(4) + b"".join(inserts) + to + b"\x0b"
    which = 0 if role == "server" else 0x80
    arrivals = [bytes([which, len(chunk)]) + chunk + (b"\x07" if n % 3 == 2 else b"") for n, chunk in enumerate(chunks[:40])]
    yield "driver", b"\0" + b"".join(arrivals) + b"\x07"


if __name__ == "__main__":
    main()
