"""Frames that are of no use any more after a time."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

import pytest

import ringway
from conftest import HANDSHAKE, PATIENCE, wait_until_asleep
from loops import each_loop, half_here, run

Pair = tuple[ringway.Connection, ringway.Connection]
Loops = Callable[[], asyncio.AbstractEventLoop]

HOUR = 3600.0


def sent_soon_over(send: Callable[[], object]) -> None:
    """Sends a frame that is over soon: once more where this thread had no processor until it was over before it was sent."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            assert send() is not False
            return
        except ringway.Expired:
            assert time.monotonic() < deadline


def test_what_has_expired_is_not_received() -> None:
    left, right = ringway.pair(drop_expired=True)
    with left, right:
        sent_soon_over(lambda: left.send_expiring(b"short", 0.001, kind=1))
        sent_soon_over(lambda: left.try_send_expiring(bytearray(b"short too"), 0.001))
        left.sender.send_expiring(b"long", HOUR, kind=3)
        assert left.sender.try_send_expiring(b"longer", lifetime=HOUR)
        time.sleep(0.005)
        assert right.recv_kind() == (3, b"long")
        assert right.recv() == b"longer"
        assert right.try_recv() is None


def test_a_frame_waits_for_room_until_it_expires(pair: Pair) -> None:
    left, right = pair
    size = left.max_payload // 2
    sent = 0
    while left.try_send_expiring(bytes(size), HOUR):
        sent += 1
    assert sent > 0
    lifetime, refused = 0.05, None
    while refused is None:
        try:
            left.send_expiring(bytes(size), lifetime)
        except ringway.QueueTooLong:
            # This thread was stalled, while nobody read.
            lifetime *= 2
        except ringway.Expired as error:
            refused = error
        else:
            pytest.fail("it was sent, though there is no room")
    assert isinstance(refused, TimeoutError)
    # There is room as soon as somebody reads.
    found: list[bytes] = []
    reader = threading.Timer(0.05, lambda: found.extend(right.recv(PATIENCE) for _ in range(sent + 1)))
    reader.start()
    left.send_expiring(b"in time", PATIENCE)
    reader.join()
    assert found[-1] == b"in time"


def test_a_frame_expires_behind_another_thread_too(pair: Pair) -> None:
    left, right = pair
    size = left.max_payload // 2
    while left.try_send(bytes(size)):
        pass
    waits = threading.Thread(target=lambda: left.send(bytes(size)), daemon=True)
    waits.start()
    wait_until_asleep(waits.native_id or 0)
    with pytest.raises(ringway.Expired):
        left.send_expiring(b"late", 0.05)
    assert waits.is_alive()
    deadline = time.monotonic() + PATIENCE
    while waits.is_alive():
        right.try_recv()
        assert time.monotonic() < deadline
    assert b"late" not in iter(right.try_recv, None)


def test_lifetimes_that_make_no_sense(pair: Pair) -> None:
    left, right = pair
    for lifetime in (-1.0, float("nan"), float("inf")):
        for send in (left.send_expiring, left.try_send_expiring, left.sender.send_expiring):
            with pytest.raises(ValueError, match="lifetime is"):
                send(b"", lifetime)
    with pytest.raises(ringway.Expired):
        left.send_expiring(b"", 0)
    with pytest.raises(ringway.TooLarge) as raised:
        left.send_expiring(bytes(left.max_payload), HOUR)
    assert raised.value.max == left.max_payload - 8
    assert right.try_recv() is None
    left.close()
    with pytest.raises(ringway.Closed):
        left.send_expiring(b"", HOUR)


def test_messages_expire_too(place: str) -> None:
    @ringway.message
    class Tick:
        number: ringway.u64

    served: list[int] = []
    over = threading.Event()

    def serve() -> None:
        with ringway.listen(place, expects=Tick, drop_expired=True, handshake_timeout=HANDSHAKE) as listener, listener.accept(PATIENCE) as connection:
            connection.untyped.send(b"sleep")
            assert over.wait(PATIENCE)
            served.extend(connection.recv(PATIENCE).number for _ in range(2))

    thread = threading.Thread(target=serve)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = ringway.connect(place, sends=Tick, handshake_timeout=HANDSHAKE)
            break
        except ringway.NotFound:
            assert time.monotonic() < deadline
    with connection:
        connection.untyped.recv(PATIENCE)
        sent_soon_over(lambda: connection.send_expiring(Tick(1), 0.001))
        connection.send_expiring(Tick(2), HOUR)
        connection.sender.send_expiring(Tick(3), HOUR)
        # All that is to expire has, when the first of them is read.
        time.sleep(0.005)
        over.set()
        thread.join(PATIENCE)
    assert served == [2, 3]


def test_a_stream_of_expired_frames_holds_nobody_beyond_the_timeout() -> None:
    left, right = ringway.pair(drop_expired=True)
    over = threading.Event()

    def stream() -> None:
        while not over.is_set():
            with contextlib.suppress(ringway.Expired, ringway.QueueTooLong):
                left.try_send_expiring(b"x", 0.0001)

    def wait() -> None:
        for _ in range(20):
            with contextlib.suppress(ringway.TimedOut):
                right.recv(timeout=0.02)

    threads = [threading.Thread(target=work, daemon=True) for work in (stream, wait)]
    for thread in threads:
        thread.start()
    threads[1].join(PATIENCE)
    held = threads[1].is_alive()
    over.set()
    threads[0].join()
    assert not held, "a call waits as long as they come"


@each_loop
def test_in_a_loop(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            await here.send_expiring(b"long", HOUR, kind=2)
            assert peer.recv_kind() == (2, b"long")
            size = here.sync.max_payload // 2
            sent = 0
            while here.sync.try_send_expiring(bytes(size), HOUR):
                sent += 1
            # Where this machine was slow, the peer is said to be.
            over = (ringway.Expired, ringway.QueueTooLong)
            with pytest.raises(over):
                await here.send_expiring(bytes(size), 0.05)
            # It has its turn behind one that waits, and ends there too.
            waits = asyncio.create_task(here.send_expiring(bytes(size), HOUR))
            await asyncio.sleep(0.01)
            for lifetime in (-1.0, float("nan"), float("inf")):
                with pytest.raises(ValueError, match="lifetime is"):
                    await here.send_expiring(b"", lifetime)
            with pytest.raises(over):
                await here.send_expiring(bytes(size), 0.05)
            found: list[bytes] = []
            while not waits.done():
                found += filter(None, [peer.try_recv()])
                await asyncio.sleep(0)
            await waits
            found += filter(None, iter(peer.try_recv, None))
            assert found[-1] == bytes(size) and len(found) == sent + 1
            with pytest.raises(ValueError, match="lifetime is"):
                await here.send_expiring(b"", -1)

    run(loops, main())
