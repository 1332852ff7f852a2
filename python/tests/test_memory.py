"""Filling and looking at frames in place."""

import gc
import select
import subprocess
import sys
import threading
from typing import Any

import pytest

import ringway

Pair = tuple[ringway.Connection, ringway.Connection]


def test_a_reservation_is_sent_by_the_end_of_its_block(pair: Pair) -> None:
    server, client = pair
    with client.reserve(5, kind=7) as memory:
        assert isinstance(memory, memoryview) and not memory.readonly
        memory[:] = b"hello"
    assert server.recv_kind() == (7, b"hello")
    with pytest.raises(ValueError, match="released"):
        memory[0] = 1
    with client.reserve(0) as memory:
        assert len(memory) == 0
    assert server.recv() == b""


def test_reservations_are_aligned_as_the_option_says() -> None:
    import ctypes

    client, server = ringway.pair(alignment=64, capacity=1 << 16, peer_capacity=1 << 16)
    for size in (1, 100, 3000, 20_000, 5, 30_000, 40_000):
        with client.reserve(size, timeout=20) as memory:
            address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            memory[:] = bytes([size % 251]) * size
        assert address % 64 == 0
        assert server.recv(timeout=20) == bytes([size % 251]) * size
    with pytest.raises(ringway.TooLarge):
        client.reserve(client.max_payload + 1)
    client.reserve(client.max_payload).abort()
    client.close()
    server.close()


def test_a_wait_for_room_with_a_pad_ends_with_its_time_and_with_room() -> None:
    client, server = ringway.pair(alignment=64, capacity=4096, peer_capacity=4096)
    # What the largest payload takes is left, and nothing for the pad before it.
    client.send(bytes(552))
    with pytest.raises(ringway.TimedOut):
        client.reserve(client.max_payload, timeout=0.05)
    assert server.recv(timeout=20) == bytes(552)
    client.reserve(client.max_payload, timeout=20).abort()
    client.close()
    server.close()


def test_arm_knows_the_pad_and_the_moment_before_what_is_sent() -> None:
    client, server = ringway.pair(alignment=64, capacity=4096, peer_capacity=4096)
    sender = client.sender
    # What 40 bytes take is left, and nothing for a pad or for a moment.
    for size in (1000, 1000, 1000, 1000, 0):
        sender.send(bytes(size))
    assert not sender.arm(40)
    with pytest.raises(ringway.TimedOut):
        sender.reserve(40, timeout=0)
    assert sender.arm(40, aligned=True)
    assert not select.select([sender], [], [], 0)[0]
    assert not sender.try_send_expiring(bytes(40), 60)
    assert sender.arm(40, expiring=True)
    for size in (1000, 1000, 1000, 1000, 0):
        assert server.recv(timeout=20) == bytes(size)
    assert select.select([sender], [], [], 20)[0]
    assert not sender.arm(40, aligned=True)
    sender.reserve(40, timeout=0).abort()
    assert not sender.arm(40, expiring=True)
    assert sender.try_send_expiring(bytes(40), 60)
    client.close()
    server.close()


def test_an_exception_aborts_a_reservation(pair: Pair) -> None:
    server, client = pair
    with pytest.raises(KeyError):
        with client.reserve(5) as memory:
            memory[:] = b"wrong"
            raise KeyError
    client.send(b"right")
    assert server.recv() == b"right"


def test_a_reservation_by_hand(pair: Pair) -> None:
    server, client = pair
    reservation = client.reserve(10)
    assert len(reservation) == 10 and "open" in repr(reservation)
    with memoryview(reservation) as memory:
        memory[:4] = b"part"
        with pytest.raises(BufferError, match="in use"):
            reservation.commit()
    with pytest.raises(ValueError, match="11 bytes"):
        reservation.commit(11)
    reservation.commit(4)
    assert server.recv() == b"part"
    for again in (reservation.commit, lambda: memoryview(reservation)):
        with pytest.raises((ValueError, BufferError)):
            again()
    reservation.abort()
    client.reserve(3).abort()
    del reservation
    dropped = client.reserve(3)
    del dropped
    client.send(b"next")
    assert server.recv() == b"next"


def test_a_half_is_in_use_while_a_reservation_is_open(pair: Pair) -> None:
    server, client = pair
    reservation = client.reserve(3)
    for call in (
        lambda: client.send(b"x"),
        lambda: client.try_send(b"x"),
        lambda: client.send_batch([b"x"]),
        lambda: client.reserve(1),
        lambda: client.sender.arm(1),
    ):
        with pytest.raises(ringway.InUse):
            call()
    reservation.abort()
    client.send(b"x")
    assert server.recv() == b"x"


def test_what_is_made_of_a_reservation_pins_it(pair: Pair) -> None:
    server, client = pair
    kept: list[memoryview] = []
    reservation = client.reserve(3)
    with pytest.raises(BufferError):
        with reservation as memory:
            memory[:] = b"abc"
            kept.append(memory[1:])
    with pytest.raises(ringway.InUse):
        client.send(b"x")
    kept.pop().release()
    reservation.commit()
    assert server.recv() == b"abc"
    # An abort comes with the last of them.
    reservation = client.reserve(3)
    with pytest.raises(KeyError):
        with reservation as memory:
            kept += [memory[1:]]
            raise KeyError
    assert "in use" in repr(reservation)
    with pytest.raises(ringway.InUse):
        client.send(b"x")
    kept.pop().release()
    memory.release()  # pyright: ignore[reportPossiblyUnboundVariable]
    assert "over" in repr(reservation)
    client.send(b"x")
    assert server.recv() == b"x"


def test_what_ends_with_the_last_buffer_is_not_ended_by_hand(trusting: Pair) -> None:
    server, client = trusting
    client.send(b"frame")
    view, reservation = server.recv_view(), client.reserve(3)
    kept: list[memoryview] = []
    with pytest.raises(KeyError), view, reservation:
        kept += [memoryview(view), memoryview(reservation)]
        raise KeyError
    view.release()
    reservation.abort()
    with pytest.raises(ValueError, match="aborted"):
        reservation.commit()
    assert "in use" in repr(view) and "in use" in repr(reservation)
    for half in (server.try_recv, lambda: client.send(b"x")):
        with pytest.raises(ringway.InUse):
            half()
    assert bytes(kept[0]) == b"frame"
    while kept:
        kept.pop().release()
    client.send(b"next")
    assert server.recv() == b"next"


def test_closing_keeps_what_is_lent(trusting: Pair) -> None:
    server, client = trusting
    reservation = client.reserve(1 << 10)
    memory = memoryview(reservation)
    server.send(b"a frame")
    view = client.recv_view()
    seen = memoryview(view)
    client.close()
    memory[:] = b"x" * (1 << 10)
    assert bytes(seen) == b"a frame"
    # The peer hears of the end with the last of them.
    with pytest.raises(ringway.TimedOut):
        server.recv(timeout=0.05)
    memory.release()
    with pytest.raises(ringway.Closed):
        reservation.commit()
    with pytest.raises(ringway.Closed):
        server.recv(timeout=20)
    seen.release()
    view.release()


def test_views(trusting: Pair) -> None:
    server, client = trusting
    client.send(b"first", kind=9)
    client.send(b"second")
    with server.recv_view() as memory:
        assert memory.readonly and bytes(memory) == b"first"
        with pytest.raises(TypeError):
            memory[0] = 1
        with pytest.raises(ringway.InUse):
            server.recv()
    with pytest.raises(ValueError, match="released"):
        bytes(memory)
    view = server.recv_view()
    assert (view.kind, len(view), bytes(view)) == (0, 6, b"second")
    memory = memoryview(view)
    with pytest.raises(BufferError, match="in use"):
        view.release()
    memory.release()
    view.release()
    view.release()
    with pytest.raises(BufferError, match="given back"):
        memoryview(view)
    client.send(b"third")
    server.recv_view()
    client.send(b"fourth")
    assert server.recv() == b"fourth", "a view that is dropped is released"


def test_views_need_trust(pair: Pair) -> None:
    server, client = pair
    client.send(b"x")
    with pytest.raises(ringway.Feature, match="trust_peer"):
        server.recv_view()
    assert server.recv() == b"x"


def test_views_as_arrays(trusting: Pair) -> None:
    numpy = pytest.importorskip("numpy")
    server, client = trusting
    client.send(bytes(range(8)))
    view = server.recv_view()
    array = numpy.frombuffer(view, dtype="<u4")
    assert array.tolist() == [0x03020100, 0x07060504]
    assert not array.flags.writeable
    tensor = numpy.from_dlpack(view)
    assert tensor.tolist() == list(range(8)) and not tensor.flags.writeable
    with pytest.raises(BufferError):
        view.release()
    del array
    with pytest.raises(BufferError):
        view.release()
    del tensor
    view.release()
    client.send(b"")
    assert numpy.from_dlpack(server.recv_view()).tolist() == []


def test_capsules(trusting: Pair) -> None:
    server, client = trusting
    client.send(b"x")
    view = server.recv_view()
    assert view.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="DLPack 1.0"):
        view.__dlpack__()
    with pytest.raises(BufferError, match="DLPack 1.0"):
        view.__dlpack__(max_version=(0, 8))
    with pytest.raises(BufferError, match="processor"):
        view.__dlpack__(max_version=(1, 0), dl_device=(2, 0))
    with pytest.raises(BufferError, match="not copied"):
        view.__dlpack__(max_version=(1, 0), copy=True)
    capsule = view.__dlpack__(max_version=(1, 1))
    with pytest.raises(BufferError):
        view.release()
    del capsule  # nobody took the tensor
    view.release()


def test_the_collector_breaks_cycles(trusting: Pair) -> None:
    server, client = trusting

    def leave_open(reservation: Any) -> None:
        reservation.__enter__()

    leave_open(client.reserve(3))
    gc.collect()
    client.send(b"x")
    assert server.recv() == b"x"
    client.send(b"y")
    leave_open(server.recv_view())
    gc.collect()
    client.send(b"z")
    assert server.recv() == b"z"


def test_records_as_batches(pair: Pair) -> None:
    server, client = pair
    records = bytearray(b"".join(bytes([n]) * 12 for n in range(5)))
    assert client.send_batch_from(records, 12, kind=4) == 5
    target = bytearray(30)
    assert server.recv_batch_into(target, 12) == 2
    assert target[:24] == records[:24] and server.receiver.last_kind == 4
    client.send(b"odd")
    target = bytearray(120)
    assert server.recv_batch_into(target, 12) == 3
    with pytest.raises(ringway.WrongSize) as raised:
        server.recv_batch_into(target, 12)
    assert raised.value.len == 3
    assert server.recv() == b"odd"
    for size in (0, 121):
        with pytest.raises(ValueError, match="no room"):
            server.recv_batch_into(target, size)
    with pytest.raises(ValueError, match="no number of records"):
        client.send_batch_from(records, 7)
    with pytest.raises(ringway.TimedOut):
        server.recv_batch_into(target, 12, timeout=0.01)
    # More than the ring holds.
    many = bytes(12 * 100_000)
    reader: list[int] = []

    def read() -> None:
        room = bytearray(12 * 1000)
        while sum(reader) < 100_000:
            reader.append(server.recv_batch_into(room, 12, timeout=20))

    thread = threading.Thread(target=read)
    thread.start()
    assert client.send_batch_from(many, 12, timeout=20) == 100_000
    thread.join(20)
    assert sum(reader) == 100_000


FORKER = """
import os, sys, gc, ringway, threading
place = sys.argv[1]
listener = ringway.listen(place, handshake_timeout=20)
made = []
thread = threading.Thread(target=lambda: made.append(ringway.connect(place, trust_peer=True, handshake_timeout=20)))
thread.start()
server = listener.accept(); thread.join(); client = made.pop()
server.send(b"seen")
reservation, view = client.reserve(3), client.recv_view()
busy = threading.Thread(target=lambda: server.recv()); busy.start()
import time; time.sleep(0.1)
child = os.fork()
if child == 0:
    raised = 0
    for call in (
        lambda: listener.try_accept(), lambda: server.send(b"x"), lambda: server.recv(), lambda: client.try_recv(),
        lambda: reservation.commit(), lambda: view.release(), lambda: memoryview(view), lambda: memoryview(reservation),
    ):
        try:
            call()
        except ringway.Forked:
            raised += 1
    for thing in (listener, server, client):
        with thing:
            pass
    del thing, listener, server, client, reservation, view, call
    gc.collect()
    os._exit(raised)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 8, status
with memoryview(reservation) as memory:
    memory[:] = b"yes"
assert bytes(view) == b"seen"
reservation.commit()
busy.join()
client.send(b"more")
assert server.recv() == b"more"
assert os.path.exists(place)
print("fine")
"""


def test_a_forked_child_harms_nobody(place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKER, place], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "fine\n", done


ENDER = """
import sys, ringway, threading
place = sys.argv[1]
listener = ringway.listen(place, handshake_timeout=20)
made = []
thread = threading.Thread(target=lambda: made.append(ringway.connect(place, trust_peer=True, handshake_timeout=20)))
thread.start()
server = listener.accept(); thread.join(); client = made.pop()
server.send(b"seen")
reservation, view = client.reserve(3), client.recv_view()
memory, seen = memoryview(reservation), memoryview(view)
waits = threading.Thread(target=lambda: server.recv(), daemon=True); waits.start()
import time; time.sleep(0.05)
print("fine")
"""


def test_an_interpreter_ends_with_everything_open(place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDER, place], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)
