"""The table of what is measured: each row's work, its rivals and its targets."""

from __future__ import annotations

from .row import Rival, Row
from .way import Way

SPIN = tuple(Way(f"spin:{how}", spins=True) for how in ("mapped", "viewed", "packed"))
KIB, MIB = 1 << 10, 1 << 20
#: What the kernel schedules moves more than what spins.
LOOSE = 1.25



def objects(name: str, about: str, what: str, size: int, target: float, wait: str = "adaptive") -> Row:
    """Objects through a `Pipe`."""
    large = size >= MIB
    checked, first = (2, 2 if size <= 8 * MIB else 1) if large else (50, 16)

    def way(whose: str, spins: bool = False) -> Way:
        return Way(f"objects:{whose},{what},{size}", spins, LOOSE, checked, first)

    rivals = [Rival("Pipe", (way("pipe"),), target)]
    if what == "in" and 64 * KIB <= size < 32 * MIB:
        rivals.append(Rival("copies by hand", (way("copied", True),)))
    # A round trip of the largest takes the better part of a second.
    most, seconds = (7, 60.0) if size > 8 * MIB else (None, None)
    return Row(name, about, way(wait), tuple(rivals), size=size, each=not large, most=most, seconds=seconds)


ROWS = (
    Row(
        "round-trip",
        "64 bytes there and back, both sides never sleep; pipe, pyzmq and grpcio have no such manner and block",
        Way("ours:exchange,spin", spins=True),
        (
            Rival("spin by hand", SPIN, 1.0),
            Rival("iceoryx2", (Way("iceoryx", spins=True, needs="iceoryx2"),), 4.0),
            Rival("Pipe", (Way("pipe:exchange", agreement=LOOSE),), 50.0),
            Rival("pyzmq", (Way("pyzmq", agreement=LOOSE, needs="zmq"),), 50.0),
            Rival("grpcio", (Way("grpcio", agreement=LOOSE, needs="grpc"),)),
        ),
    ),
    Row(
        "park",
        "64 bytes there and back, both sides asleep",
        Way("ours:exchange,park", agreement=LOOSE),
        (Rival("eventfd by hand", (Way("bell", agreement=LOOSE),), 1 / 1.15),),
    ),
    Row(
        "one-way",
        "64 bytes one after the other, a call for each; both sides never sleep",
        Way("ours:stream,spin", spins=True),
        (
            Rival("spin by hand", (Way("ring", spins=True),), 1.5),
            Rival("Pipe", (Way("pipe:stream", agreement=LOOSE),), 10.0),
        ),
        unit="M/s",
        each=False,
    ),
    Row(
        "asyncio-park",
        "64 bytes there and back in tasks of asyncio, both sides asleep in their loops",
        Way("loops:park", agreement=LOOSE),
        (Rival("add_reader by hand", (Way("loops:bell", agreement=LOOSE),), 1 / 1.15),),
    ),
    Row(
        "asyncio",
        "64 bytes there and back in tasks of asyncio, by default",
        Way("loops:adaptive", agreement=LOOSE),
        (Rival("asyncio streams", (Way("loops:streams", agreement=LOOSE),), 2.0),),
    ),
    Row(
        "uvloop-park",
        "the same as asyncio-park in loops of uvloop",
        Way("loops:park,uvloop", agreement=LOOSE, needs="uvloop"),
        (Rival("add_reader by hand", (Way("loops:bell,uvloop", agreement=LOOSE, needs="uvloop"),), 1 / 1.25),),
    ),
    Row(
        "uvloop",
        "the same as asyncio in loops of uvloop",
        Way("loops:adaptive,uvloop", agreement=LOOSE, needs="uvloop"),
        (Rival("asyncio streams", (Way("loops:streams,uvloop", agreement=LOOSE, needs="uvloop"),), 2.0),),
    ),
    Row(
        "records",
        "10,000 typed records of 32 bytes as one NumPy array: every field filled, sent, received, two fields summed",
        Way("records:10000", agreement=LOOSE, checked=20),
        (Rival("Rust", (Way("rust", agreement=LOOSE, checked=20, rust={"Records": 10_000}),), 0.5),),
        size=320_000,
        unit="GB/s",
        each=False,
    ),
    Row(
        "array",
        "NumPy arrays of 1 MiB one after the other, each written in full by one side and summed by the other; both sides never sleep",
        Way("arrays:ours", spins=True, checked=20),
        (
            Rival("spin by hand", tuple(Way(f"arrays:hand,{slots}", spins=True, checked=20) for slots in (2, 3, 4)), 1 / 1.1),
            Rival("Pipe, objects", (Way("arrays:pipe", agreement=LOOSE, checked=20),), 30.0),
            Rival("Pipe, bytes", (Way("arrays:pipe-bytes", agreement=LOOSE, checked=20),)),
        ),
        size=MIB,
        each=False,
    ),
    objects("pipe-small", "a small dictionary there and back through Pipe", "small", 64, 10.0),
    objects("pipe-1k", "the same with 1 KiB of bytes in it", "in", KIB, 10.0),
    objects("pipe-64k", "the same with 64 KiB; by hand: the bytes alone into shared memory and out of it", "in", 64 * KIB, 10.0),
    objects("pipe-1m", "the same with 1 MiB", "in", MIB, 3.0),
    objects("pipe-8m", "the same with 8 MiB", "in", 8 * MIB, 3.0),
    objects("pipe-64m", "the same with 64 MiB", "in", 64 * MIB, 3.0),
    objects("pipe-bytes", "4 KiB of bytes there and back through Pipe, by send and recv", "bytes", 4 * KIB, 10.0),
    objects("pipe-array", "a NumPy array of 1 MiB there and back through Pipe", "array", MIB, 3.0),
    objects("pipe-park", "a small dictionary there and back through Pipe, both sides asleep; no slower but for noise", "small", 64, 1 / 1.05, "park"),
)
