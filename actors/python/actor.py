"""One side of a case of ``actors/cases.txt``: ``actor SERVE|CONNECT CASE ADDRESS``. What it receives it prints, and sends back where the case has it so."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chaos
import messages
import ringway

# Longer than a machine takes that has other things to do.
LONG = 30.0


def meet(serves: bool, address: str, **options: Any) -> Any:
    """A connection, with somebody who may be about to listen."""
    options["handshake_timeout"] = LONG
    if serves:
        with ringway.listen(address, **options) as listener:
            return listener.accept(LONG)
    began = time.monotonic()
    while True:
        try:
            return ringway.connect(address, **options)
        except ringway.NotFound:
            if time.monotonic() - began > LONG:
                raise
            time.sleep(0.005)


def payload(length: int) -> bytes:
    return bytes((at * 7 + length) % 251 for at in range(length))


def hashed(seed: int, payload: bytes) -> int:
    for byte in payload:
        seed = seed * 31 + byte & 0xFFFFFFFF
    return seed


def name_of(call: Callable[[], object]) -> str:
    """What it raises."""
    try:
        return repr(call())
    except ringway.Error as error:
        return type(error).__name__


def goodbye(serves: bool, connection: Any) -> None:
    """The client closes first, and the server is told of that in order."""
    if serves:
        print(name_of(lambda: connection.recv(LONG)))
    connection.close()


def bytes_(serves: bool, connection: Any) -> None:
    for length in (0, 1, 64, 1000, 100_000):
        if not serves:
            connection.send(payload(length))
        found = connection.recv(LONG)
        print(len(found), hashed(0, found))
        if serves:
            connection.send(found)


def kinds(serves: bool, connection: Any) -> None:
    for sent, word in ((0, b"zero"), (1, b"one"), (513, b"many"), (65_535, b"last")):
        if not serves:
            connection.send(word, kind=sent)
        kind, found = connection.recv_kind(LONG)
        print(kind, found.decode())
        if serves:
            connection.send(found, kind=kind)


def batches(serves: bool, connection: Any) -> None:
    if not serves:
        connection.send_batch([payload(length) for length in range(100)])
    found: list[bytes] = []
    while len(found) < 100:
        found += connection.recv_batch(64, LONG)
    print(len(found), hashed(0, b"".join(found)))
    if serves:
        connection.send_batch(found)


def typed(serves: bool, address: str, all: list[Any]) -> None:
    kind = type(all[0])
    connection = meet(serves, address, sends=kind, expects=kind)
    for sent in all:
        if not serves:
            connection.send(sent)
        found = connection.recv(timeout=LONG)
        print(messages.shown(found))
        if serves:
            connection.send(found)
    goodbye(serves, connection)


def everything_sent(serves: bool, address: str) -> None:
    """A file says so: only then the server begins to receive."""
    path = Path(address + ".sent")
    if not serves:
        path.touch()
    began = time.monotonic()
    while not path.exists() and time.monotonic() - began < LONG:
        time.sleep(0.002)


def done(serves: bool, connection: Any) -> None:
    if serves:
        connection.send(b"done")
    else:
        print(connection.recv(LONG).decode())
    goodbye(serves, connection)


def priorities(serves: bool, address: str) -> None:
    connection = meet(serves, address, lanes=2)
    if not serves:
        connection.send_at(1, b"later")
        connection.send_at(0, b"now")
    everything_sent(serves, address)
    if serves:
        sender, receiver = connection.split()
        for _ in range(2):
            found = receiver.recv(LONG).decode()
            print(receiver.last_priority, found)
        sender.send(b"done")
        goodbye(serves, receiver)
    else:
        done(serves, connection)


def sent_soon_over(connection: Any) -> bool:
    """Sends what expires soon. It does not where this process had no processor until it was over before it was sent."""
    try:
        connection.send_expiring(b"short", 0.2)
    except ringway.Expired:
        return False
    return True


def expiring(serves: bool, address: str) -> None:
    connection = meet(serves, address, drop_expired=serves)
    if not serves:
        while not sent_soon_over(connection):
            pass
        connection.send_expiring(b"long", LONG)
        time.sleep(0.3)
    everything_sent(serves, address)
    if serves:
        print(connection.recv(LONG).decode())
    done(serves, connection)


def death(dies: bool, connection: Any) -> None:
    """One side ends by a signal that nothing can be done about; the other says what it was told, by each half."""
    sender, receiver = connection.split()
    sender.send(b"here")
    print(receiver.recv(LONG).decode(), flush=True)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    print(name_of(lambda: receiver.recv(LONG)))
    print(name_of(sender.check))


def lied_to(serves: bool, address: str, sends: bool) -> None:
    """The other side keeps no rule: what one half is told, and its words."""
    connection = meet(serves, address)
    everything_sent(True, address)
    try:
        if not sends:
            connection.recv(LONG)
        # As many as fill the ring a few times.
        for _ in range(10_000 if sends else 0):
            connection.send(bytes(1000), LONG)
        print("()")
    except ringway.Error as error:
        print(f"{type(error).__name__}\n{error}")


def wrong(serves: bool, address: str) -> None:
    """The two mean different things by the name of one message."""
    if not serves:
        try:
            meet(serves, address, sends=messages.Other, expects=messages.Other)
        except ringway.SchemaError as error:
            print(f"{type(error).__name__}\n{error}")
            return
        sys.exit("it was taken")
    listener: Any = ringway.listen(address, sends=messages.Quote, expects=messages.Quote, handshake_timeout=LONG)
    began = time.monotonic()
    while listener.refusals == 0 and time.monotonic() - began < LONG:
        if listener.try_accept() is not None:
            sys.exit("it was taken")
        time.sleep(0.002)
    print(listener.last_refusal)


def main(role: str, case: str, address: str) -> None:
    serves = {"SERVE": True, "CONNECT": False}[role]
    match case:
        case "bytes" | "kinds" | "batches":
            connection = meet(serves, address)
            {"bytes": bytes_, "kinds": kinds, "batches": batches}[case](serves, connection)
            goodbye(serves, connection)
        case "typed":
            typed(serves, address, messages.SAMPLES)
        case "variable":
            typed(serves, address, messages.ORDERS)
        case "priorities":
            priorities(serves, address)
        case "expiring":
            expiring(serves, address)
        case "client-dies":
            death(not serves, meet(serves, address))
        case "server-dies":
            death(serves, meet(serves, address))
        case "client-killed" | "server-killed":
            counts = chaos.Counts(f"{address}.{'serve' if serves else 'connect'}.counts")
            # What a process keeps to its end is made for its first connection.
            meet(serves, f"{address}.first").close()
            before = chaos.held()
            chaos.endless(meet(serves, address), counts)
            print(*(f"{now - then} {what}" for now, then, what in zip(chaos.held(), before, ("descriptors", "mappings"), strict=True)), sep=" and ")
        case "lie-frame" | "lie-flags" | "lie-released":
            lied_to(serves, address, case == "lie-released")
        case "wrong":
            wrong(serves, address)
        case _:
            sys.exit(f"there is no case `{case}`")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("SERVE", "CONNECT"):
        sys.exit("usage: actor SERVE|CONNECT CASE ADDRESS")
    main(*sys.argv[1:])
