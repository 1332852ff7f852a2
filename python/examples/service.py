"""A service: it answers each request with the sum of the numbers in it, for any number of clients at the same time.

    python service.py NAME
"""

import struct
import sys
import threading

import ringway


def answer(request: bytes) -> bytes:
    """The sum of 64-bit numbers, as one."""
    numbers = struct.unpack(f"<{len(request) // 8}q", request)
    return struct.pack("<q", sum(numbers))


def serve(connection: ringway.Connection) -> None:
    """Answers one client until it closes, in order or not."""
    with connection:
        try:
            for request in connection:
                connection.send(answer(request))
        except (ringway.PeerDied, ringway.PeerClosed) as error:
            print(f"client {connection.peer.pid}: {error}", file=sys.stderr)


def main(name: str) -> None:
    with ringway.listen(name) as listener:
        print(f"listening at {listener.path}", flush=True)
        try:
            for connection in listener:
                threading.Thread(target=serve, args=[connection], daemon=True).start()
        except KeyboardInterrupt:
            print("stopping")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python service.py NAME")
    main(sys.argv[1])
