"""Sending and receiving."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import ringway
from conftest import PATIENCE, connect_soon, running, wait_until_asleep

Pair = tuple[ringway.Connection, ringway.Connection]


def test_bytes_and_other_buffers_arrive(pair: Pair) -> None:
    server, client = pair
    sent: list[bytes | bytearray | memoryview] = [b"", b"a", b"hello" * 100, bytearray(b"array"), memoryview(b"xviewx")[1:5]]
    for payload in sent:
        client.send(payload)
    assert [server.recv() for _ in sent] == [bytes(payload) for payload in sent]
    with pytest.raises(TypeError):
        client.send("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        client.send(memoryview(b"abcdef")[::2])


def test_a_path_may_be_no_utf_8(place: str) -> None:
    path = os.fsdecode(os.fsencode(place) + b"-\xff")
    for address in (path, pathlib.Path(path)):
        with ringway.listen(address) as listener:
            assert listener.path == path and os.path.exists(path)
            with pytest.raises(ringway.NameTaken):
                ringway.listen(address)
    with pytest.raises(UnicodeEncodeError):
        ringway.listen("\udcff")


def test_kinds(pair: Pair) -> None:
    server, client = pair
    client.send(b"x", kind=3)
    client.send(b"y")
    assert client.try_send(b"z", kind=65535)
    assert server.recv_kind() == (3, b"x")
    assert (server.recv(), server.receiver.last_kind) == (b"y", 0)
    assert server.recv_batch_kinds() == [(65535, b"z")]


def test_timeouts(pair: Pair) -> None:
    server, client = pair
    assert server.try_recv() is None
    for timeout in (0, 0.0, 0.01):
        with pytest.raises(ringway.TimedOut) as raised:
            server.recv(timeout=timeout)
        assert isinstance(raised.value, TimeoutError)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout is"):
            server.recv(timeout=wrong)
    client.send(b"x")
    assert server.recv(timeout=0) == b"x"
    while client.try_send(b"x" * 1000):
        pass
    with pytest.raises(ringway.TimedOut):
        client.send(b"x" * 1000, timeout=0.01)


def test_batches(pair: Pair) -> None:
    server, client = pair
    assert client.send_batch([b"a", bytearray(b"b"), b"c"]) == 3
    assert client.send_batch(str(n).encode() for n in range(5)) == 5
    assert server.recv_batch(max=2) == [b"a", b"b"]
    assert server.recv_batch() == [b"c", b"0", b"1", b"2", b"3", b"4"]
    # More than the ring holds: the other side makes room.
    reader = threading.Thread(target=lambda: [server.recv() for _ in range(2000)])
    reader.start()
    assert client.send_batch([b"x" * 1000] * 2000, timeout=20) == 2000
    reader.join()
    for max in (0, -1):
        for call in (server.recv_batch, server.recv_batch_kinds, server.receiver.recv_batch):
            with pytest.raises(ValueError, match=f"max is {max}: it must be at least 1"):
                call(max, timeout=0)
    with pytest.raises(ringway.TimedOut) as raised:
        client.send_batch([b"x" * 1000] * 2000, timeout=0.01)
    assert 0 < raised.value.sent < 2000


def test_receiving_into_a_buffer(pair: Pair) -> None:
    server, client = pair
    target = bytearray(8)
    client.send(b"four", kind=2)
    client.send(b"much too long")
    assert server.recv_into(target) == 4
    assert bytes(target) == b"four\0\0\0\0"
    assert server.receiver.last_kind == 2
    with pytest.raises(ringway.Truncated) as raised:
        server.recv_into(target)
    assert raised.value.len == 13
    assert server.recv() == b"much too long"
    large = os.urandom(100_000)
    client.send(large)
    target = bytearray(1 << 17)
    assert server.recv_into(target) == len(large)
    assert target[: len(large)] == large
    with pytest.raises(BufferError):
        server.recv_into(b"constant")


def test_large_frames_arrive_whole() -> None:
    left, right = ringway.pair(capacity=1 << 21, peer_capacity=1 << 21)
    with left, right:
        for size in (1 << 16, (256 << 10) - 1, 256 << 10, 1 << 20):
            payload = os.urandom(size)
            for sent in (payload, bytearray(payload)):
                left.send(sent)
                assert right.recv() == payload


def test_iteration_ends_with_the_peer(pair: Pair) -> None:
    server, client = pair
    client.send_batch([b"1", b"2"])
    client.close()
    assert list(server) == [b"1", b"2"]
    with pytest.raises(ringway.Closed) as raised:
        server.recv()
    assert isinstance(raised.value, EOFError)
    assert isinstance(raised.value, ConnectionError)


def test_closed_here(pair: Pair) -> None:
    server, _client = pair
    server.close()
    server.close()
    for call in (server.recv, lambda: server.send(b"x"), server.try_recv):
        with pytest.raises(ringway.Closed, match="closed here"):
            call()
    with pytest.raises(ringway.Closed, match="closed here"):
        list(server)
    with pytest.raises(ValueError):
        server.fileno()
    assert server.closed and "closed" in repr(server)


def test_closing_ends_a_wait_of_another_thread(pair: Pair) -> None:
    server, _client = pair
    heard: list[BaseException] = []

    def wait() -> None:
        try:
            server.recv()
        except ringway.Closed as error:
            heard.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until_asleep(thread.native_id or 0)
    server.close()
    thread.join(20)
    assert len(heard) == 1


def test_threads_take_turns(pair: Pair) -> None:
    server, client = pair
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.extend(server.recv() for _ in range(100)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for n in range(400):
        client.send(str(n).encode())
    for thread in threads:
        thread.join(20)
    assert sorted(got) == sorted(str(n).encode() for n in range(400))


def test_a_turn_has_a_deadline(pair: Pair) -> None:
    server, client = pair
    thread = threading.Thread(target=server.recv)
    thread.start()
    wait_until_asleep(thread.native_id or 0)
    with pytest.raises(ringway.TimedOut):
        server.recv(timeout=0.05)
    client.send(b"x")
    thread.join(20)


def test_what_never_waits_does_not_wait_for_a_turn_either(pair: Pair, place: str) -> None:
    server, client = pair
    listener = ringway.listen(place)
    server.send(b"", kind=7)
    assert client.recv() == b""
    while client.try_send(b"x" * 1000):
        pass
    waits = [threading.Thread(target=call, daemon=True) for call in (client.recv, lambda: client.send(b"x" * 1000), lambda: list(listener))]
    for thread in waits:
        thread.start()
        wait_until_asleep(thread.native_id or 0)
    told: list[object] = []

    def ask() -> None:
        told.append(client.try_recv())
        told.append(client.try_send(b"x" * 1000))
        told.append(client.try_send_expiring(b"x" * 1000, 3600))
        told.append(listener.try_accept())
        told.append((listener.refusals, listener.last_refusal))
        told.append((client.receiver.last_kind, client.receiver.last_priority, client.sender.priorities))
        told.append((client.arm(), client.sender.arm(1000)))
        client.sender.check()
        told.append("checked")
        # Nor for ever where no time is meant.
        with pytest.raises(ValueError, match="timeout is -1"):
            client.send(b"x", timeout=-1)

    asks = threading.Thread(target=ask, daemon=True)
    asks.start()
    asks.join(PATIENCE)
    assert told == [None, False, False, None, (0, None), (7, 0, 1), (False, False), "checked"]
    assert not asks.is_alive()
    # They have waited all the while.
    assert all(thread.is_alive() for thread in waits)
    listener.close()
    server.send(b"go on")
    deadline = time.monotonic() + PATIENCE
    while waits[1].is_alive() and time.monotonic() < deadline:
        server.try_recv()
        time.sleep(0.001)
    for thread in waits:
        thread.join(PATIENCE)
        assert not thread.is_alive()


_THREADLESS = """
import os, resource, sys, ringway
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if os.getuid() == 0:
    os.setuid(65534)  # whom limits bind
try:
    ringway.pair()
except ringway.Resources as error:
    sys.exit("a thread that connects" not in str(error))
sys.exit("there was a thread")
"""


def test_a_pair_without_a_thread_is_an_error() -> None:
    done = subprocess.run([sys.executable, "-c", _THREADLESS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_event_loops(pair: Pair) -> None:
    import select

    server, client = pair
    receiver = server.receiver
    assert receiver.arm()
    assert select.select([receiver], [], [], 0)[0] == []
    client.send(b"x")
    assert select.select([receiver], [], [], 20)[0] == [receiver]
    assert server.recv() == b"x"
    sender = client.sender
    while sender.try_send(b"x" * 1000):
        pass
    assert sender.arm(1000)
    assert select.select([sender], [], [], 0)[0] == []
    while server.try_recv() is not None:
        pass
    assert select.select([sender], [], [], 20)[0] == [sender]
    assert sender.try_send(b"x" * 1000)


def test_attributes(pair: Pair) -> None:
    server, client = pair
    assert client.capacity == client.peer_capacity == 256 << 10
    assert client.sender.max_payload == client.max_payload < client.capacity
    assert server.peer.pid == os.getpid() and server.peer.uid == os.getuid()
    assert server.peer == client.peer
    assert f"pid={os.getpid()}" in repr(server)
    assert "open" in repr(server)
    with pytest.raises(ringway.TooLarge) as raised:
        client.send(bytes(client.max_payload + 1))
    assert raised.value.max == client.max_payload


WAITER = """
import sys, ringway
with ringway.listen(sys.argv[1], handshake_timeout=20) as listener:
    connection = listener.accept()
    try:
        print("waits", flush=True)
        if sys.argv[2] == "recv":
            connection.recv()
        elif sys.argv[2] == "send":
            while True:
                connection.send(b"x" * 1000)
        else:
            listener.accept()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(3)
"""


@pytest.mark.parametrize("call", ["recv", "send", "accept"])
def test_ctrl_c_ends_a_wait(place: str, call: str) -> None:
    command = [sys.executable, "-c", WAITER, place, call]
    with running(command) as waiter:
        client = connect_soon(place)
        assert waiter.stdout is not None and waiter.stdout.readline() == "waits\n"
        wait_until_asleep(waiter.pid)
        waiter.send_signal(signal.SIGINT)
        assert waiter.wait(PATIENCE) == 3
        client.close()


def test_a_pair_has_one_capacity_unless_two_are_said() -> None:
    for options, capacities in [({"capacity": 4096}, [4096, 4096]), ({"capacity": 4096, "peer_capacity": 8192}, [4096, 8192])]:
        left, right = ringway.pair(**options)  # type: ignore[arg-type]
        assert sorted([left.capacity, right.capacity]) == capacities
        assert (left.capacity, left.peer_capacity) == (right.peer_capacity, right.capacity)


CONNECTER = """
import sys, ringway
listener = ringway.listen(sys.argv[1])
try:
    print("waits", flush=True)
    getattr(ringway, sys.argv[2])(sys.argv[1], handshake_timeout=600)  # nobody accepts
except KeyboardInterrupt:
    sys.exit(3)
"""


@pytest.mark.parametrize("call", ["connect", "observe", "connect_as_told"])
def test_ctrl_c_ends_a_handshake(place: str, call: str) -> None:
    with running([sys.executable, "-c", CONNECTER, place, call]) as waiter:
        assert waiter.stdout is not None and waiter.stdout.readline() == "waits\n"
        wait_until_asleep(waiter.pid)
        waiter.send_signal(signal.SIGINT)
        assert waiter.wait(PATIENCE) == 3


def test_errors_at_once(place: str) -> None:
    with pytest.raises(ringway.NotFound) as nobody:
        ringway.connect(place)
    assert isinstance(nobody.value, FileNotFoundError)
    with pytest.raises(ringway.InvalidConfig, match="power of two"):
        ringway.listen(place, capacity=5000)
    with pytest.raises(TypeError, match="no option \"nonsense\""):
        ringway.listen(place, nonsense=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="handshake_timeout is how long"):
        ringway.connect(place, timeout=1)  # type: ignore[call-overload]
    wrong: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
        ({"capacity": -1}, OverflowError, "capacity: can't convert negative int"), ({"lanes": "2"}, TypeError, "lanes: 'str' object"),
        ({"allow_uid": -1}, OverflowError, "allow_uid: out of range"), ({"allow_uid": ["root"]}, TypeError, "allow_uid: 'str' object"),
        ({"wait": 3}, TypeError, "wait: 'int' object"), ({"wait": "soon"}, ValueError, '^wait is "soon"'), ({"limits": 3}, TypeError, "limits: 'int' object"),
        ({"trust_peer": "yes"}, TypeError, "trust_peer: 'str' object"), ({"handshake_timeout": "a"}, TypeError, "handshake_timeout: must be real number"),
    )
    for option, kind, why in wrong:
        with pytest.raises(kind, match=why):
            ringway.listen(place, **option)

    class Refusal(Exception):
        def __init__(self, code: int, why: str) -> None:
            super().__init__(code, why)

    def uids() -> Iterator[int]:
        raise Refusal(3, "the program's own")
        yield 0

    # It stays what it is.
    with pytest.raises(Refusal) as own:
        ringway.listen(place, allow_uid=uids())
    assert own.value.args == (3, "the program's own")
    with pytest.raises(UnicodeEncodeError):
        ringway.listen(place, wait="\ud800")  # type: ignore[call-overload]  # pyright: ignore
    left, right = ringway.pair()
    with left, right:
        with pytest.raises(ringway.Priority, match="from 0 on: see the option `lanes`, which both sides set"):
            left.send_at(1, b"x")
        with pytest.raises(ringway.Error, match="the option `resumable=True`$"):
            ringway.resume(place, left)
    with ringway.listen(place):
        with pytest.raises(ringway.NameTaken) as taken:
            ringway.listen(place)
        assert isinstance(taken.value, OSError)
    assert issubclass(ringway.Full, ringway.WouldBlock)
    assert issubclass(ringway.WouldBlock, BlockingIOError)
