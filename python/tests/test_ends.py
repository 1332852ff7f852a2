"""How a connection ends, and what threads make of it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import ringway
from conftest import HANDSHAKE, PATIENCE, connect_soon, strike_when_asleep

Pair = tuple[ringway.Connection, ringway.Connection]

SERVER = """
import sys, time, ringway
connection = ringway.listen(sys.argv[1], handshake_timeout=20).accept()
connection.send_batch([b"one", b"two"])
print("sent", flush=True)
time.sleep(600)
"""


def test_a_killed_peer_is_told_from_an_orderly_one(place: str) -> None:
    command = [sys.executable, "-c", SERVER, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        client = connect_soon(place)
        assert server.stdout is not None and server.stdout.readline() == "sent\n"
        assert client.peer.pid == server.pid
        client.sender.check()
        os.kill(server.pid, signal.SIGKILL)
        server.wait(PATIENCE)
    # What was sent before the end is received first.
    assert [client.recv(timeout=PATIENCE), client.recv(timeout=PATIENCE)] == [b"one", b"two"]
    for call in (client.recv, client.sender.check, lambda: list(client)):
        with pytest.raises(ringway.PeerDied) as raised:
            call()
        assert isinstance(raised.value, ConnectionResetError)
    with client:
        pass


def test_a_half_that_is_closed_ends_one_direction(pair: Pair) -> None:
    left, right = pair
    left.sender.close()
    with pytest.raises(ringway.Closed):
        right.recv()
    right.send(b"still")
    assert left.recv() == b"still"
    assert "sender closed" in repr(left) and not left.closed
    left.receiver.close()
    assert left.closed


def test_an_exception_closes_in_order(pair: Pair) -> None:
    left, right = pair
    with pytest.raises(RuntimeError), left:
        left.send(b"half of it")
        raise RuntimeError
    assert right.recv(PATIENCE) == b"half of it"
    with pytest.raises(ringway.Closed):
        right.recv(PATIENCE)


def test_both_directions_at_once(pair: Pair) -> None:
    left, right = pair
    frames = 20_000
    threads: list[threading.Thread] = []
    sums: dict[str, int] = {}
    for name, sender, receiver in (
        ("right", left.sender, right.receiver),
        ("left", right.sender, left.receiver),
    ):

        def send(sender: ringway.Sender = sender) -> None:
            with sender:
                for number in range(frames):
                    sender.send(number.to_bytes(4, "little"))

        def receive(receiver: ringway.Receiver = receiver, name: str = name) -> None:
            sums[name] = sum(int.from_bytes(frame, "little") for frame in receiver)

        threads += [threading.Thread(target=send), threading.Thread(target=receive)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sums == dict.fromkeys(("left", "right"), sum(range(frames)))


def test_frames_go_round_the_ring(trusting: Pair) -> None:
    left, right = trusting
    for number in range(3000):
        payload = number.to_bytes(4, "little") * (number % 300)
        with left.reserve(len(payload)) as memory:
            memory[:] = payload
        with right.recv_view() as memory:
            assert memory == payload


def test_a_handler_does_not_wait_for_the_call_that_it_interrupts(pair: Pair) -> None:
    left, right = pair
    heard: list[BaseException] = []

    def handle(_number: int, _frame: object) -> None:
        try:
            right.recv()
        except ringway.Error as error:
            heard.append(error)
        left.send(b"from the handler")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        strike_when_asleep(signal.SIGUSR1)
        assert right.recv(timeout=PATIENCE) == b"from the handler"
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert isinstance(heard[0], ringway.InUse)


def test_priorities() -> None:
    left, right = ringway.pair(lanes=2, capacity=4096, peer_capacity=4096)
    with left, right:
        assert (left.sender.priorities, right.sender.priorities) == (2, 2)
        with pytest.raises(ringway.Priority):
            left.send_at(2, b"")
        with pytest.raises(ringway.TimedOut):
            while True:
                left.send_at(1, b"x" * 100, timeout=0.01, kind=1)
        left.send(b"urgent", timeout=0)
        assert (right.recv(), right.receiver.last_priority) == (b"urgent", 0)
        assert right.recv_kind() == (1, b"x" * 100)
        assert right.receiver.last_priority == 1
        with pytest.raises(ringway.Feature):
            right.recv_batch_into(bytearray(100), 100)


def test_options(place: str) -> None:
    with ringway.listen(
        place,
        alignment=64,
        allow_uid=[os.getuid()],
        handshake_timeout=HANDSHAKE,
        lanes=2,
        limits={"connections": 5, "bytes": 1 << 30, "handshakes": 5},
        max_capacity=1 << 20,
        spin_budget=0.05,
        starvation_bound=8,
        wait="park",
        allow_tap=True,
        few_descriptors=True,
        membarrier=False,
        prefault=True,
        drop_expired=True,
        codec=7,
    ) as listener:
        assert listener.path == place and place in repr(listener)
        made: list[ringway.Connection] = []
        client = threading.Thread(
            target=lambda: made.append(
                ringway.connect(place, lanes=3, capacity=1 << 16, peer_capacity=1 << 12, codec=7, handshake_timeout=HANDSHAKE)
            )
        )
        client.start()
        server = listener.accept(timeout=PATIENCE)
        client.join()
        assert (server.capacity, server.peer_capacity) == (1 << 12, 1 << 16)
        assert listener.refusals == 0 and listener.last_refusal is None
    for wrong, error in (
        ({"wait": "never"}, ValueError),
        ({"capacity": "large"}, TypeError),
        ({"limits": {"nonsense": 1}}, ValueError),
        ({"handshake_timeout": -1}, ValueError),
        ({"lanes": 9}, ringway.InvalidConfig),
    ):
        with pytest.raises(error):
            ringway.listen(place, **wrong)  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert not os.path.exists(place)
    with pytest.raises(ringway.InvalidName):
        ringway.listen("no name")
    with pytest.raises(ringway.NameTooLong):
        ringway.connect("x" * 65)


def test_a_listener_ends_its_wait_when_it_is_closed(place: str) -> None:
    listener = ringway.listen(place)
    with pytest.raises(ringway.TimedOut):
        listener.accept(timeout=0.01)
    assert listener.try_accept() is None
    seen: list[ringway.Connection] = []
    waits = threading.Thread(target=lambda: seen.extend(listener))
    waits.start()
    listener.close()
    waits.join(PATIENCE)
    assert not waits.is_alive() and seen == [] and listener.closed
    with pytest.raises(ringway.Closed):
        listener.accept()


# An allocation after the other fails, until the call needs no more.
_STARVED = """
import sys
import _testcapi, ringway

left, right = ringway.pair()

def keep(timeout):
    kept = []
    ringway._ringway.keep_batch(right.receiver, kept, 64, timeout)
    return kept

calls = (right.recv, right.try_recv, right.recv_batch, right.recv_batch_kinds, keep)
starved = 0
for call in calls:
    block = b"x" * 1000
    left.send(block)
    for number in range(100):
        found = None
        _testcapi.set_nomemory(number, number + 1)
        try:
            found = call() if call == right.try_recv else call(timeout=1)
        except MemoryError:
            pass
        _testcapi.remove_mem_hooks()
        if found is not None:
            break
        starved += 1
    if found not in (block, (0, block), [block], [(0, block)]):
        sys.exit(f"{call} lost the frame: {found}")
assert starved >= len(calls), starved
"""


def test_a_frame_without_memory_for_it_stays_unread() -> None:
    pytest.importorskip("_testcapi")
    done = subprocess.run(
        [sys.executable, "-c", _STARVED], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


_ENDING = """
import threading, time, ringway

class Keeper:
    def __init__(self):
        self.one, self.other = ringway.pair()
    def __del__(self):
        self.other.receiver.close()
        print("closed", flush=True)

keeper = Keeper()
threading.Thread(target=keeper.other.receiver.recv, daemon=True).start()
time.sleep(0.3)
"""


def test_a_finalizer_does_not_wait_for_a_thread_that_the_end_has_stopped() -> None:
    done = subprocess.run([sys.executable, "-c", _ENDING], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")


def test_a_handler_closes_the_listener_that_waits(place: str) -> None:
    listener = ringway.listen(place)

    def close(*_: object) -> None:
        listener.close()

    before = signal.signal(signal.SIGUSR1, close)
    try:
        strike_when_asleep(signal.SIGUSR1)
        assert list(listener) == []
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert listener.closed
    ringway.listen(place).close()  # the name is free


def test_a_handler_closes_the_connection_that_waits(pair: Pair) -> None:
    left, right = pair

    def close(*_: object) -> None:
        right.close()

    before = signal.signal(signal.SIGUSR1, close)
    try:
        strike_when_asleep(signal.SIGUSR1)
        with pytest.raises(ringway.Closed):
            right.recv(timeout=PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(ringway.Closed):  # the peer is told
        left.recv(timeout=PATIENCE)
    with pytest.raises(ringway.Closed):
        while True:
            left.send(b"x" * 100, timeout=PATIENCE)


def test_what_a_handler_raises_ends_a_listener_too(place: str) -> None:
    listener = ringway.listen(place)

    def handle(*_: object) -> None:
        listener.close()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(KeyboardInterrupt):
            strike_when_asleep(signal.SIGUSR1)
            next(listener)
    finally:
        signal.signal(signal.SIGUSR1, before)
    ringway.listen(place).close()


_WAITING = """
import os, threading, time
import ringway

def sleeps(thread):
    with open(f"/proc/self/task/{thread.native_id}/stat") as stat:
        return stat.read().rpartition(") ")[2].startswith("S")

path = f"/tmp/ringway-py-waiting-{os.getpid()}"
listener = ringway.listen(path)
left, right = ringway.pair(handshake_timeout=20)
waits = [threading.Thread(target=call, daemon=True) for call in (listener.accept, right.recv)]
for thread in waits:
    thread.start()
    while not sleeps(thread):
        time.sleep(0.01)
child = os.fork()
if child == 0:
    with listener, right:
        pass
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.path.exists(path)
listener.close()
"""


def test_a_forked_child_closes_what_a_thread_of_its_parent_waits_in() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", _WAITING], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


_LENT = """
import os, mmap
import ringway

left, right = ringway.pair(trust_peer=True, capacity=1 << 20, peer_capacity=1 << 20)
left.send(b"seen" * 5000)
reservation, view = left.reserve(20000), right.recv_view()
memory, seen = memoryview(reservation), memoryview(view)
child = os.fork()
if child == 0:
    mine = [mmap.mmap(-1, 1 << 20) for _ in range(64)]
    memory[:] = b"x" * 20000
    os._exit(any(one.find(b"x") >= 0 for one in mine) or bytes(seen[:4]) == b"seen")
assert os.waitpid(child, 0)[1] == 0
assert bytes(seen[:4]) == b"seen" and bytes(memory[:1]) != b"x"
"""


def test_a_memoryview_in_a_forked_child_touches_nothing_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LENT], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


_CALLS_AT_THE_END = """
import sys
from functools import partial
import ringway
from ringway.multiprocessing import Pipe

left, right = ringway.pair()
one, other = Pipe()
# Both sides come to their rings.
for _ in range(20):
    for here, there in ((one, other), (other, one)):
        here.send_bytes(b"begin")
        assert there.poll(10) and there.recv_bytes() == b"begin"
assert one._out is not None and other._in is not None

class Finalizer:
    def __init__(self, calls):
        self.calls = calls

    # What it needs is its own: the module's names are gone by then.
    def __del__(self, print=print, is_ending=sys.is_finalizing):
        print(is_ending())
        for call in self.calls:
            try:
                print(call())
            except BaseException as error:
                print(type(error).__name__)

left.send(b"x")
# The interpreter forgets it when it ends.
sys.last_value = Finalizer([
    partial(right.recv, 10.0),                   # with an argument, which another method takes
    partial(left.receiver.recv, timeout=0.01),   # with a name, and nothing comes
    partial(left.send, bytes(1 << 20)),          # an error with numbers
    partial(left.send, b"more"),
    partial(right.recv, timeout=10),
    partial(left.send, b"one", 2, 3, 4),
    partial(left.send, 5),
    partial(one.send, {"a": [1, "two", None]}),
    partial(other.poll, 10),
    other.recv,
    partial(one.send_bytes, b"bytes"),
    partial(other.recv_bytes, 100),
    partial(other.poll, 0.01),
    partial(one._out.send, b"no message", 77),
    other.recv,
    one.close,
    other.recv,
    other.recv_bytes,
    partial(other.send, b"to nobody"),
    right.close,
    left.recv,
    partial(list, left),
    left.sender.check,
])
"""


def test_what_is_called_while_the_interpreter_ends_answers() -> None:
    done = subprocess.run([sys.executable, "-c", _CALLS_AT_THE_END], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, ""), done
    lent, pipe = "b'x' TimedOut TooLarge None b'more' TypeError TypeError", "None True {'a': [1, 'two', None]} None b'bytes' False"
    ends = "None OSError None EOFError EOFError BrokenPipeError None Closed [] Closed"
    # A value has spaces, and no line's end.
    assert done.stdout.replace("\n", " ") == f"True {lent} {pipe} {ends} ", done.stdout


def test_a_negative_timeout_is_refused_with_a_frame_there_too(pair: Pair) -> None:
    left, right = pair
    left.send(b"stays")
    with pytest.raises(ValueError, match="timeout is -1"):
        right.recv(timeout=-1)
    assert right.recv() == b"stays"
