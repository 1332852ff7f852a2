"""Servers in Python that are killed, one after the other, and the client that outlives them."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ringway
from conftest import HANDSHAKE, PATIENCE

# How a server takes requests. Each is noted before it is answered.
SERVER = """
import asyncio, os, sys
import ringway, ringway.asyncio

place, log, way = sys.argv[1:]
options = {"resumable": True, "handshake_timeout": 20, "trust_peer": way == "view"}
record = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def note(request, receiver):
    os.write(record, b"%d %s\\n" % (int.from_bytes(request, "little"), receiver.last_redelivery.encode()))

def requests(connection):
    while True:
        if way == "recv":
            yield connection.recv()
        elif way == "batch":
            yield from connection.recv_batch()
        elif way == "into":
            buffer = bytearray(1 << 17)
            yield bytes(buffer[:connection.recv_into(buffer)])
        elif way == "records":
            buffer = bytearray(64)
            for at in range(connection.recv_batch_into(buffer, 8)):
                yield bytes(buffer[8 * at:8 * at + 8])
        else:
            with connection.recv_view() as memory:
                yield bytes(memory)

async def serve():
    with ringway.asyncio.listen(place, **options) as listener:
        connection = await listener.accept()
        async for request in connection:
            note(request, connection.sync.receiver)
            await asyncio.sleep(0)
            await connection.send(request)

if way == "asyncio":
    asyncio.run(serve())
else:
    with ringway.listen(place, **options) as listener, listener.accept() as connection:
        for request in requests(connection):
            note(request, connection.receiver)
            connection.send(request)
"""

# Its options are drawn together here: no overload is chosen.
connect: Any = ringway.connect

ROUNDS, BURST = 8, 200
WAYS = ["recv", "batch", "into", "records", "view", "asyncio"]


@pytest.mark.parametrize("way", WAYS)
def test_a_client_outlives_servers_that_are_killed(place: str, tmp_path: Path, way: str) -> None:
    log = tmp_path / "log"
    options: Any = {"resumable": True, "handshake_timeout": HANDSHAKE, "trust_peer": way == "view"}
    chance = random.Random(way)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SERVER, place, str(log), way])

    def first() -> ringway.Connection:
        while True:
            try:
                made: ringway.Connection = connect(place, **options)
                return made
            except ringway.NotFound:
                assert server.poll() is None

    server = start()
    connection = first()
    number, answered, doubts = 0, set[int](), 0
    for _ in range(ROUNDS):
        burst = range(number, number + BURST)
        number += connection.send_batch([request.to_bytes(8, "little") for request in burst], PATIENCE)
        for _ in range(chance.randrange(BURST // 4)):
            answered.add(int.from_bytes(connection.recv(PATIENCE), "little"))
        server.kill()
        server.wait(PATIENCE)
        with pytest.raises(ringway.PeerDied):
            while True:
                answered.add(int.from_bytes(connection.recv(PATIENCE), "little"))
        server = start()
        resumed = ringway.resume(place, connection, PATIENCE, **options)
        connection, doubts = resumed.connection, doubts + resumed.in_doubt
    try:
        while len(answered) < number:
            answered.add(int.from_bytes(connection.recv(PATIENCE), "little"))
    finally:
        server.kill()
        server.wait(PATIENCE)
    # Each was handled and answered, and one that was handled twice was said to be in doubt.
    assert answered == set(range(number))
    handled = [line.split() for line in log.read_text().splitlines()]
    seen = set[str]()
    for request, told in handled:
        # Of a batch it is said of the last one, and no other one was handled before.
        assert (request in seen) <= (told == "in_doubt"), request
        seen.add(request)
    assert seen == {str(request) for request in range(number)}
    assert len(handled) - number <= doubts
    assert os.path.exists(place)
