"""Subscribers for deflate.test.mjs: one for each combination of the options of Python's websockets. It
writes a line when all have joined, and then the messages of each as a line of JSON."""

import asyncio
import itertools
import json
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

url, joining, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])


async def connect(options):
    extensions = None if options is None else [ClientPerMessageDeflateFactory(*options)]
    socket = await websockets.connect(url, compression=None, extensions=extensions, max_queue=None)
    if options is not None:
        assert [e.name for e in socket.extensions] == ["permessage-deflate"], options
    for n in range(10):
        await socket.send(json.dumps({"id": n, "ping": {}, "ignored": "a long text that comes again " * n}))
    await socket.send(joining)
    while not json.loads(await socket.recv()).get("join"):
        pass
    return socket


async def main():
    # zlib cannot compress with a window of 8 bits.
    bits = [None, *range(8, 16)]
    all_options = [None, *itertools.product([False, True], [False, True], bits, [None, True, *range(9, 16)])]
    sockets = [await connect(options) for options in all_options]
    print("joined", flush=True)
    for options, socket in zip(all_options, sockets):
        got = []
        while len(got) < rounds:
            text = await asyncio.wait_for(socket.recv(), 60)
            if text.startswith('{"channel":'):  # and no heartbeat
                got.append(text)
        print(json.dumps({"name": repr(options), "got": got}), flush=True)


asyncio.run(main())
