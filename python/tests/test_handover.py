"""Listening sockets that change hands: nobody who connects meanwhile is refused."""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import ringway
import ringway.asyncio
from conftest import HANDSHAKE, PATIENCE, running, wait_until_asleep
from loops import each_loop, run

# Options are drawn together here, and messages are of a class that is made in a test: no overload is chosen.
listen: Any = ringway.listen
listen_on: Any = ringway.listen_on
connect: Any = ringway.connect

# Answers each client with its own process id, until one says "end".
SERVER = """
import os, sys, ringway
if sys.argv[1] == "inherited":
    [listener] = ringway.inherit(handshake_timeout=20)
    assert ringway.inherit() == []
else:
    listener = ringway.listen_on(int(sys.argv[1]), handshake_timeout=20)
for connection in listener:
    with connection:
        said = connection.recv()
        connection.send(str(os.getpid()).encode())
    if said == b"end":
        break
"""

# Has a server run with what it is given as number 3.
ACTIVATES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], "inherited"])
"""


def ask(place: str, said: bytes = b"who") -> int:
    with connect(place, handshake_timeout=HANDSHAKE) as connection:
        connection.send(said)
        return int(connection.recv(PATIENCE))


def answer(connection: Any) -> None:
    with connection:
        connection.recv(PATIENCE)
        connection.send(str(os.getpid()).encode())


def listen_again(place: str, **options: Any) -> Any:
    """The socket of one that was taken over is closed in the background: until then the name is taken."""
    late = time.monotonic() + PATIENCE
    while True:
        try:
            return listen(place, **options)
        except ringway.NameTaken:
            assert time.monotonic() < late
            time.sleep(0.001)


def test_a_server_is_replaced_under_load_and_nobody_is_refused(place: str) -> None:
    old = listen(place, handshake_timeout=HANDSHAKE)
    asked = list[int]()

    def asks() -> None:
        while not asked or asked[-1] == os.getpid():
            asked.append(ask(place))

    clients = [threading.Thread(target=asks) for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(20):
        answer(old.accept(PATIENCE))
    descriptor = old.hand_over()
    with running([sys.executable, "-c", SERVER, str(descriptor)], [descriptor]) as new:
        os.close(descriptor)
        for connection in old:
            answer(connection)
        with pytest.raises(ringway.Busy):
            old.accept()
        with pytest.raises(ringway.Busy):
            old.try_accept()
        old.close()
        for client in clients:
            client.join(PATIENCE)
            assert not client.is_alive()
        assert set(asked) == {os.getpid(), new.pid}
        assert ask(place, b"end") == new.pid
        assert new.wait(PATIENCE) == 0
    # The name has stayed, and leads to nobody as soon as our own copy of the socket is closed.
    assert os.path.exists(place)
    listen_again(place).close()


def test_what_was_left_open_for_a_process_is_inherited(place: str) -> None:
    """As systemd does it."""
    old = listen(place)
    descriptor = old.hand_over()
    old.close()
    with running([sys.executable, "-c", ACTIVATES, str(descriptor), SERVER], [descriptor]) as new:
        os.close(descriptor)
        assert ask(place) == new.pid
        assert ask(place, b"end") == new.pid
        assert new.wait(PATIENCE) == 0
    assert ringway.inherit() == []
    assert ringway.inherit(sends=(), expects=()) == []


def meets(listener: Any, client: Callable[[], Any]) -> tuple[Any, Any]:
    made = list[Any]()
    thread = threading.Thread(target=lambda: made.append(client()))
    thread.start()
    accepted = listener.accept(PATIENCE)
    thread.join(PATIENCE)
    return accepted, made[0]


def test_a_listener_that_is_taken_back_takes_clients_again(place: str) -> None:
    with listen(place, handshake_timeout=HANDSHAKE) as listener:
        os.close(listener.hand_over())
        with pytest.raises(ringway.Busy, match="take it back"):
            listener.try_accept()
        listener.take_back()
        assert listener.try_accept() is None
        accepted, client = meets(listener, lambda: connect(place, handshake_timeout=HANDSHAKE))
        with accepted, client:
            client.send(b"still here")
            assert accepted.recv(PATIENCE) == b"still here"
    assert not os.path.exists(place)
    listener = listen(place)
    os.close(listener.hand_over())
    os.unlink(place)
    with pytest.raises(ringway.NotFound):
        listener.take_back()
    listener.close()
    for call in (listener.hand_over, listener.take_back):
        with pytest.raises(ringway.Closed):
            call()


def test_a_thread_that_waits_for_a_client_keeps_its_listener(place: str) -> None:
    listener = listen(place)
    told = list[type[BaseException]]()

    def accepts() -> None:
        try:
            listener.accept()
        except ringway.Closed as error:
            told.append(type(error))

    thread = threading.Thread(target=accepts)
    thread.start()
    assert thread.native_id is not None
    with listener:
        wait_until_asleep(thread.native_id)
        for call in (listener.hand_over, listener.take_back):
            with pytest.raises(ringway.InUse, match="waits for a client"):
                call()
    thread.join(PATIENCE)
    assert told == [ringway.Closed]


def test_what_is_no_listening_socket_is_refused_and_stays_the_callers(place: str) -> None:
    ends = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        for descriptor in (*ends, stream.fileno(), silent.fileno()):
            with pytest.raises(ringway.Descriptors):
                ringway.listen_on(descriptor)
            os.fstat(descriptor)
    for descriptor in ends:
        os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        ringway.listen_on(ends[0])
    with pytest.raises(ValueError, match="negative"):
        ringway.listen_on(-1)
    with listen(place) as listener:
        descriptor = listener.hand_over()
        for options in ({"no_such": 1}, {"lanes": 9}):
            with pytest.raises((TypeError, ringway.InvalidConfig)):
                listen_on(descriptor, **options)
            os.fstat(descriptor)
        os.close(descriptor)


def test_a_listener_for_messages_is_handed_over_as_one(place: str) -> None:
    @ringway.message
    class Order:
        number: ringway.u64

    old = listen(place, sends=(), expects=Order)
    new = listen_on(old.hand_over(), sends=(), expects=Order, handshake_timeout=HANDSHAKE)
    old.close()
    accepted, client = meets(new, lambda: connect(place, sends=Order, expects=(), handshake_timeout=HANDSHAKE))
    with accepted, client:
        client.send(Order(number=7))
        assert accepted.recv(PATIENCE).number == 7
    new.close()
    old = listen_again(place, sends=(), expects=Order)
    descriptor = old.hand_over()
    old.take_back()
    os.close(descriptor)
    old.close()
    assert not os.path.exists(place)


@each_loop
def test_a_task_that_waits_for_a_client_hears_of_it(place: str, loops: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        old = ringway.asyncio.listen(place)
        waits = asyncio.create_task(old.accept())
        iterates = list[object]()
        await asyncio.sleep(0)
        new = ringway.asyncio.Listener(listen_on(old.hand_over(), handshake_timeout=HANDSHAKE))
        with pytest.raises(ringway.Busy):
            await waits
        async for connection in old:
            iterates.append(connection)
        assert not iterates
        old.take_back()
        waits = asyncio.create_task(old.accept())
        await asyncio.sleep(0)
        os.close(old.hand_over())
        with pytest.raises(ringway.Busy):
            await waits
        old.close()
        client, accepted = await asyncio.gather(ringway.asyncio.connect(place, handshake_timeout=HANDSHAKE), new.accept())
        async with client, accepted:
            await client.send(b"x")
            assert await accepted.recv() == b"x"
        new.close()

    run(loops, main())
