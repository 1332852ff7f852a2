"""Connections that outlive their server, both sides in one process."""

import asyncio
import contextlib
import gc
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ringway
import ringway.asyncio
from conftest import HANDSHAKE, PATIENCE, strike_when_asleep
from ringway import _ringway

# Options are drawn together here, and messages are of a class that is made in a test: no overload is chosen.
listen: Any = ringway.listen
connect: Any = ringway.connect
resume: Any = ringway.resume


class Place:
    """A listener, and who connects to it."""

    def __init__(self, place: str, **options: Any) -> None:
        self.place = place
        self.options: dict[str, Any] = {"resumable": True, "handshake_timeout": HANDSHAKE, **options}
        self.listener = listen(place, **self.options)

    def meet(self, client: Callable[[], Any]) -> tuple[Any, Any]:
        """The server's end, and what the client makes."""
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(client)
            return self.listener.accept(PATIENCE), made.result(PATIENCE)

    def pair(self) -> tuple[Any, Any]:
        return self.meet(lambda: connect(self.place, **self.options))

    def resume(self, lost: Any) -> tuple[Any, Any]:
        """The next server's end, and what came of it."""
        told = {name: value for name, value in self.options.items() if name not in ("sends", "expects")}
        return self.meet(lambda: resume(self.place, lost, PATIENCE, **told))


def end(lost: Any) -> None:
    with pytest.raises(ringway.Closed):
        lost.recv(PATIENCE)


def left_by(place: str, serve: Callable[[ringway.Connection], object], **options: Any) -> tuple[int, int]:
    """How many of four frames are in doubt, and how many unseen, when a server has done that and closed."""
    there = Place(place, **options)
    server, lost = there.pair()
    assert server.resumable and lost.resumable
    lost.send_batch([b"0000", b"1111", b"2222", b"3333"])
    with server:
        serve(server)
    end(lost)
    next_one, resumed = there.resume(lost)
    assert lost.closed and resumed.broken is None
    left = [(next_one.recv(PATIENCE), next_one.receiver.last_redelivery) for _ in range(resumed.in_doubt + resumed.unseen)]
    told = [word for _, word in left]
    assert told == ["in_doubt"] * resumed.in_doubt + ["unseen"] * resumed.unseen
    assert [frame for frame, _ in left] == [b"0000", b"1111", b"2222", b"3333"][4 - len(left) :]
    resumed.connection.send(b"anew")
    assert (next_one.recv(PATIENCE), next_one.receiver.last_redelivery) == (b"anew", "first")
    there.listener.close()
    return resumed.in_doubt, resumed.unseen


def fails(view: ringway.View) -> str:
    with pytest.raises(ZeroDivisionError), view:
        raise ZeroDivisionError
    return "failed"


def released(lent: ringway.View | ringway.Connection) -> str:
    lent.release()
    return "released"


WAYS: dict[str, tuple[Callable[[ringway.Connection], object], tuple[int, int]]] = {
    "nothing": (lambda server: None, (0, 4)),
    "one is received": (lambda server: server.recv(), (1, 3)),
    "two are received": (lambda server: (server.recv(), server.recv_kind()), (1, 2)),
    "one is tried": (lambda server: (server.recv(), server.try_recv()), (1, 2)),
    "into": (lambda server: (server.recv(), server.recv_into(bytearray(4))), (1, 2)),
    "into a large one": (lambda server: (server.recv(), server.recv_into(bytearray(1 << 17))), (1, 2)),
    "a batch": (lambda server: server.recv_batch(3), (3, 1)),
    "a batch, and the next": (lambda server: (server.recv_batch(3), server.recv()), (1, 0)),
    "records": (lambda server: server.recv_batch_into(bytearray(15), 4), (3, 1)),
    "all, and nothing is there": (lambda server: (server.recv_batch(4), server.try_recv()), (0, 0)),
    "all, and nothing comes": (lambda server: (server.recv_batch(4), pytest.raises(ringway.TimedOut, server.recv, 0.001)), (0, 0)),
    "released": (lambda server: (server.recv(), released(server)), (0, 3)),
    "armed": (lambda server: (server.recv_batch(3), server.arm()), (0, 1)),
}  # fmt: skip

IN_PLACE: dict[str, tuple[Callable[[ringway.Connection], object], tuple[int, int]]] = {
    "open": (lambda server: server.recv_view(), (1, 3)),
    "released": (lambda server: released(server.recv_view()), (0, 3)),
    "its block fails": (lambda server: fails(server.recv_view()), (1, 3)),
    "its block fails, and the next is asked for": (lambda server: (fails(server.recv_view()), server.recv()), (1, 2)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_server_has_not_come_back_from_is_in_doubt(place: str, way: str) -> None:
    serve, left = WAYS[way]
    assert left_by(place, serve) == left


@pytest.mark.parametrize("way", IN_PLACE)
def test_a_view_is_finished_with_when_it_is_released(place: str, way: str) -> None:
    serve, left = IN_PLACE[way]
    assert left_by(place, serve, trust_peer=True) == left


def in_batches(server: Any) -> list[bytes]:
    return [*server.recv_batch(timeout=PATIENCE)]


def by_kind(server: Any) -> list[bytes]:
    return [frame for _, frame in server.recv_batch_kinds(timeout=PATIENCE)]


def in_records(server: Any) -> list[bytes]:
    buffer = bytearray(40)
    count = server.recv_batch_into(buffer, 4, PATIENCE)
    return [bytes(buffer[at * 4 : at * 4 + 4]) for at in range(count)]


@pytest.mark.parametrize("receive", [in_batches, by_kind, in_records])
def test_what_is_in_doubt_is_the_last_of_its_batch(place: str, receive: Callable[[Any], list[bytes]]) -> None:
    there = Place(place)
    server, lost = there.pair()
    frames = [b"0000", b"1111", b"2222", b"3333"]
    lost.send_batch(frames)
    assert server.recv_batch(2, PATIENCE) == frames[:2]
    server.close()
    end(lost)
    next_one, resumed = there.resume(lost)
    assert (resumed.in_doubt, resumed.unseen) == (2, 2)
    receiver, names = next_one.receiver, list[int]()
    for at in range(2):
        assert (receive(next_one), receiver.last_redelivery) == ([frames[at]], "in_doubt")
        names.append(receiver.last_position)
    assert names[0] < names[1]
    resumed.connection.send(b"anew")
    assert receive(next_one) == [*frames[2:], b"anew"]
    assert receiver.last_redelivery == "first" and receiver.last_position > names[1]


def test_a_frame_is_named_for_good(place: str) -> None:
    there = Place(place)
    server, lost = there.pair()
    assert server.lineage == lost.lineage and server.receiver.last_position is None
    token, generation = lost.lineage
    assert len(token) == 16 and generation == 0
    lost.send_batch([b"0", b"1", b"2", b"3"])
    calls: list[Callable[[], object]] = [
        server.recv, lambda: server.recv_batch(1), lambda: server.recv_into(bytearray(1 << 17)), lambda: server.recv_batch_into(bytearray(1), 1)
    ]  # fmt: skip
    names: list[int] = []
    for call in calls:
        call()
        name = server.receiver.last_position
        assert name is not None
        names.append(name)
    assert names == sorted(set(names))
    # What servers send has no name that lasts.
    server.send_batch([b"4", b"5"])
    for call in (lost.recv, lambda: lost.recv_into(bytearray(1 << 17))):
        call()
        assert lost.receiver.last_position is None
    server.close()
    end(lost)
    next_one, resumed = there.resume(lost)
    assert next_one.lineage == resumed.connection.lineage == (token, 1)
    assert (next_one.recv(PATIENCE), next_one.receiver.last_position) == (b"3", names[3])


def test_without_an_account_nothing_is_named() -> None:
    left, right = ringway.pair()
    left.send(b"x")
    assert right.recv() == b"x"
    assert left.lineage is None and right.receiver.last_position is None


def test_of_a_server_that_gives_no_account_everything_is_in_doubt(place: str) -> None:
    there = Place(place, resumable=False)
    server, client = there.meet(lambda: connect(place, resumable=True, handshake_timeout=HANDSHAKE))
    assert not server.resumable and client.resumable
    client.send_batch([b"x", b"y"])
    assert (server.recv(), server.receiver.last_redelivery) == (b"x", "first")
    server.release()
    server.close()
    end(client)
    there.listener.close()
    _, resumed = Place(place).resume(client)
    assert (resumed.in_doubt, resumed.unseen) == (2, 0)


def test_who_has_not_asked_for_it_does_not_resume(place: str) -> None:
    there = Place(place)
    server, client = there.meet(lambda: connect(place, handshake_timeout=HANDSHAKE))
    assert not server.resumable and not client.receiver.resumable
    server.close()
    end(client)
    asked: list[dict[str, bool]] = [{}, {"resumable": False}]
    for options in asked:
        with pytest.raises(ringway.InvalidConfig, match="resumable"):
            resume(place, client, 0, **options)
        end(client)


def test_what_is_not_at_its_end_is_not_resumed(place: str) -> None:
    there = Place(place)
    server, client = there.pair()
    with pytest.raises(ringway.PeerLives):
        ringway.resume(place, client, 0)
    client.send(b"still")
    assert server.recv(PATIENCE) == b"still"
    server.send(b"unread")
    server.close()
    with pytest.raises(ringway.Unread):
        ringway.resume(place, client, 0)
    assert client.recv(PATIENCE) == b"unread"
    end(client)
    there.listener.close()
    with pytest.raises(ringway.NotFound):
        ringway.resume(place, client, 0.05)
    end(client)
    there = Place(place)
    _, resumed = there.resume(client)
    assert resumed.in_doubt == 1
    # What has gone is closed.
    with pytest.raises(ringway.Closed):
        ringway.resume(place, client, 0)
    with pytest.raises(ringway.Closed):
        client.send(b"x")


def lost_to_nobody(place: str) -> ringway.Connection:
    """One whose server is gone, and nobody listens."""
    there = Place(place)
    lost: ringway.Connection
    server, lost = there.pair()
    lost.send(b"kept")
    server.close()
    end(lost)
    there.listener.close()
    return lost


def test_it_is_in_nobodys_way_while_it_is_resumed(place: str) -> None:
    lost = lost_to_nobody(place)
    redial = _ringway._redial(place, lost)  # pyright: ignore[reportPrivateUsage]
    assert redial.step() is False and redial.fileno() == -1
    for call in (lost.recv, lost.try_recv, lambda: lost.send(b"x"), lambda: ringway.resume(place, lost, 0), lost.receiver.release):
        with pytest.raises(ringway.InUse, match="being resumed"):
            call()
    redial.close()
    end(lost)
    with pytest.raises(ringway.Closed, match="given up"):
        redial.step()
    # The collector gives it back too.
    redial = _ringway._redial(place, lost)  # pyright: ignore[reportPrivateUsage]
    del redial
    gc.collect()
    end(lost)
    # Closed meanwhile, it is closed.
    redial = _ringway._redial(place, lost)  # pyright: ignore[reportPrivateUsage]
    lost.close()
    with pytest.raises(ringway.Closed):
        redial.step()
    assert lost.closed


def test_one_that_is_in_use_is_not_resumed(place: str) -> None:
    there = Place(place, trust_peer=True)
    server, client = there.pair()
    server.send(b"seen")
    with client.recv_view(), pytest.raises(ringway.InUse, match="view"):
        ringway.resume(place, client, 0)
    with client.reserve(4), pytest.raises(ringway.InUse, match="reservation"):
        ringway.resume(place, client, 0)
    ends = list[str]()

    def wait() -> None:
        while not ends:
            # Where the other thread has just taken it to resume it, once more.
            with contextlib.suppress(ringway.InUse), pytest.raises(ringway.Closed):
                client.recv()
                ends.append("received")
            if client.closed:
                ends.append("closed")

    waits = threading.Thread(target=wait)
    waits.start()
    late = time.monotonic() + PATIENCE
    with client:
        while True:
            # Until that thread is in its call the server lives.
            with pytest.raises((ringway.InUse, ringway.PeerLives)) as raised:
                ringway.resume(place, client, 0)
            if raised.type is ringway.InUse:
                break
            assert time.monotonic() < late
        assert "another thread" in str(raised.value)
    waits.join(PATIENCE)
    assert ends == ["closed"]


def test_a_signal_ends_it_and_gives_the_connection_back(place: str) -> None:
    lost = lost_to_nobody(place)

    def strike(*_: object) -> None:
        raise ZeroDivisionError

    def close(*_: object) -> None:
        lost.close()

    before = signal.signal(signal.SIGUSR1, strike)
    try:
        strike_when_asleep(signal.SIGUSR1)
        with pytest.raises(ZeroDivisionError):
            ringway.resume(place, lost)
        # One that closes it ends it too.
        signal.signal(signal.SIGUSR1, close)
        strike_when_asleep(signal.SIGUSR1)
        with pytest.raises(ringway.Closed):
            ringway.resume(place, lost)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert lost.closed


def test_a_typed_connection_carries_the_same_messages(place: str) -> None:
    @ringway.message
    class Order:
        number: ringway.u64

    there = Place(place, sends=Order, expects=Order)
    server, lost = there.pair()
    assert lost.resumable and server.resumable
    lost.send_batch([Order(number=number) for number in range(3)])
    server.send_batch([Order(number=10), Order(number=11)])
    assert server.recv(PATIENCE).number == 0 and server.recv(PATIENCE).number == 1
    server.close()
    assert lost.recv(PATIENCE).number == 10
    lost.receiver.receive(4, PATIENCE)
    with pytest.raises(ringway.Unread):
        ringway.resume(place, lost, 0)
    assert lost.recv(PATIENCE).number == 11
    end(lost)
    next_one, resumed = there.resume(lost)
    assert (resumed.in_doubt, resumed.unseen) == (1, 1)
    assert (next_one.recv(PATIENCE).number, next_one.receiver.last_redelivery) == (1, "in_doubt")
    # What is kept here nobody was given, and it is not finished with.
    assert next_one.lineage == next_one.untyped.lineage is not None
    assert next_one.receiver.last_position == next_one.untyped.receiver.last_position is not None
    next_one.receiver.receive(4, PATIENCE)
    next_one.release()
    assert next_one.recv(PATIENCE).number == 2
    next_one.close()
    end(resumed.connection)
    next_one, resumed = there.resume(resumed.connection)
    assert resumed.in_doubt == 1
    assert next_one.recv(PATIENCE).number == 2
    next_one.release()
    next_one.close()
    end(resumed.connection)
    assert there.resume(resumed.connection)[1].in_doubt == 0


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_loses_nothing_of_what_was_resumed(place: str) -> None:
    @ringway.message(name="Gone")
    class Old:
        old: ringway.u64

    @ringway.message(name="Gone")
    class New:
        old: ringway.u64 = ringway.field(deprecated="use new")
        new: ringway.u64 = ringway.field(default=0)

    options: dict[str, Any] = {"resumable": True, "handshake_timeout": HANDSHAKE}
    there = Place(place, expects=Old)
    server, lost = there.meet(lambda: connect(place, sends=Old, **options))
    lost.send(Old(old=1))
    server.close()
    end(lost)
    there.listener.close()
    # Its server is newer, and warns of nothing here.
    there = Place(place, expects=ringway.lane(New).schema)
    server, resumed = there.resume(lost)
    assert resumed.unseen == 1
    assert [str(told) for told in resumed.connection.deprecated] == ["field `old` of `Gone` is deprecated: use new"]
    assert server.recv(PATIENCE) == (1).to_bytes(8, "little")
    resumed.connection.send(Old(old=2))
    assert server.recv(PATIENCE) == (2).to_bytes(8, "little")


async def with_one_in_hand(place: str, listener: ringway.asyncio.Listener, options: Any) -> tuple[ringway.asyncio.Connection, ringway.asyncio.Connection]:
    """A client, and a server that has waited for a frame and has it in hand."""
    lost, server = await asyncio.gather(ringway.asyncio.connect(place, **options), listener.accept())
    waits = asyncio.create_task(server.recv())
    await asyncio.sleep(0.01)
    await lost.send(b"in hand")
    assert await waits == b"in hand"
    return lost, server


def test_in_a_loop_what_a_task_has_in_hand_is_in_doubt_though_more_comes(place: str) -> None:
    async def main() -> None:
        options: Any = {"resumable": True, "handshake_timeout": HANDSHAKE}
        with ringway.asyncio.listen(place, **options) as listener:
            lost, server = await with_one_in_hand(place, listener, options)
            # The loop is woken, and nobody waits.
            for frame in (b"one", b"two"):
                await lost.send(frame)
                await asyncio.sleep(0.01)
            server.close()
            with pytest.raises(ringway.Closed):
                await lost.recv()
            cancelled = asyncio.create_task(ringway.asyncio.resume(place, lost, **options))
            await asyncio.sleep(0.01)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            with pytest.raises(ringway.Closed):
                await lost.recv()
            # Who has given it up has said no more than hello, and is passed over.
            resuming = asyncio.create_task(ringway.asyncio.resume(place, lost, PATIENCE, **options))
            server = await listener.accept()
            resumed = await resuming
            assert (resumed.in_doubt, resumed.unseen, lost.closed) == (1, 2, True)
            assert [await server.recv() for _ in range(3)] == [b"in hand", b"one", b"two"]
            # A task that comes back waits as before.
            waits = asyncio.create_task(server.recv())
            await asyncio.sleep(0.01)
            await resumed.connection.send(b"anew")
            assert await waits == b"anew"

    asyncio.run(main())


def test_in_a_loop_what_a_task_has_in_hand_is_in_doubt_though_its_half_is_woken(place: str) -> None:
    async def main() -> None:
        options: Any = {"resumable": True, "handshake_timeout": HANDSHAKE, "capacity": 4096, "peer_capacity": 4096}
        with ringway.asyncio.listen(place, **options) as listener:
            lost, server = await with_one_in_hand(place, listener, options)
            for _ in range(3):
                while server.sync.try_send(bytes(1000)):
                    pass
                answers = asyncio.create_task(server.send(bytes(1000)))
                await asyncio.sleep(0.01)
                while not answers.done():
                    await lost.recv()
                    await asyncio.sleep(0.001)
                await answers
                await asyncio.sleep(0.01)
            server.close()
            with pytest.raises(ringway.Closed):
                while True:
                    await lost.recv()
            accepts = asyncio.create_task(listener.accept())
            resumed = await ringway.asyncio.resume(place, lost, PATIENCE, **options)
            await accepts
            assert (resumed.in_doubt, resumed.unseen) == (1, 0)

    asyncio.run(main())
