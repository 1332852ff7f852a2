"""A half that meets a fault of the library."""

import pytest

import ringway
import ringway._ringway as native

#: Panics in a call of a half. It is in the build whose faults are planted: `cargo verify --only python` runs these tests with that.
panic = getattr(native, "_panic", None)

pytestmark = pytest.mark.skipif(panic is None, reason="the build has no planted panic")

Pair = tuple[ringway.Connection, ringway.Connection]


def meets_a_panic(half: object) -> None:
    assert panic is not None
    with pytest.raises(BaseException, match="planted") as raised:
        panic(half)
    assert type(raised.value).__name__ == "PanicException"


def test_a_sender_that_met_a_panic_answers_nothing_else_and_ends_without_a_goodbye(pair: Pair) -> None:
    left, right = pair
    left.send(b"before")
    sender = left.sender
    meets_a_panic(sender)
    for call in (lambda: sender.send(b"x"), lambda: sender.try_send(b"x"), sender.check, lambda: sender.send_batch([b"x"]), lambda: sender.reserve(3)):
        with pytest.raises(ringway.Panicked, match="connect again"):
            call()
    assert sender.closed
    sender.close()
    assert right.recv() == b"before"
    with pytest.raises(ringway.PeerClosed):
        right.recv()


def test_a_receiver_that_met_a_panic_answers_nothing_else_and_ends_without_a_goodbye(pair: Pair) -> None:
    left, right = pair
    left.send(b"never read")
    receiver = right.receiver
    meets_a_panic(receiver)
    for call in (receiver.recv, receiver.try_recv, receiver.recv_batch, lambda: receiver.recv_into(bytearray(9)), receiver.arm):
        with pytest.raises(ringway.Panicked, match="connect again"):
            call()
    with pytest.raises(ringway.Panicked):
        list(receiver)
    receiver.close()
    with pytest.raises(ringway.PeerClosed):
        while True:
            left.send(bytes(1000))
