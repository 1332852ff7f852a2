"""A client that outlives its server: a ledger, which is killed a few times and forgets nothing, and who sends it amounts.

    python resume.py NAME

The ledger notes each amount in a file, by the number that the client gave it, before it answers. One that it noted already is answered again and not noted twice.
"""

import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import ringway

KILLS, AMOUNTS = 4, 1000
ENTRY = struct.Struct("<qq")


def serve(name: str, file: Path) -> None:
    """Notes what one client sends, and answers with the number of each."""
    with open(file, "ab") as ledger, ringway.listen(name, resumable=True) as listener:
        with listener.accept() as connection:
            noted = {number for number, _ in ENTRY.iter_unpack(file.read_bytes())}
            for request in connection:
                number, _ = ENTRY.unpack(request)
                # Only what is in doubt can have been noted by an earlier ledger.
                if connection.receiver.last_redelivery != "in_doubt" or number not in noted:
                    ledger.write(request)
                    ledger.flush()
                # The answer comes first: the request is finished with when the next one is asked for.
                connection.send(request[:8])


def start(name: str, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "serve", name, str(file)])


def connect(name: str) -> ringway.Connection:
    """Connects as soon as the ledger listens."""
    while True:
        try:
            return ringway.connect(name, resumable=True, handshake_timeout=20)
        except ringway.NotFound:
            pass


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "ledger"
        server = start(name, file)
        connection = connect(name)
        for kill in range(KILLS + 1):
            numbers = range(kill * AMOUNTS, (kill + 1) * AMOUNTS)
            connection.send_batch(ENTRY.pack(number, 10 * number) for number in numbers)
            for _ in range(random.randrange(AMOUNTS // 2)):
                connection.recv()
            if kill == KILLS:
                break
            server.kill()
            server.wait()
            try:
                while True:
                    connection.recv()
            except ringway.PeerDied:
                pass
            server = start(name, file)
            resumed = ringway.resume(name, connection, timeout=60, handshake_timeout=20)
            print(f"the ledger was killed: {resumed.unseen} amounts sent again that nobody has seen, {resumed.in_doubt} in doubt")
            connection = resumed.connection
        last = ENTRY.pack((KILLS + 1) * AMOUNTS - 1, 0)[:8]
        while connection.recv() != last:
            pass
        connection.close()
        server.wait()
        noted = [number for number, _ in ENTRY.iter_unpack(file.read_bytes())]
        assert noted == list(range((KILLS + 1) * AMOUNTS)), "each once, in its order"
        print(f"{len(noted)} amounts are noted, each once")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "serve":
        serve(sys.argv[2], Path(sys.argv[3]))
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        sys.exit("usage: python resume.py NAME")
